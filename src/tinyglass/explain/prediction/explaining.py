"""Why a network answered as it did: contributions of readings, the margin, the smallest change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, RecordingError
from ...network import Network
from ...prediction import answers, as_rows, predict
from ...recordings import Recording
from ..explanation import Explanation, Section, Table
from ..notation import PLAIN_STYLE, Style, make_notation
from .case import Case
from .changes import changes, steepest
from .contributions import attribute
from .readings import see
from .sections import contributions, inputs, lines
from .smallest_change import Change, smallest_changes

MOST_RECORDINGS = 5
MOST_TERMS = 12  # inputs of a network whose sums are written out


def explain_prediction(
    network: Network,
    recordings: Sequence[Recording],
    *,
    only: int | None = None,
    notation: str = "standard",
    style: Style = PLAIN_STYLE,
) -> Explanation:
    """Return why a network answered as it did: what each reading contributed, the margin, the smallest change.

    Everything is computed in float64 by `tinyglass.arithmetic`; how far the compiled core differs is said.

    Parameters
    ----------
    network : Network, with a preparation
    recordings : sequence of Recording
        The first five are explained.
    only : int, optional
        The one recording to explain, from 1.
    notation : "standard" or "course"
    style : Style, how numbers are written

    Returns
    -------
    Explanation

    Raises
    ------
    ArgumentError
        If the network was trained on numbers, a hidden layer steps, or there is no such recording.
    RecordingError
        If a recording has other channels or another length than the network takes.

    Examples
    --------
    >>> from tinyglass import read_recordings, train
    >>> course = read_recordings()
    >>> explanation = explain_prediction(train(course).network, course, only=1)
    >>> [section.kind for section in explanation.sections]
    ['answer', 'contributions', 'sums', 'margin', 'change', 'agreement']
    """
    names = make_notation(network.sizes, network.layer_names, notation)
    rows = as_rows(recordings, network)
    if not rows:
        raise RecordingError("There is no recording", "the recordings", "Give one")
    if only is not None and not 1 <= only <= len(rows):
        raise ArgumentError(
            f"Expected an example from 1 to {len(rows)}, found {only}", "--example", "Give one of these"
        )
    numbers = range(1, min(len(rows), MOST_RECORDINGS) + 1) if only is None else [only]
    answers(network, [rows[number - 1] for number in numbers])  # refuses what cannot be predicted
    sections, facts = [], []
    for number in numbers:
        case = _look(network, rows[number - 1], number if len(numbers) > 1 else None, style)
        sections += _sections(case)
        facts.append({"number": number} | _facts(case))
    left_out = 0 if only is not None else len(rows) - len(numbers)
    if left_out:
        others = "1 more recording is" if left_out == 1 else f"{left_out:,} more recordings are"
        text = f"{others} not explained here: --example {len(numbers) + 1} explains the next."
        sections.append(Section("left_out", "And the others", (text,)))
    title = "Why this prediction" if len(numbers) == 1 else "Why these predictions"
    return Explanation(title, tuple(sections), names, style, {"recordings": facts, "left_out": left_out})


def _look(network: Network, recording: Recording, number: int | None, style: Style) -> Case:
    assert network.preparation is not None
    seen = see(recording, network.preparation)
    prediction = predict(network, [recording])[0]
    found = attribute(network, seen)
    if not np.isfinite(found.readings.totals).all():
        raise RecordingError(
            "The outputs are not finite numbers",
            recording.source,
            "Train again with a smaller --learning-rate",
        )
    order = np.argsort(-np.array(prediction.outputs), kind="stable")
    names = network.classes or ("answer",)
    if len(names) < network.n_outputs:
        names = tuple(f"answer {j + 1}" for j in range(network.n_outputs))
    best = int(order[0]) if network.classes else 0
    second = int(order[1]) if network.classes and len(order) > 1 else best
    found_changes = ([], None, False) if second == best else smallest_changes(network, seen)
    return Case(network, seen, prediction, found, names, best, second, number, *found_changes, style)


def _sections(case: Case) -> list[Section]:
    parts: list[tuple[str, str, Sequence[Any]]] = [
        ("answer", "The answer", list(_answer(case))),
        ("contributions", "What each reading contributed", list(contributions(case))),
    ]
    if not case.seen.only_raw:
        parts.append(("inputs", "What each input contributed", list(inputs(case))))
    if case.network.n_inputs <= MOST_TERMS and len(case.seen.X) == 1:
        parts.append(("sums", f"Each {case.quantity} as a sum", list(lines(case))))
    if case.compares:
        parts.append(("margin", "The margin", list(_margin(case))))
    parts.append(("change", "The smallest change", list(changes(case) if case.compares else steepest(case))))
    parts.append(("agreement", "Core and definition", [_agreement(case)]))
    of = "" if case.number is None else f": recording {case.number}"
    return [Section(kind, title + of, tuple(items), case.number) for kind, title, items in parts]


# ---------------------------------------------------------------- the answer


def _answer(case: Case) -> Iterator[str | Table]:
    network, prediction = case.network, case.prediction
    label = prediction.label if isinstance(prediction.label, str) else case.text(prediction.label)
    n_readings, n_channels = case.seen.shape
    yield f"For {prediction.source} ({n_readings} × {n_channels} readings) the network answers {label}."
    if network.classes is None:
        return
    values = "probability" if network.gives_probabilities else "output"
    head, columns = ["", values], [np.array(prediction.outputs)]
    if case.found.sums:
        head.append("weighted sum")
        columns.append(case.found.outputs)
    order = np.argsort(-columns[0], kind="stable")
    rows = [(case.names[j], *(float(column[j]) for column in columns)) for j in order]
    yield Table("Outputs, largest first", tuple(head), tuple(rows))
    if network.gives_probabilities:
        divided = f" divided by the temperature, {case.text(network.temperature)}"
        yield f"The probabilities are softmax of the weighted sums{divided if network.temperature != 1 else ''}."
    if len(case.seen.X) > 1:
        yield (
            f"The recording is taken as {len(case.seen.X)} windows: the {values} of a class is the mean over them, "
            "and so are the weighted sums and contributions below."
        )
        if int(case.found.outputs.argmax()) != case.best:
            yield "The largest mean of the weighted sums is that of another class: a window that is sure pulls it."


# ---------------------------------------------------------------- margin


def _margin(case: Case) -> Iterator[str | Table]:
    network, outputs = case.network, np.array(case.prediction.outputs)
    best, second = case.best, case.second
    what = "probability" if network.gives_probabilities else "output"
    rows = [(what, *(float(outputs[j]) for j in (best, second)), float(outputs[best] - outputs[second]))]
    if case.found.sums:
        sums = case.found.outputs
        rows.append(
            ("weighted sum", *(float(sums[j]) for j in (best, second)), float(sums[best] - sums[second]))
        )
    yield Table(
        "Between the best class and the second",
        ("", case.names[best], case.names[second], "margin"),
        tuple(rows),
    )
    if case.found.sums and network.gives_probabilities and len(case.seen.X) == 1:
        difference = float(sums[best] - sums[second]) / network.temperature
        divided = ", divided by the temperature" if network.temperature != 1 else ""
        yield (
            f"The ratio of the two probabilities is e to the power of the margin of the sums{divided}: "
            f"e^{case.text(difference)} = {case.text(np.exp(min(difference, 700.0)))}."
        )
    yield _threshold_text(case, float(outputs[best]))


def _threshold_text(case: Case, largest: float) -> str:
    threshold = case.network.threshold
    if case.prediction.outputs.count(largest) > 1:
        return "The largest output is not the only largest one, so that the answer is unknown."
    if not threshold:
        return "The network has no threshold: however close the second class is, the best one is the answer."
    relation = "reaches" if largest >= threshold else "is below"
    known = "the answer is known" if largest >= threshold else "the answer is unknown"
    return f"The largest output, {case.text(largest)}, {relation} the threshold, {case.text(threshold)}: {known}."


# ---------------------------------------------------------------- agreement, and facts


def _agreement(case: Case) -> str:
    return (
        f"The contributions come from the definition, in float64. Its outputs and those of the core, in "
        f"{case.network.dtype.name}, differ by {case.found.difference:.2g} at most."
    )


def _facts(case: Case) -> dict[str, Any]:
    found, network = case.found, case.network

    def by_class(values: Any) -> dict[str, Any]:
        return {name: np.asarray(values)[j].tolist() for j, name in enumerate(case.names)}

    facts: dict[str, Any] = {
        "source": case.prediction.source,
        "label": case.prediction.label,
        "best": case.prediction.best,
        "outputs": by_class(case.prediction.outputs),
        "explained": case.quantity,
        "explained_outputs": by_class(found.outputs),
        "method": "exact" if found.straight else "integrated gradients",
        "baseline": dict(zip(case.seen.preparation.channels, found.baseline.tolist(), strict=True)),
        "contributions": by_class(found.readings.contributions),
        "rest": by_class(found.readings.rest),
        "gap": float(np.abs(found.readings.totals - found.outputs).max()),
        "input_method": "exact" if found.exact else "integrated gradients",
        "input_contributions": by_class(found.inputs.contributions),
        "input_rest": by_class(found.inputs.rest),
        "input_gap": float(np.abs(found.inputs.totals - found.outputs).max()),
        "difference_from_core": found.difference,
    }
    if case.compares:
        outputs = np.array(case.prediction.outputs)
        facts |= {
            "second": case.names[case.second],
            "margin": float(outputs[case.best] - outputs[case.second]),
            "threshold": network.threshold,
            "temperature": network.temperature,
            "changes": [_change_facts(case, change) for change in case.changes],
            "label_change": None if case.to_label is None else _change_facts(case, case.to_label),
            "changes_exact": case.exact,
        }
    return facts


def _change_facts(case: Case, change: Change) -> dict[str, Any]:
    k, c = change.reading, change.channel
    return {
        "reading": k + 1,
        "channel": case.seen.preparation.channels[c],
        "unit": case.seen.preparation.units[c],
        "from": float(case.seen.recording.signal[k, c]),
        "to": change.value,
        "change": change.size,
        "answer": change.label,
        "verified": change.verified,
    }
