"""What a learner wrote down, explained: every number of a network and of one step."""

from __future__ import annotations

import decimal
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ..explanation import Explanation, Section, Table
from ..focus import find_focus
from ..gradient_check import in_float64, proof_section
from ..lines import Lines
from ..mistakes import Mistakes
from ..notation import PLAIN_STYLE, Notation, Style, make_notation
from ..replay import exactly
from ..sections import feedforward_section, step_sections
from ..tracing import Symbol
from ..working import Step, Working, feedforward, work
from .written import Written, read_written

LONGEST = 12  # characters of an exact number; where there are longer ones, six digits are shown
ROUNDED = Style(digits=6)


def explain_file(
    path: Path | str,
    *,
    as_printed: bool = False,
    example: int | None = None,
    neuron: str | None = None,
    weight: str | None = None,
    whole: bool = False,
    check_gradients: bool = False,
    notation: str = "course",
    style: Style | None = None,
    exact: bool = True,
) -> Explanation:
    """Return every number of a network and a step that stand in a TOML file.

    The file has ``inputs`` and a network: ``weights``, ``bias`` and ``activation`` of one neuron, or
    several ``[[layers]]`` with them. With ``expected``, the gradients are explained too, and with
    ``learning_rate``, the update. ``loss``, ``optimizer``, ``momentum``, ``beta1``, ``beta2``,
    ``epsilon``, ``l2`` and ``weight_limit`` mean what they mean in a training; without them it is the
    course's: half the squared error and plain gradient descent.

    Parameters
    ----------
    path : str or Path
    as_printed : bool; set the course's mistaken rules beside the true ones
    example : int, optional, from 1; show this example of a batch only
    neuron, weight : str, optional; show only what made this, such as ``hidden[1]`` or ``hidden[1,0]``
    whole : bool; write out every line of a large step too, not an overview by layer
    check_gradients : bool; set finite differences beside the gradients
    notation : "course" or "standard"
    style : Style, optional
        How numbers are written; without it in full, or with six digits where that would be long.
    exact : bool
        Compute with the numbers as they are written, so that 0.3 is three tenths; otherwise in float64.

    Raises
    ------
    ArgumentError, StorageError
        If the file cannot be used: what is wrong, its line, and how to mend it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "chapter.toml"
    ...     _ = path.write_text("inputs = [0.1, 0.8]\\nweights = [0.3, 0.9]\\nexpected = 0.4")
    ...     explain_file(path)["δ_weight2"].value
    Fraction(7, 25)
    """
    written = read_written(path)
    step = exactly(written.step) if exact else in_float64(written.step)
    names = make_notation(written.network.sizes, written.network.layer_names, notation)
    focus = find_focus(written.network, neuron, weight)
    only = _place_of(example, len(step.X))
    lines = make_lines(step, names, backward=written.backward, where=written.where)
    titles = [f"example {e}" for e in range(1, len(step.X) + 1)] if len(step.X) > 1 else []
    facts: dict[str, Any] = {"file": Path(path).name, "exact": exact, "as_printed": as_printed}
    sections = [_written_section(written, step)]
    if written.backward:
        try:
            found = step_sections(lines, names, focus, only, titles, whole)
            sections += [s for s in found if written.updates or s.kind not in ("update", "afterwards")]
            if check_gradients:
                section, facts["gradient_check"] = proof_section(step, names)
                sections.append(section)
            if as_printed:
                sections += Mistakes(lines, names, written.updates).sections()
        except (decimal.DecimalException, OverflowError) as error:
            raise _out_of_range(written.where) from error
    else:
        shown = range(len(step.X)) if only is None else [only]
        sections += [feedforward_section(lines, e, titles) for e in shown]
        if written.expected:
            sections.append(answers_section(lines))
    sections += _left_out(written, as_printed or check_gradients)
    title = f"The network of {Path(path).name}"
    return Explanation(title, tuple(sections), names, style or fitting_style(lines.working), facts)


def _place_of(example: int | None, n: int) -> int | None:
    if example is not None and not 1 <= example <= n:
        raise ArgumentError(
            f"Expected an example from 1 to {n}, found {example}", "--example", "Give one of these"
        )
    return None if example is None else example - 1


def make_lines(step: Step, names: Notation, *, backward: bool = True, where: str = "the network") -> Lines:
    """Return what makes the lines of a step: of its feedforward only, or of all of it.

    Raises
    ------
    ArgumentError
        If a number leaves the range of what can be computed.
    """
    try:
        if backward:
            working = work(step)
        else:
            with np.errstate(all="ignore"):
                sums, outputs = feedforward(step.layers, step.X)
            working = Working(sums, outputs, [], [], np.zeros(0), None, [], [], [], [])
        finite = all(np.isfinite(part.astype(np.float64)).all() for part in _arrays(working))
    except (decimal.DecimalException, OverflowError) as error:
        raise _out_of_range(where) from error
    if not finite:
        raise _out_of_range(where)
    marks = tuple(e if len(step.X) > 1 else None for e in range(1, len(step.X) + 1))
    return Lines(step, working, marks, names.words == "course")


def _out_of_range(where: str) -> ArgumentError:
    return ArgumentError(
        "A number became larger than can be computed", where, "Write smaller inputs, weights or learning rate"
    )


def _arrays(working: Working) -> list[np.ndarray]:
    parts: list[Any] = [*working.sums, *working.outputs, *working.errors, *working.deltas, working.losses]
    shaped: list[Any] = [*working.gradients, *working.layers]
    for each in shaped:
        parts += [each.weights, each.bias]
    return [np.asarray(part) for part in parts if part is not None]


def fitting_style(working: Working) -> Style:
    """Return how the numbers of a step are written: in full, or with six digits where that would be long."""
    exact = (value for part in _arrays(working) if part.dtype == object for value in part.ravel())
    return ROUNDED if any(len(PLAIN_STYLE.number(value)) > LONGEST for value in exact) else PLAIN_STYLE


def answers_section(lines: Lines) -> Section:
    """Return the outputs of a network that runs forward only beside what is expected."""
    last = len(lines.step.layers) - 1
    rows = []
    for e in range(len(lines.step.X)):
        for j in range(lines.n_neurons(last)):
            output, expected = lines.working.outputs[last][e, j], lines.step.Y[e, j]
            symbol = Symbol("output", last, j, None, lines.marks[e])
            rows.append((symbol, output, expected, "" if output == expected else "differs"))
    table = Table("Outputs and what is expected", ("", "output", "expected", ""), tuple(rows))
    return Section("error", "Outputs and what is expected", (table,))


def _written_section(written: Written, step: Step) -> Section:
    network = written.network
    activations = zip(network.layer_names, network.layers, strict=True)
    bias = [layer.bias is not None for layer in network.layers]
    rows: list[tuple[Any, ...]] = [
        ("network", "-".join(map(str, network.sizes))),
        *((f"activation of {name}", layer.activation) for name, layer in activations),
        ("bias", "of every layer" if all(bias) else "of some layers" if any(bias) else "none"),
        ("examples", str(len(step.X))),
    ]
    if written.backward:
        rows.append(("loss", step.loss))
    if written.backward and written.updates:
        rows += [("optimizer", step.rule.optimizer), ("learning rate", step.rate)]
    items: list[Any] = [Table("What the file says", ("", "value"), tuple(rows))]
    meaning: list[tuple[Any, ...]] = []
    if written.named_inputs:
        meaning += [(Symbol("input", -1, i), name) for i, name in enumerate(network.input_names)]
    last = len(network.layers) - 1
    meaning += [(Symbol("output", last, j), name) for j, name in enumerate(network.classes or ())]
    if meaning:
        items.append(Table("What inputs and outputs mean", ("", "meaning"), tuple(meaning)))
    return Section("place", "The network", tuple(items))


def _left_out(written: Written, wished: bool) -> list[Section]:
    """Return the section that says what is not explained, and why."""
    if not written.expected:
        text = (
            "Nothing is expected of the outputs, so there is no error. Add expected = […] for the gradients."
        )
    elif not written.backward:
        text = "The activation step has no slope, so nothing can be passed back through it: it runs forward only."
    elif not written.updates:
        text = (
            "There is no learning rate, so nothing is updated. Add learning_rate = 0.1, above any [[layers]]."
        )
    else:
        return []
    if wished and not written.backward:
        text += " Without gradients there is nothing that the course's rules could be set beside."
    return [Section("left_out", "What is left out", (text,))]
