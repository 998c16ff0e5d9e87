"""What is wanted of the figures, beside what they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tinyglass.export.executors.answers import Cost

from ..board_python import COURSE, FASTER, NETWORKS, SMALLER
from ..goals import Goal
from .agreement import Agreement
from .code import EMLEARN, EMLEARN_INLINE, FLOAT32, INT8
from .measuring import Results
from .programs import BOARDS

SHORT, LONG = "39-20-10-4", "120-50-15-2"
PEER = "× emlearn's"


def check_goals(results: Results) -> list[Goal]:
    """Return every goal with what was found at -Os; where a part was not measured, without."""
    return [goal for goals in (_against_emlearn, _uno, _ram, _agreement, _python) for goal in goals(results)]


def _against_emlearn(results: Results) -> Iterator[Goal]:
    for network, contestant, wanted in (("3-2-2", FLOAT32, 1 / 15), (SHORT, INT8, 1 / 4), (LONG, INT8, 0.26)):
        yield _ratio(results, "flash", network, contestant, "cortex-m4f", wanted)
    for network in ("3-2-2", SHORT, LONG):
        yield _ratio(results, "count", network, FLOAT32, "cortex-m4f", 0.80)
    for network in (SHORT, LONG):
        yield _ratio(results, "count", network, INT8, "cortex-m0+", 1 / 8)


def _ratio(results: Results, what: str, network: str, contestant: str, board: str, wanted: float) -> Goal:
    """Return a goal of a figure beside the smaller of emlearn's two."""
    own = _cost(results, network, contestant, board)
    theirs = [_cost(results, network, peer, board) for peer in (EMLEARN, EMLEARN_INLINE)]
    least = min((getattr(cost, what) for cost in theirs if cost is not None), default=None)
    found = getattr(own, what) / least if own is not None and least else None
    title = {"flash": "flash", "count": "instructions"}[what]
    return Goal(f"{title}, {BOARDS[board].title}: {network} {contestant.split()[1]}", wanted, PEER, found)


def _uno(results: Results) -> Iterator[Goal]:
    for network, flash, cycles in ((SHORT, 3_200, 45_000), (LONG, 9_500, 200_000)):
        cost = _cost(results, network, INT8, "uno")
        found = (None, None) if cost is None else (cost.flash, cost.count)
        yield Goal(f"flash, Uno: {network} int8", flash, "B", found[0])
        yield Goal(f"cycles, Uno: {network} int8", cycles, "cycles", found[1])


def _ram(results: Results) -> Iterator[Goal]:
    own = [(f, f.cost) for f in results.figures if f.contestant in (FLOAT32, INT8) and f.cost is not None]
    ram = [(cost.ram, f"{f.network}, {BOARDS[f.board].title}") for f, cost in own]
    yield _largest("static RAM, at the most", 0, ram)
    stacks = [
        (cost.stack, BOARDS[f.board].title)
        for f, cost in own
        if (f.network, f.contestant, f.optimised) == (SHORT, INT8, "-Os")
    ]
    yield _largest(f"stack of {SHORT} int8, at the most", 150, stacks)


def _largest(text: str, wanted: float, found: list[tuple[int, str]]) -> Goal:
    largest, where = max(found, default=(None, ""))
    return Goal(text, wanted, "B", largest, where if largest else "")


def _agreement(results: Results) -> Iterator[Goal]:
    for text, found in (
        ("held-out gestures of the three networks", results.held_out),
        ("all recordings of the public sets", results.on_sets),
    ):
        yield Goal(f"int8 chooses float32's class: {text}", 99.5, "%", _percent(found))


def _python(results: Results) -> Iterator[Goal]:
    """Yield of each network whether it is fast or small enough beside the course's style, in one of ours."""
    for network in NETWORKS:
        own = [c for c in results.python if c.network == network and c.style != COURSE]
        fastest = max(own, key=lambda c: c.faster, default=None)
        smallest = min(own, key=lambda c: c.share, default=None)
        if smallest is None or fastest is None or fastest.faster >= FASTER or smallest.share > SMALLER:
            found, style = (fastest.faster, fastest.style) if fastest is not None else (None, "")
            yield Goal(f"Python, {network}: the course's style takes", FASTER, "×", found, style)
        else:
            saved = 100 * (1 - smallest.share)
            wanted = 100 * (1 - SMALLER)
            yield Goal(
                f"Python, {network}: memory saved of the course's style", wanted, "%", saved, smallest.style
            )


def _percent(found: Iterable[Agreement]) -> float | None:
    n = equal = 0
    for agreement in found:
        n += agreement.n
        equal += agreement.equal
    return 100 * equal / n if n else None


def _cost(results: Results, network: str, contestant: str, board: str) -> Cost | None:
    figure = results.find(network, contestant, board)
    return None if figure is None else figure.cost
