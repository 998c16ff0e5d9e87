"""Recordings in the making: no line that can ever come breaks them, and none is lost without being counted."""

from __future__ import annotations

import doctest
import importlib
import os
import statistics
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyglass import TinyglassError
from tinyglass.board.python_board import reading_program
from tinyglass.board.reading import Account, Form, find_form, measure_rate, reading_in, roundest
from tinyglass.board.recording.folder import LONGEST_NAME, RESERVED, folder_name
from tinyglass.board.sources import Kit, lines_source
from tinyglass.board.takes import CourseTake, KitTake, LinesTake, Printout, Wanted
from tinyglass.board.wire import LONGEST_LINE, Cutter, Line

KIT = Form(("x", "y"), ("", ""), width=3, clock=0, second=0.001)
PAIR = Form(("x", "y"), ("", ""), width=2)
numbers = st.floats(-1e6, 1e6).map(lambda number: round(number, 3))
GARBAGE = [
    b"\xff\xfe,0.1\n",
    b"0.1\n",
    b"0.1,0.2,0.3\n",
    b"nan,0.1\n",
    b"0.1,1e999\n",
    b"0.1,0.2x\n",
    b"ERR timeout\n",
    b"0.1,0.2" + b"9" * LONGEST_LINE + b"\n",
    b"x" * 3 * LONGEST_LINE + b"\n",
    b"aX:0.1 aY:0.2\n",
    b"[1, 2]\n",
    b"# recording\n",
    b"> Starting recording in 1sec\n",
    b"\x1b[2J\x00\n",
    b"{}\n",
]
anything = st.lists(
    st.one_of(
        st.sampled_from(GARBAGE),
        st.binary(max_size=60).map(lambda content: content + b"\n"),
        st.tuples(numbers, numbers).map(lambda pair: b"%r,%r\n" % pair),
        st.sampled_from(
            [
                b"# done\n", b"# recording\n", b"# error sensor\n", b"# stopped\n", b"> Stopped recording\n",
                b"distance=1.5\n", b"Recordings: [-500ms, -250ms, current]\n", b"[\n", b"[1.0, 2.0, 3.0],\n", b"]\n",
                b"# tinyglass recorder 1 {}\n", b"\n", b"0,1,2\n", b"Prediction: a, p=1\n",
            ]
        ),
    ),
    max_size=40,
)  # fmt: skip


def lines_of(content: bytes) -> list[Line]:
    cutter = Cutter()
    lines = cutter.add(content, 0.0)
    rest = cutter.rest(0.0)
    return [*lines, *([rest] if rest else [])]


# ---------------------------------------------------------------- lines


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_lines_hold_every_byte_however_the_bytes_come(content, cuts):
    content = content.replace(b"\x01", b"9" * LONGEST_LINE)
    places = sorted({0, len(content), *(min(cut, len(content)) for cut in cuts)})
    cutter = Cutter()
    lines = [line for begin, end in pairwise(places) for line in cutter.add(content[begin:end], 0.0)]
    rest = cutter.rest(0.0)
    assert b"".join(line.raw for line in lines) + (rest.raw if rest else b"") == content
    assert all(len(line.raw) <= LONGEST_LINE + 1 for line in lines)
    whole = [line.raw for line in lines if line.whole]
    expected = [raw for raw in content.splitlines(keepends=True) if raw.endswith(b"\n")] if content else []
    expected = [piece + b"\n" for piece in content.split(b"\n")[:-1]]
    assert whole == [raw for raw in expected if len(raw) <= LONGEST_LINE]


def test_an_endless_line_takes_no_memory():
    cutter = Cutter()
    for _ in range(1000):
        assert all(not line.whole for line in cutter.add(b"9" * 10_000, 0.0))
        assert len(cutter._begun) <= LONGEST_LINE
    (end, line) = cutter.add(b"\n1,2\n", 0.0)[-2:]
    assert (end.whole, line.whole, line.raw) == (False, True, b"1,2\n")


# ---------------------------------------------------------------- readings


@pytest.mark.parametrize(
    ("text", "channels", "units"),
    [
        ("0.1,0.2", ("channel1", "channel2"), ("", "")),
        ("0.1\t0.2", ("channel1", "channel2"), ("", "")),
        ("0.1 0.2", ("channel1", "channel2"), ("", "")),
        ("0,1 0,2", ("channel1", "channel2"), ("", "")),
        ("aX:0.1 aY:0.2", ("aX", "aY"), ("", "")),
        ("distance=104.54", ("distance",), ("",)),
        ("512", ("channel1",), ("",)),
    ],
)
def test_the_form_of_a_line_is_found(text, channels, units):
    form = find_form([Line(text.encode() + b"\r\n")] * 2)
    assert form is not None
    assert (form.channels, form.units) == (channels, units)
    assert len(reading_in(Line(text.encode()), form)) == len(channels)


def test_the_commonest_form_wins_and_a_head_names_the_channels():
    lines = [
        b"24,-0.98\n",
        b"time_ms,aX [g],aY [g]\n",
        b"0,0.1,0.2\n",
        b"10,0.1\n",
        b"20,0.1,0.2\n",
        b"30,0,0\n",
    ]
    form = find_form([Line(raw) for raw in lines])
    assert form == Form(("aX", "aY"), ("g", "g"), (), 3, 0, 0.001)
    assert find_form([Line(b"hello\n"), Line(b"\xff\n")]) is None


def test_named_numbers_may_come_in_another_order_and_with_others():
    form = Form(("b", "a"), ("", ""), ("b", "a"), 2)
    assert reading_in(Line(b"a=1 c=3 b=2\n"), form) == (2.0, 1.0)
    assert "expected b, a, found a" in reading_in(Line(b"a=1\n"), form)
    assert "numbers without names" in reading_in(Line(b"1,2\n"), form)


@given(st.binary(max_size=80))
def test_a_line_is_a_reading_of_finite_numbers_or_there_is_a_reason(raw):
    for form in (PAIR, Form(("a",), ("",), ("a",), 1)):
        found = reading_in(Line(raw), form)
        assert found
        assert isinstance(found, str) or np.isfinite(found).all()


def test_the_account_names_reasons_lines_and_texts():
    account = Account()
    for number in range(1, 6):
        account.add("text", number, Line(f"line {number} \x1b".encode()))
    account.add("cut off", 9, Line(b"0.1" * 100))
    first, second = account.in_words()
    assert first.startswith("5 lines skipped: text (line 1: 'line 1 \\x1b'; line 2: ")
    assert first.endswith("; …)")
    assert second.startswith("1 line skipped: cut off (line 9: '0.10.1")
    assert len(second) < 100
    assert account.total == 6


# ---------------------------------------------------------------- rates


@given(
    st.sampled_from([4.0, 25.0, 62.5, 100.0, 104.0, 400.0]),
    st.sampled_from([0.0, 0.001, 0.016]),
    st.integers(0, 2**32 - 1),
)
def test_a_rate_is_measured_though_lines_come_in_bunches_and_after_pauses(rate, bunch, seed):
    random = np.random.default_rng(seed)
    times = np.arange(200) / rate + random.normal(0, 0.05 / rate, 200)
    times[random.integers(0, 200) :] += 3 / rate  # a pause
    if bunch:
        times = np.ceil(times / bunch) * bunch  # as a USB chip passes them on
    measured = measure_rate(sorted(times.tolist()))
    assert measured is not None
    assert measured.hz == pytest.approx(rate, rel=0.03)


def test_too_few_readings_or_readings_at_once_have_no_rate():
    assert measure_rate([0.0, 0.1, 0.2, 0.3]) is None
    assert measure_rate([1.0] * 50) is None
    assert measure_rate([]) is None


@given(st.floats(1e-6, 1e9))
def test_a_rounded_rate_is_near(rate):
    assert abs(roundest(rate) - rate) <= 0.0051 * rate


# ---------------------------------------------------------------- recordings


@given(st.lists(st.one_of(st.tuples(numbers, numbers), st.sampled_from(GARBAGE)), max_size=40))
def test_no_valid_reading_between_garbage_is_lost_and_all_garbage_is_counted(mixture):
    content = b"".join(part if isinstance(part, bytes) else b"%r,%r\r\n" % part for part in mixture)
    take = LinesTake(PAIR, None)
    for line in lines_of(content):
        take.add(line)
    assert take.rows == [part for part in mixture if isinstance(part, tuple)]
    assert take.account.total == sum(isinstance(part, bytes) for part in mixture)
    assert take.n_lines == len(mixture)


@given(anything, st.sampled_from([None, 1, 3]), st.booleans())
def test_nothing_breaks_a_recording_and_every_line_is_accounted_for(raws, wanted, cut):
    content = b"".join(raws)
    content = content[: len(content) * 2 // 3] if cut else content
    for take in (
        LinesTake(PAIR, wanted),
        LinesTake(PAIR, wanted, trigger=1.0),
        LinesTake(PAIR, None, seconds=1.0),
        KitTake(KIT, wanted),
        CourseTake(Form(("distance",), ("",), ("distance",), 1), Wanted(wanted)),
        Printout(Form(("distance",), ("",)), [((1.0,), (2.0,), (3.0,))]),
    ):
        for line in lines_of(content):
            if take.done:
                break
            take.add(line)
        if not take.done:
            take.end("cut off")
        assert take.done
        assert np.isfinite(np.array(take.rows)).all()
        assert len(take.rows) == len(take.arrivals)
        assert take.times is None or len(take.times) == len(take.rows)
        if not take.failure and wanted and not isinstance(take, Printout):
            assert len(take.rows) == wanted
        assert len(take.account.in_words()) == len(take.account.counts)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20), st.sampled_from(GARBAGE[3:8]))
def test_a_reading_that_is_missing_makes_the_kits_recording_incomplete(rows, garbage):
    framed = [b"# recording\n", *(b"%d,%r,%r\n" % (i * 10, *row) for i, row in enumerate(rows)), b"# done\n"]
    take = KitTake(KIT, len(rows))
    for line in lines_of(b"".join(framed)):
        take.add(line)
    assert (take.rows, take.failure) == (rows, "")
    assert take.times == pytest.approx([i * 0.01 for i in range(len(rows))])
    broken = KitTake(KIT, len(rows))
    framed[1 + len(rows) // 2] = garbage
    for line in lines_of(b"".join(framed)):
        broken.add(line)
    assert "expected" in broken.failure
    assert broken.account.total == 1


def test_what_the_kit_says_ends_a_recording():
    for said, failure in (
        (b"# error the sensor is gone\n", "the board says: the sensor is gone"),
        (b"# tinyglass recorder 1 {}\n", "the board was restarted"),
        (b"# stopped\n", "the board was told to stop"),
    ):
        take = KitTake(KIT, 3)
        for line in lines_of(b"# stopped\n# recording\n0,1,2\n" + said):
            take.add(line)
        assert take.done
        assert take.failure == failure
        assert take.rows == [(1.0, 2.0)]


def test_times_that_do_not_go_forward_are_left_out():
    take = KitTake(KIT, 3)
    for line in lines_of(b"# recording\n0,1,2\n5,1,2\n5,1,2\n# done\n"):
        take.add(line)
    assert take.failure == ""
    assert take.times is None


def test_a_movement_begins_a_recording_with_a_few_readings_from_before():
    signal = [0.0, 0.1, -0.1, 0.0, 0.05, 0.0, 0.1, 0.0, 0.0, 0.1, 0.0, 0.1] * 3
    moving = [3.0 + i for i in range(30)]
    take = LinesTake(Form(("x",), ("",), width=1), 20, trigger=2.0)
    for value in signal:
        take.add(Line(b"%r\n" % value))
        assert not take.triggered
        assert len(take.rows) <= 2
    for value in moving:
        take.add(Line(b"%r\n" % value))
    assert take.failure == ""
    assert [row[0] for row in take.rows] == [*signal[-2:], *moving[:18]]


def test_the_end_of_a_movement_begins_no_recording():
    take = LinesTake(Form(("x",), ("",), width=1), 10, trigger=2.0)
    still, moving = [0.0] * 6, [5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0]
    for value in [*moving, *still, *moving]:
        take.add(Line(b"%r\n" % value))
    assert [row[0] for row in take.rows] == [0.0, *moving[:9]]
    restless = LinesTake(Form(("x",), ("",), width=1), 10, trigger=2.0)
    for value in moving:
        restless.add(Line(b"%r\n" % value))
    restless.end()
    assert restless.failure == "it never lay still beforehand"


def test_a_recording_of_seconds_ends_with_them():
    take = LinesTake(Form(("x",), ("",), width=1), None, seconds=1.0)
    for i in range(30):
        if not take.done:
            take.add(Line(b"1\n", at=100 + i / 10))
    assert take.done
    assert len(take.rows) == 10


def test_lines_of_which_too_few_are_readings_make_no_recording():
    take = LinesTake(PAIR, 4)
    for line in lines_of(b"1,2\n1,2x\n" * 4):
        take.add(line)
    assert take.done
    assert "3 of 7 lines are no whole readings" in take.failure


def test_the_print_out_is_read_and_what_came_before_is_not_repeated():
    known = [((1.0,), (2.0,), (3.0,)), ((4.0,), (5.0,), (6.0,)), ((1.0,), (2.0,), (3.0,))]
    take = Printout(Form(("distance",), ("",)), known)
    text = "Recordings: [-500ms, -250ms, current]\n[\n[7.0, 8.0, 9.0],\n[1.0, 2.0, 3.0],\n[4.0, 5.0, 6.0],\n"
    text += "[1.0, 2.0, 3.0],\n[1.0, 2.0, 3.0],\n[1.0, 2.0],\n[nan, 2.0, 3.0],\n]\n"
    for line in lines_of(text.encode()):
        take.add(line)
    assert take.done
    assert take.found == [((7.0,), (8.0,), (9.0,)), ((1.0,), (2.0,), (3.0,))]
    assert take.n_repeated == 3
    assert set(take.account.counts) == {"expected 3 numbers, found 2", "a number that is not finite"}


# ---------------------------------------------------------------- sources


def test_a_recorder_that_introduces_itself_in_another_way_is_refused():
    for header in (
        "# tinyglass recorder 2 {}",
        "# tinyglass recorder",
        '# tinyglass recorder 1 {"sensor": 3}',
        '# tinyglass recorder 2 {"sensor": "x", "channels": ["x"]}',
        '# tinyglass recorder 1 {"sensor": "x", "channels": ["x", "x"]}',
        '# tinyglass recorder 1 {"sensor": "x", "channels": []}',
        "# tinyglass recorder 1 " + "[" * 10_000,
    ):
        with pytest.raises(TinyglassError, match="Put the recorder of this tinyglass on the board"):
            Kit(header, Wanted(), "port")


@given(anything)
def test_any_lines_are_a_source_or_none(raws):
    lines = lines_of(b"".join(raws))
    source = lines_source(lines, Wanted())
    assert source is None or len(source.form.channels) > 0


@pytest.mark.parametrize(
    "expression", ["", "x = 1", "import time", "1 +", "lambda: (", "\0", "(" * 500 + ")" * 500]
)
def test_what_is_no_expression_for_the_board_is_refused(expression):
    with pytest.raises(TinyglassError, match="--read"):
        reading_program(expression, 3, 10.0)


# ---------------------------------------------------------------- names of folders

NASTY = [
    "../x",
    "CON",
    "a/b",
    "",
    "🎉",
    "x" * 300,
    "手" * 300,
    ".",
    "..",
    "__raw",
    ".hidden",
    "a\0b",
    "a ",
    "con.txt",
]


def check_folder_name(label: str) -> None:
    name = folder_name(label)
    assert name
    assert len(name.encode()) <= LONGEST_NAME
    assert not set(name) & set('/\\:*?"<>|\0\n')
    assert not name.startswith((".", "__", " "))
    assert not name.endswith((".", " "))
    assert not RESERVED.fullmatch(name)


@given(st.text(max_size=200))
def test_a_label_has_a_folder_name_that_every_file_system_takes(label):
    check_folder_name(label)


@given(st.lists(st.text(max_size=60) | st.sampled_from(NASTY), unique=True))
def test_different_labels_have_different_folders(labels):
    assert len({folder_name(label) for label in labels}) == len(labels)


@pytest.mark.parametrize("label", NASTY)
def test_nasty_labels_have_harmless_names(label, tmp_path):
    check_folder_name(label)
    (tmp_path / folder_name(label)).mkdir()
    assert os.listdir(tmp_path) == [folder_name(label)]


@pytest.mark.parametrize(
    "name",
    [
        "ports",
        "wire",
        "reading",
        "takes",
        "sources",
        "python_board",
        "recording.folder",
        "recording",
        "windows",
        "listening",
    ],
)
def test_examples_in_the_documentation_run(name):
    module = importlib.import_module(f"tinyglass.board.{name}")
    found = doctest.testmod(module)
    assert found.failed == 0


def test_curves_draw_what_they_should():
    from tinyglass.cli import curves

    assert doctest.testmod(curves).failed == 0
    rising = curves.curve(list(range(100)), 10, 2)
    assert [len(row) for row in rising] == [10, 10]
    assert rising[0][0] == rising[1][-1] == "⠀"
    assert curves.curve([], 3, 1) == ["⠀⠀⠀"]
    assert curves.curve([5.0], 3, 1)[0][0] != "⠀"
    flat = curves.curve([1.0] * 10, 4, 1)[0]
    assert flat == "⣀⣀⣀⣀"
    assert statistics.mean(map(ord, flat)) == ord("⣀")
    many = curves.panel_rows([[0.0] * 9] * 3, [f"c{i}" for i in range(9)], 5)
    assert many[-1] == ("and 3 more", "", "")
    assert len(many) == 2 * 6 + 1
