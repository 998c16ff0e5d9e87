"""How predictions are shown as they are made: live with a curve, in plain lines, or as JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import printable
from ..printing import print_json
from .curves import drawing, draws, print_sentence
from .predict import prediction_facts

if TYPE_CHECKING:
    from ..board.listening import Heard, Listening
    from ..network import Network

FRAME = 1 / 15  # seconds between pictures
BAR = 30  # characters of a probability of 1
MOST_SHOWN = 8  # classes


class Shown(Protocol):
    """Shows what is heard."""

    def tell(self, text: str) -> None:
        """Show a sentence."""

    def heard(self, heard: Heard) -> None:
        """Show a prediction."""

    def look(self, listener: Listening) -> None:
        """Show the readings that have come."""


@contextmanager
def shown_as(form: str, network: Network) -> Iterator[Shown]:
    """Give what shows predictions.

    Parameters
    ----------
    form : {"json", "plain", "live"}; live is plain where nothing can be drawn
    network : Network
    """
    if form == "json":
        yield AsJson(network)
    elif form == "plain" or not draws():
        yield Plain()
    else:
        live = Live(network)
        with live.live:
            yield live


def in_words(heard: Heard) -> str:
    """Return a prediction in a line: the class and its probability, and of which readings."""
    p = heard.prediction
    if isinstance(p.label, float):
        text = f"{p.label:.6g}"
    else:
        text = p.label or "(no label)"
        if heard.by_board and p.probability is not None:  # of a network without probabilities, an output
            text += f"  p={p.probability:.2f}"
        elif p.probability is not None:
            of = f"{p.best} " if p.best not in (None, p.label) else ""
            text += f"  {of}{100 * p.probability:.1f} %"
        elif p.outputs:
            text += f"  output {max(p.outputs):.4f}"
    where = "said by the board" if heard.by_board else p.source.rsplit(", ", 1)[-1]
    return printable(f"{text}  ({where})")


class AsJson:
    """One JSON object a prediction on standard output, words on standard error."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def tell(self, text: str) -> None:
        print(printable(text), file=sys.stderr)

    def heard(self, heard: Heard) -> None:
        p = heard.prediction
        if heard.by_board:
            facts: dict[str, Any] = {
                "source": p.source,
                "label": p.label,
                "best": p.best,
                "probability": p.probability,
            }
        else:
            facts = prediction_facts(p, self.network)
        print_json({"by": "board" if heard.by_board else "network"} | facts)
        sys.stdout.flush()

    def look(self, listener: Listening) -> None:
        pass


class Plain:
    """A line a prediction."""

    def tell(self, text: str) -> None:
        print(printable(text), flush=True)

    def heard(self, heard: Heard) -> None:
        print(in_words(heard), flush=True)

    def look(self, listener: Listening) -> None:
        pass


class Live:
    """A panel with the curve of the last readings, and a bar for each class."""

    def __init__(self, network: Network) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self.network = network
        self.console = Console(highlight=False, markup=False, emoji=False)
        self.live = RichLive(console=self.console, auto_refresh=False)
        self._heard: Heard | None = None
        self._drawn = 0.0

    def tell(self, text: str) -> None:
        print_sentence(self.console, text)

    def heard(self, heard: Heard) -> None:
        self._heard = heard

    def look(self, listener: Listening) -> None:
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        if time.monotonic() - self._drawn < FRAME:
            return
        self._drawn = time.monotonic()
        p = listener.preparation
        length = listener.windows.length if listener.windows else len(listener.recent)
        parts: list[Any] = []
        if listener.recent:
            rows = list(listener.recent)[-max(length, self.console.width) :]
            height = self.console.height - 6 - len(self.network.classes or ())
            parts = [drawing(rows, p.channels, self.console.width - 4, height), Text()]
        parts.append(self._answer())
        panel = Panel(
            Group(*parts),
            title=Text(printable(f" listening to {listener.wire.name} "), "bold"),
            title_align="left",
            subtitle=Text(" q quit ", "dim"),
            subtitle_align="left",
        )
        self.live.update(panel, refresh=True)

    def _answer(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        if self._heard is None:
            return Text("no prediction yet", "dim")
        p = self._heard.prediction
        known = p.best == p.label or isinstance(p.label, float)
        title = Text(in_words(self._heard), "bold green" if known else "bold yellow")
        if not self.network.gives_probabilities or not p.outputs:
            return title
        names = (self.network.classes or ())[:MOST_SHOWN]
        width = max(map(len, names))
        bars = [
            Text(f"{printable(name):{width}} ", "bold" if name == p.best else "default")
            .append("█" * round(BAR * share), "cyan")
            .append(f" {100 * share:.1f} %")
            for name, share in zip(names, p.outputs, strict=False)
        ]
        return Group(title, *bars)
