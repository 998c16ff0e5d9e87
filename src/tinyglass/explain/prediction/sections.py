"""What readings and inputs contributed to a prediction, in words, tables, a picture and sums."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ... import arithmetic
from ...errors import printable
from ...network import Network
from ..explanation import Figure, Line, Table
from ..tracing import Symbol, Traced
from .case import Case
from .contributions import Parts
from .drawing import draw_contributions, is_timed, times_of
from .smallest_change import that_matter

STRONGEST = 10  # readings and inputs in a table
MOST_TERMS = 12  # channels whose baselines are said
WIDEST_BAR = 12  # characters


def contributions(case: Case) -> Iterator[str | Table | Figure]:
    found = case.found
    yield _method(case)
    rest = "what the biases give" if found.straight else "for the baseline"
    yield _adding_up(case, found.readings, "all readings", rest)
    skipped = case.seen.recording.signal.size - len(that_matter(case.seen)[0])
    if skipped:
        yield (
            f"{skipped:,} of {case.seen.recording.signal.size:,} readings contribute nothing to any recording: the "
            "network is not shown them."
        )
    yield from _strongest(case)
    towards = case.towards(found.readings)
    svg = draw_contributions(case.seen.recording, towards, case.towards_words, case.away_words)
    yield Figure(
        svg,
        _in_words(case, towards),
        f"What each reading contributed {case.towards_words}, blue and ▲, or {case.away_words}, orange and ▼; "
        "1, 2 and 3 are the strongest.",
    )


def _method(case: Case) -> str:
    found, quantity = case.found, case.quantity
    before = ", before softmax" if case.network.gives_probabilities else ""
    counted = f"Contributions are parts of the {quantity} of each class{before}"
    if case.network.classes is None:
        counted = f"Contributions are parts of the {quantity}"
        counted += "" if found.sums else ", in the unit of the labels"
    away = f"how far the reading is from the baseline, {found.baseline_words}{_baseline_text(case)}"
    if found.straight:
        return (
            f"{counted}. The network is made of straight pieces, and in the piece that this recording is in, each is "
            f"exactly Σ slope·input + constant: a reading contributed its slope times {away}, and the constant is what "
            "the biases give. This holds with the neurons as they are now, active or not, so no path from the "
            "baseline is needed."
        )
    how = "integrated gradients (Sundararajan, Taly and Yan, 2017)"
    through = "" if case.seen.only_raw else f" through {_kinds(case)}"
    return (
        f"{counted}. They are {how}{through}: on the straight way from the baseline, {found.baseline_words}"
        f"{_baseline_text(case)}, to this recording, each reading is given what its own movement changes. They add "
        f"up to the {quantity} minus that of the baseline."
    )


def _kinds(case: Case) -> str:
    words = {"raw": "the readings", "summary": "a summary", "spectrum": "a spectrum"}
    return " and ".join(words[kind] for kind in case.seen.preparation.inputs)


def _baseline_text(case: Case) -> str:
    p = case.seen.preparation
    if not case.found.baseline.any() or len(p.channels) > MOST_TERMS:
        return ""
    values = [
        f"{name} {case.text(value)}{f' {unit}' if unit else ''}"
        for name, unit, value in zip(p.channels, p.units, case.found.baseline, strict=True)
    ]
    return f" ({', '.join(values)})"


def _adding_up(case: Case, parts: Parts, of: str, rest: str) -> Table:
    """Return the table in which contributions and the rest add up to the outputs."""
    shown = case.shown
    sums = parts.contributions.reshape(len(parts.rest), -1).sum(axis=1)
    rows = {
        of: sums,
        rest: parts.rest,
        "together": parts.totals,
        case.quantity: case.found.outputs,
        "gap": parts.totals - case.found.outputs,
    }
    return Table(
        f"They add up to the {case.quantity}",
        ("", *(case.names[j] for j in shown)),
        tuple((name, *(float(values[j]) for j in shown)) for name, values in rows.items()),
    )


def _strongest(case: Case) -> Iterator[str | Table]:
    seen, parts = case.seen, case.found.readings
    towards = case.towards(parts)
    ranks = np.argsort(-np.abs(towards), axis=None, kind="stable")[:STRONGEST]
    timed, over = is_timed(seen.recording), times_of(seen.recording)
    rows = []
    for place in ranks.tolist():
        k, c = divmod(place, seen.shape[1])
        time = (float(over[k]),) if timed else ()
        own = [float(parts.contributions[j, k, c]) for j in case.shown]
        rows.append(
            (case.name(k, c), *time, float(seen.recording.signal[k, c]), *own, _bar(towards[k, c], towards))
        )
    head = ("reading", *(["seconds"] if timed else []), "value", *(case.names[j] for j in case.shown))
    yield Table(f"The strongest of {towards.size:,} readings", (*head, _direction(case)), tuple(rows))
    if towards.size > len(rows):
        share = np.abs(towards).ravel()[ranks].sum() / (np.abs(towards).sum() or 1.0)
        yield f"They make {100 * share:.0f} % of all that spoke for or against."


def _direction(case: Case) -> str:
    return f"+ {case.towards_words}, − {case.away_words}"


def _bar(value: float, values: np.ndarray) -> str:
    largest = float(np.abs(values).max())
    if not value or not largest:
        return ""
    return ("+" if value > 0 else "−") + " " + "█" * max(1, round(WIDEST_BAR * abs(value) / largest))


def _in_words(case: Case, towards: np.ndarray) -> str:
    p = case.seen.preparation
    said = []
    for rank, place in enumerate(np.argsort(-np.abs(towards), axis=None, kind="stable")[:3].tolist(), 1):
        k, c = divmod(place, towards.shape[1])
        value, unit = case.seen.recording.signal[k, c], p.units[c]
        direction = case.towards_words if towards[k, c] > 0 else case.away_words
        said.append(
            f"{rank}. {case.name(k, c)} at {value:.4g}{f' {unit}' if unit else ''}: "
            f"{abs(towards[k, c]):.3g} {direction}"
        )
    channels = ", ".join(p.channels[:9])
    return printable(
        f"The recording's {channels}, each reading coloured by what it contributed. {'; '.join(said)}."
    )


def inputs(case: Case) -> Iterator[str | Table]:
    found = case.found
    start = f"The network is shown {_kinds(case)} of the recording. "
    if found.exact:
        start += (
            "It is made of straight pieces: each input contributed exactly its slope times its prepared value, which "
            "counts from its mean over the training recordings where inputs are standardised, and the constant is "
            "what the biases give."
        )
    else:
        start += "These contributions are integrated gradients on the straight way from prepared inputs that are all 0."
    yield start
    yield _adding_up(
        case, found.inputs, "all inputs", "what the biases give" if found.exact else "for inputs that are 0"
    )
    towards = case.towards(found.inputs)
    rows = []
    for i in np.argsort(-np.abs(towards), kind="stable")[:STRONGEST].tolist():
        own = [float(found.inputs.contributions[j, i]) for j in case.shown]
        prepared = float(case.seen.X[:, i].mean())
        rows.append((case.network.input_names[i], prepared, *own, _bar(towards[i], towards)))
    head = ("input", "prepared", *(case.names[j] for j in case.shown), _direction(case))
    yield Table(f"The strongest of {len(towards):,} inputs", head, tuple(rows))


def lines(case: Case) -> Iterator[Line | str]:
    """Write each explained output as the sum of its parts."""
    found, last = case.found, len(case.network.layers) - 1
    what = "sum" if found.sums or case.network.layers[-1].activation == "linear" else "output"
    x = [Traced(float(v), Symbol("input", -1, i)) for i, v in enumerate(case.seen.X[0])]
    p = case.seen.preparation
    for j, name in enumerate(case.names):
        if found.exact:
            slopes = [Traced(float(s)) for s in found.slopes.slopes[0, j]]
            constant = float(found.slopes.constant[0, j])
            rest = Traced(constant, Symbol("constant", last, j)) if _has_bias(case.network) else None
            number = arithmetic.weighted_sum(slopes, x, rest)
        else:
            scale = p.answer_scale if case.network.classes is None else 1.0
            offset = p.answer_offset if case.network.classes is None else 0.0
            parts = [
                Traced(float(v) / scale, Symbol("contribution", -1, i))
                for i, v in enumerate(found.inputs.contributions[j])
            ]
            start = Traced((float(found.inputs.rest[j]) - offset) / scale, Symbol("baseline", last, j))
            number = arithmetic.total([*parts, start])
        yield Line(Symbol(what, last, j), number, name)
    if case.network.classes is None and (p.answer_scale, p.answer_offset) != (1.0, 0.0):
        yield f"The answer is that times {case.text(p.answer_scale)}, plus {case.text(p.answer_offset)}."


def _has_bias(network: Network) -> bool:
    return any(layer.bias is not None for layer in network.layers)
