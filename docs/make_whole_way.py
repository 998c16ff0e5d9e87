"""Write the outputs of the commands in docs/whole-way.md; with --check, only say whether they are still the same.

The page is the script. The commands of its ``sh`` blocks run one after the other in one shell, in a new folder. What
they print on standard output stands in the ``text`` block after them. The page goes on after a command in the
background when that has said its first line.
"""

from __future__ import annotations

import argparse
import difflib
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from tinyglass import core

PAGE = Path(__file__).parent / "whole-way.md"
BLOCK = re.compile(
    r"^```sh\n(?P<command>.*?)^```\n(?:\n```text(?P<vary>[^\n]*)\n(?P<output>.*?)^```\n)?", re.M | re.S
)
PATIENCE = 120.0  # seconds for a line of a command
DONE, BEHIND, ENDED = "@done@", "@behind@", "@ended@"  # the shell's words to us

VARYING = (
    (r"\S*/recordings/course/", "…/"),  # where tinyglass is installed
    (r"(?<=│ time                  │ )\S+ s", None),
    (r"\b\d\.\de-0[5-9]\b", None),  # a difference of the size of a rounding
    (r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(-\d+)?", "…"),  # a backup's name
    (r"[\d,]+ bytes free", "… bytes free"),
    (r"error=[\d.e-]+", "error=…"),
    (r"(?s)(│ data  +│) .*?(?=\n│ model )", f"\\1 …{' ' * 52}│"),  # a busy machine makes times jitter
)
"""What differs each time, and what stands for it; None: `…`, of the same width."""
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?|\b[0-9a-f]{8,}\b")


class Shell:
    """A shell in a new home, whose standard output is read line by line."""

    def __init__(self, home: Path) -> None:
        self._errors = home / "errors.txt"
        (home / "whole-way").mkdir()
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "TINYGLASS_"))
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with open(self._errors, "wb") as errors:
            self._shell = subprocess.Popen(
                ["bash", "-e"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=home / "whole-way",
                env=kept | {"HOME": str(home), "PATH": path, "COLUMNS": "80", "PYTHONUNBUFFERED": "1"},
                encoding="utf-8",
                start_new_session=True,
            )
        self._behind: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._shell.stdout
        for line in self._shell.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def _next(self) -> str:
        try:
            line = self._lines.get(timeout=PATIENCE)
        except queue.Empty:
            line = None
        if line is None:
            raise SystemExit(f"A command of {PAGE.name} failed:\n{self._errors.read_text(encoding='utf-8')}")
        return line

    def run(self, command: str) -> list[str]:
        """Return what a command prints; of one in the background the first line, the rest when it is awaited."""
        assert self._shell.stdin
        is_behind, awaits = command.endswith(" &\n"), "wait $!" in command
        if is_behind:
            command = f"{command[:-3]} > >(sed -u 's/^/{BEHIND}/'; echo '{ENDED}') &\n"
        self._shell.stdin.write(f"{command}echo '{DONE}'\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        open_ends = {DONE, *([ENDED] if awaits else [])}
        while open_ends or (is_behind and not self._behind):
            line = self._next()
            if line in (DONE, ENDED):
                open_ends.discard(line)
            elif line.startswith(BEHIND):
                self._behind.append(line.removeprefix(BEHIND))
            else:
                lines.append(line)
        if is_behind or awaits:
            lines += self._behind
            self._behind.clear()
        return lines

    def close(self) -> None:
        """End the shell, and what still runs in it."""
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGTERM)
        self._shell.wait()


def make(page: str) -> str:
    """Return the page with the outputs that its commands have here."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        shell = Shell(home)

        def answer(block: re.Match[str]) -> str:
            print(block["command"].rstrip(), file=sys.stderr)
            text = "\n".join(shell.run(block["command"])).strip("\n").replace(str(home), "~")
            for pattern, meaning in VARYING:
                text = re.sub(pattern, meaning or (lambda found: f"{'…':{len(found[0])}}"), text)
            vary = block["vary"] or ""
            if vary:
                text = NUMBER.sub("…", text)
            shown = f"\n```text{vary}\n{text}\n```\n" if text else ""
            return f"```sh\n{block['command']}```\n{shown}"

        try:
            page = BLOCK.sub(answer, page)
        finally:
            shell.close()
    return re.sub(r"<!-- core: \w+ -->", f"<!-- core: {core.isa} -->", page)


def is_same(page: str, made: str) -> bool:
    """Tell whether two pages are the same; instruction sets differ in roundings, and so in hashes."""
    if f"<!-- core: {core.isa} -->" in page:
        return page == made
    ours, theirs = NUMBER.findall(page), NUMBER.findall(made)
    return NUMBER.sub("…", page).split() == NUMBER.sub("…", made).split() and all(
        _is_near(a, b) for a, b in zip(ours, theirs, strict=True)
    )


def _is_near(a: str, b: str) -> bool:
    """Tell whether two numbers differ by roundings only; hashes may differ."""
    return "." not in a or abs(float(a) - float(b)) <= 1e-3 * (1 + abs(float(a)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="do not write; exit with 1 if an output has changed"
    )
    checks = parser.parse_args().check
    before = PAGE.read_text(encoding="utf-8")
    after = make(before)
    if not checks:
        PAGE.write_text(after, encoding="utf-8")
    elif not is_same(before, after):
        changes = difflib.unified_diff(
            before.splitlines(), after.splitlines(), "the page", "now", lineterm=""
        )
        raise SystemExit("\n".join(changes) + "\nRun: make docs")
