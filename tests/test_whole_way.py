"""From nothing to a network on a board, by the command line alone: docs/whole-way.md is what is run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from consoles import needs_micropython
from tinyglass import core

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "whole-way.md"


@needs_micropython
def test_every_command_of_the_page_prints_what_the_page_says():
    done = subprocess.run(
        [sys.executable, str(DOCS / "make_whole_way.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "verb", ["board", "record", "data", "train", "explain", "size", "verify", "deploy", "listen", "export"]
)
def test_the_page_goes_the_whole_way(verb):
    commands = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S))
    assert f"tinyglass {verb} " in commands


def test_the_page_shows_what_the_board_and_the_pc_have_in_common():
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("The board computes what the PC computes.") >= 2
    assert len(set(re.findall(r"float32 8/8 hash=(\w+)", text))) == 1


@pytest.mark.parametrize(
    ("ours", "now", "same"),
    [
        ("loss 0.5042", "loss 0.5043", True),
        ("loss 0.5042", "loss 0.5142", False),
        ("hash=65996cc9", "hash=a5996cc0", True),
        ("all 10", "all 9", False),
        ("moving_away 0.5", "moving_closer 0.5", False),
        ("0.5", "0.5 0.5", False),
        ("0.5", "none", False),
    ],
)
def test_on_another_instruction_set_only_roundings_may_differ(monkeypatch, ours, now, same):
    monkeypatch.syspath_prepend(str(DOCS))
    import make_whole_way

    assert make_whole_way.is_same(ours, now) is same
    page = f"<!-- core: {core.isa} -->"
    assert make_whole_way.is_same(page + ours, page + now) is False
    assert make_whole_way.is_same(page + ours, page + ours) is True
