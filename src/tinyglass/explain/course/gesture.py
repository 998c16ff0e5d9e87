"""The gesture network: one step by hand, the training program, and the weights on the board."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from ..explanation import Explanation, Line, Section, Table
from ..lines import Lines
from ..mistakes import Mistakes, loss_of, true_rule
from ..notation import Style
from ..sections import step_sections
from ..tracing import Symbol, Traced
from . import gesture_printed
from .example import FOUR_DECIMALS, given_section, make_example, mistakes_section
from .program import LABELS, recordings_of_the_page

READING = "5.1, 46.7, 120.5"
HIDDEN = "[-0.50, 0.22, -0.91], [0.61, 0.14, -0.48]"
OUTPUT = "[0.73, 0.29], [-0.29, -0.24]"
BOARD_HIDDEN = (
    "[0.664838063268332, 0.14475863419970098, 0.39798479496743655], "
    "[-0.1996792640967368, -0.10042784907697525, -0.38665016231765525]"
)
BOARD_OUTPUT = "[0.19784347834163832, -0.7106415457739413], [0.6545148412015216, 0.1258938146460059]"
NETWORK = """
inputs = {}
expected = {}
learning_rate = 0.01
[[layers]]
weights = [{}]
[[layers]]
weights = [{}]
"""
FIVE_DECIMALS = Style(decimals=5)
CREDIT = "Recordings and weights are the TinySpark course's, © its authors, CC BY-SA 4.0."


def explain(as_printed: bool, words: str, style: Style | None) -> Explanation:
    """Return the gesture page; with `as_printed`, all its mistakes too."""
    readings = [Decimal(text) for text in READING.split(", ")]
    scaled = "[" + ", ".join(str(reading / 100) for reading in readings) + "]"
    lines, names = make_example(NETWORK.format(scaled, "[1, 0]", HIDDEN, OUTPUT), "gesture", words)
    facts: dict[str, Any] = {"course": "gesture", "as_printed": as_printed}
    given = {
        "network": "3-2-2, linear, no bias",
        "reading": f"[{READING}] / 100",
        "hidden weights": HIDDEN,
        "output weights": OUTPUT,
        "expected": "[1, 0]: moving closer",
        "learning rate": "0.01",
    }
    scaling = [
        Line(Symbol("input", -1, i), Traced(reading) / Decimal(100)) for i, reading in enumerate(readings)
    ]
    sections = [
        given_section("The gesture page's step by hand", given),
        Section("preparation", "Preparation", tuple(scaling)),
        *step_sections(lines, names),
        _loss_section(lines),
        _training(),
    ]
    board = board_lines(words)
    sections.append(_board(board))
    if as_printed:
        mistakes = Mistakes(lines, names)
        diverging = gesture_printed.diverging()
        facts |= diverging
        sections += [
            mistakes.hidden(gesture_printed.one_step(lines), page=gesture_printed.PAGE),
            gesture_printed.digits(lines),
            mistakes.signed_sum(),
            gesture_printed.afterwards(lines),
            gesture_printed.labels(lines),
            gesture_printed.program(diverging),
            gesture_printed.board(board),
        ]
    else:
        sections.append(
            mistakes_section(
                "The page's six hidden gradients have the wrong sign, it rounds and copies numbers wrongly on the "
                "way, takes the signed sum of the errors for the loss, and names two weights wrongly. Its training "
                "program has the same gradients, and the board's program calls linear outputs probabilities."
            )
        )
    return Explanation("course:gesture", tuple(sections), names, style or FIVE_DECIMALS, facts)


def _loss_section(lines: Lines) -> Section:
    before, after = (FOUR_DECIMALS.number(loss_of(step)) for step in (lines.step, true_rule(lines.step)))
    rows = ((Symbol("loss"), before, after),)
    table = Table("½Σerror², before and after one step at learning rate 0.01", ("", "before", "after"), rows)
    return Section("loss", "What the step did", (table,))


# ---------------------------------------------------------------- the training program


def _training() -> Section:
    from ...settings import make_settings
    from ...training import train

    recordings = recordings_of_the_page()
    run = train(recordings, make_settings({}, preset="course"))
    n = len(recordings)
    rows = [(recording.label, *map(float, recording.signal.ravel())) for recording in recordings]
    epochs = [1, *range(10, run.epochs + 1, 10)]
    losses = [(str(epoch), float(run.losses[epoch - 1]) * n) for epoch in epochs]
    settings = run.settings
    about = (
        f"{n} recordings, learning rate {settings.learning_rate:g}, {run.epochs} epochs, shuffled every epoch, one "
        f"update per example, starting weights uniform in ±{settings.start_range:g}; the gradients are the true ones."
    )
    head = ("", "500 ms before", "250 ms before", "now")
    right = [(f"seed {run.settings.seed}", f"{round(run.accuracies[-1] * n)} of {n} right in the last epoch")]
    return Section(
        "training",
        "The training program",
        (
            about,
            Table("The ten recordings: proximity, 127.875 at most", head, tuple(rows)),
            CREDIT,
            Table("½Σerror² over the ten, during each epoch", ("epoch", "½Σerror²"), tuple(losses)),
            Table("The trained network", ("", ""), tuple(right)),
            "The same: tinyglass train --preset course. Any of its steps: tinyglass explain RUN.",
        ),
    )


# ---------------------------------------------------------------- the weights on the board


def board_lines(words: str) -> Lines:
    """Return the network with the weights on the board and, as a batch, the ten recordings."""
    recordings = recordings_of_the_page()
    X = [
        "[" + ", ".join(str(Decimal(repr(float(v))) / 100) for v in recording.signal.ravel()) + "]"
        for recording in recordings
    ]
    Y = [[int(recording.label == label) for label in LABELS] for recording in recordings]
    text = NETWORK.format("[" + ", ".join(X) + "]", Y, BOARD_HIDDEN, BOARD_OUTPUT)
    return make_example(text, "gesture", words).lines


def _board(lines: Lines) -> Section:
    outputs, Y = lines.working.outputs[-1], lines.step.Y
    answers, truths = outputs.argmax(axis=1), Y.argmax(axis=1)
    rows = tuple(
        (str(e + 1), LABELS[truth], *found, "right" if truth == answer else "wrong")
        for e, (truth, answer, found) in enumerate(zip(truths, answers, outputs, strict=True))
    )
    total = sum(lines.working.losses)
    weights = (
        ("hidden weights", BOARD_HIDDEN),
        ("output weights", BOARD_OUTPUT),
    )
    n = len(rows)
    summary = (
        ("right", f"{int(np.count_nonzero(answers == truths))} of {n}"),
        ("½Σerror² over the ten", total),
    )
    head = ("recording", "gesture", "output1", "output2", "")
    return Section(
        "board",
        "The weights on the board",
        (
            Table("The weights that the page copies to the board", ("", ""), weights),
            Table(
                "Output 1 is for moving closer, output 2 for moving away; the larger one is the answer",
                head,
                rows,
            ),
            Table("All ten", ("", ""), summary),
        ),
    )
