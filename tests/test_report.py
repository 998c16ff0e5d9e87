"""The report: one file that needs nothing else, says everything, and is fit for a phone and a screen reader."""

from __future__ import annotations

import base64
import html
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from conftest import PLAIN, ROOT, noisy_recordings
from tinyglass import (
    Recording,
    Run,
    Settings,
    Watch,
    evaluate,
    find_problems,
    make_settings,
    read_recordings,
    score_network,
    start_network,
    train,
    write_report,
)
from tinyglass.figures import draw_curves, draw_network, draw_recordings, printable
from tinyglass.rejection import reject_left_out
from tinyglass.settings import explain_field

CHROMIUM = Path("/usr/bin/chromium")
VOID = {"meta", "img", "br", "hr", "input", "link", "area", "base", "col", "embed", "source", "track", "wbr"}
MISCHIEF = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "&lt;b&gt; & ' \"",
    "$x$ \\alpha {1}",
    "手 שלום ✋",
    "a\x00b\x1b[31m\x08\uffff",
    "]]> --> <!-- </title></style>",
    "a-very-long-label-without-any-space-" * 6,
]


class Page(HTMLParser):
    """An HTML page as the list of its tags; complains where they do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def report_of(path: Path, recordings: list[Recording], run: Run, **options: Any) -> str:
    write_report(path, run, recordings, **options)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def course_report(course_training) -> tuple[str, Run]:
    return (course_training / "report.html").read_text(), Run.load(course_training / "run.safetensors")


def mischievous() -> list[Recording]:
    random = np.random.default_rng(0)
    return [
        Recording(
            random.normal(size=(6, 2)) + k,
            ("<x>&", "$y$"),
            ("m/s²", "<i>"),
            rate_hz=20.0,
            label=label,
            source=label,
        )
        for k, label in enumerate(MISCHIEF)
        for _ in range(3)
    ]


class Reports(dict[str, str]):
    """Reports of every kind of training, each made when it is first asked for."""

    def __init__(self, folder: Path, course: list[Recording], course_report: str) -> None:
        super().__init__(course=course_report)
        self.folder, self.recordings = folder, course

    def __missing__(self, kind: str) -> str:
        recordings, run, options = getattr(self, kind.replace(" ", "_"))()
        self[kind] = report_of(self.folder / kind, recordings, run, **options)
        return self[kind]

    def mischief(self) -> tuple[list[Recording], Run, dict[str, Any]]:
        recordings, settings = mischievous(), Settings(epochs=5, **PLAIN)
        run = train(recordings, settings)
        options = {
            "score": evaluate(recordings, settings),
            "own": score_network(run.network, recordings),
            "command": "tinyglass train '<script>alert(2)</script>' --out \"$HOME\"",
            "sha256": "0" * 64,
        }
        return recordings, run, options

    def stopped_early(self) -> tuple[list[Recording], Run, dict[str, Any]]:
        recordings = noisy_recordings(40)
        settings = Settings(hidden=(20, 12), validation=0.2, patience=20, epochs=400, **PLAIN)
        return recordings, train(recordings, settings), {"score": evaluate(recordings, settings, seeds=2)}

    def quantities(self) -> tuple[list[Recording], Run, dict[str, Any]]:
        recordings = [Recording([[float(i), i % 5]], ("a", "b"), label=str(i / 3)) for i in range(31)]
        run = train(recordings, Settings(epochs=50, **PLAIN))
        own = score_network(run.network, recordings)
        return recordings, run, {"score": evaluate(recordings, Settings(epochs=50, **PLAIN)), "own": own}

    def interrupted(self) -> tuple[list[Recording], Run, dict[str, Any]]:
        watch = Watch(progress=lambda p: p.epoch > 3)
        return self.recordings, train(self.recordings, Settings(epochs=5 * 10**7, **PLAIN), watch), {}

    def no_epoch(self) -> tuple[list[Recording], Run, dict[str, Any]]:
        watch = Watch(progress=lambda p: True)
        return self.recordings, train(self.recordings, Settings(epochs=10, **PLAIN), watch), {}

    def wide(self) -> tuple[list[Recording], Run, dict[str, Any]]:
        recordings = [
            Recording(np.arange(n * 1.0)[:, None], label="ab"[n % 2], source=f"w {n}") for n in range(3, 103)
        ]
        run = train(recordings, Settings(hidden=(200, 30), epochs=2, steps=50, **PLAIN))
        return recordings, run, {"own": score_network(run.network, recordings)}

    def failed(self) -> tuple[list[Recording], Run, dict[str, Any]]:
        diverging = make_settings({"learning_rate": 20.0}, preset="course")
        run = train(self.recordings, make_settings({}, preset="course"))
        return self.recordings, run, {"score": evaluate(self.recordings, diverging)}

    def people(self) -> tuple[list[Recording], Run, dict[str, Any]]:
        """Three gestures of four persons, everything chosen, everything shown."""
        random = np.random.default_rng(0)
        recordings = []
        for i in range(48):
            person, label = i // 12, i % 3
            wave = np.sin((label + 1) * np.linspace(0, 6, 40))[:, None] * (1 + person)
            recordings.append(
                Recording(
                    wave + 4 * random.normal(size=(40, 3)) + 9 * random.normal(size=3),
                    ("aX", "aY", "aZ"),
                    ("g",) * 3,
                    rate_hz=50.0,
                    label=["wave", "punch", "<b>round"][label],
                    person=f"p{person}",
                    source=f"a/long/way/to/person {person}/<i>{i}.csv",
                )
            )
        recordings.append(replace(recordings[0], source="the same again"))
        run = train(recordings, Settings(epochs=20))
        options = {
            "score": evaluate(recordings, Settings(epochs=20), seeds=2),
            "findings": find_problems(recordings),
            "rejections": reject_left_out(recordings, run.settings, run.network.classes),
        }
        self.made = recordings, run, options
        return recordings, run, options


@pytest.fixture(scope="module")
def reports(tmp_path_factory, course, course_report) -> Reports:
    return Reports(tmp_path_factory.mktemp("reports"), course, course_report[0])


KINDS = [
    "course",
    "mischief",
    "stopped early",
    "quantities",
    "interrupted",
    "no epoch",
    "wide",
    "failed",
    "people",
]
every_kind = pytest.mark.parametrize("kind", KINDS)


def svgs(text: str) -> list[str]:
    return [
        base64.b64decode(data).decode()
        for data in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text)
    ]


# ---------------------------------------------------------------- self-contained and safe


@every_kind
def test_the_page_is_well_formed_and_loads_nothing(reports, kind):
    page = Page(reports[kind])
    assert reports[kind].startswith("<!doctype html>")
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "srcset", "data", "action", "poster", "background"):
            assert (attributes.get(name) or "data:").startswith(
                "data:image/svg+xml;base64,"
            ) or not attributes.get(name)
    links = [a["href"] for a in page.all("a")]
    assert set(links) <= {"https://creativecommons.org/licenses/by-sa/4.0/"}
    assert "@import" not in reports[kind]
    assert "url(" not in reports[kind]


def test_the_notice_stands_where_the_courses_recordings_are_used(reports):
    assert "CC BY-SA 4.0" in reports["course"]
    assert "TinySpark" in reports["course"]
    assert "CC BY-SA" not in reports["stopped early"]


def test_the_notice_stands_where_the_recordings_are_read_from_the_shared_folder(tmp_path, course):
    copy = tmp_path / "data"
    copy.mkdir()
    for file in sorted((ROOT / "src/tinyglass/recordings/course").glob("*.txt")):
        (copy / file.name).write_bytes(file.read_bytes())
    recordings = read_recordings(copy)
    # These are the learner's own files, so far as can be known: nothing is claimed about them.
    text = report_of(tmp_path / "r", recordings, train(recordings, Settings(epochs=1, **PLAIN)))
    assert "©" not in text
    assert "©" in report_of(tmp_path / "r", course, train(course, Settings(epochs=1, **PLAIN)))


def test_labels_are_text_and_never_tags(reports):
    text = reports["mischief"]
    page = Page(text)
    assert "<script" not in text
    assert "onerror=alert(1)>" not in text.replace("onerror=alert(1)&gt;", "")
    cells = " ".join(page.texts["th"])
    for label in MISCHIEF:
        assert printable(label) in cells
    assert "\x00" not in text
    assert "\x1b" not in text
    assert "<script>alert(2)</script>" in page.texts["code"][-1]
    assert printable(MISCHIEF[0]) in page.texts["title"][0]


@every_kind
def test_pictures_are_well_formed_and_load_nothing(reports, kind):
    pictures = svgs(reports[kind])
    scored = 'id="answered-worst"' in reports[kind]
    assert scored == (kind not in ("interrupted", "no epoch", "wide"))
    assert len(pictures) == (2 if kind == "no epoch" else 3) + scored
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        for element in root.iter():
            assert not element.tag.endswith("}script")
            for name, value in element.attrib.items():
                assert not name.rpartition("}")[2].startswith("on")
                if name.endswith("href"):
                    assert value.startswith("#")


def test_labels_stand_in_the_pictures_as_they_are(reports):
    pairs, every = ("".join(ElementTree.fromstring(p).itertext()) for p in svgs(reports["mischief"])[:2])
    for label in MISCHIEF[:5]:
        assert label in every
    assert "a�b�[31m" in every
    assert " taken for " in pairs
    assert "nearest that it knew: " in pairs
    assert sum(label in pairs for label in MISCHIEF[:5]) > 1


# ---------------------------------------------------------------- what it says


def test_the_courses_report_says_everything(course_report, course):
    text, run = course_report
    page = Page(text)
    body = " ".join(page.texts["body"])
    assert page.texts["h2"] == [
        "Score",
        "Answered worst",
        "What looks wrong with the recordings",
        "Recordings",
        "Training",
        "Network",
        "Settings",
        "How to reproduce it",
    ]
    assert "it is right in 100.0 %" in body
    assert "72.2 % to 100.0 %" in body
    assert (
        "each recording was left out once and predicted by a network trained on the others; 10 recordings"
        in body
    )
    assert "Of its own 10 recordings it gets 10 right" in body
    assert "100 epochs and 1000 updates" in body
    captions = " ".join(page.texts["caption"])
    for words in (
        "Confusion matrix",
        "What was read",
        "Loss and accuracy",
        "3-2-2 network, 10 weights",
        "Settings",
    ):
        assert words in captions
    for name in run.network.classes:
        assert f"of class {name}" in body
    for layer in run.network.layers:
        for weight in layer.weights.ravel():
            assert f">{weight!s}<" in text
    assert f">{run.losses[0]:.6g}<" in text
    assert f">{run.losses[-1]:.6g}<" in text
    for name in Settings.__struct_fields__:
        assert f">{name}<" in text
        assert html.escape(explain_field(name)[0]) in text
    assert run.fingerprint in text
    commands = [c for c in page.texts["code"] if c.startswith("tinyglass train")]
    assert len(commands) == 1
    assert "--learning-rate 0.01" not in commands[0] or "0.01" in commands[0]
    assert "--hidden 2" in commands[0]
    worst, *drawn = [" ".join(ElementTree.fromstring(p).itertext()) for p in svgs(text)]
    assert "nearest that it knew" in worst
    assert "moving_away (5)" in drawn[0]
    assert "moving_closer (5)" in drawn[0]
    assert "loss" in drawn[1]
    assert "accuracy" in drawn[1]
    assert "epoch" in drawn[1]
    for layer in run.network.layers:
        for weight in layer.weights.ravel():
            assert f"{weight:.3g}" in drawn[2].replace("−", "-")


def test_the_confusion_matrix_counts(tmp_path):
    recordings = noisy_recordings(40)
    settings = Settings(epochs=20, **PLAIN)
    score = evaluate(recordings, settings)
    text = report_of(tmp_path / "r", recordings, train(recordings, settings), score=score)
    numbers = [int(n) for n in re.findall(r'<td class="number (?:right|wrong)">(\d+)</td>', text)]
    assert numbers == score.confusion.ravel().tolist()
    assert sum(numbers) == 40


def tables(text: str) -> dict[str, list[list[str]]]:
    """Every table by its caption: the text of its cells, row by row."""
    found = {}
    for body in re.findall(r"<table>(.*?)</table>", text, re.S):
        caption = html.unescape(re.search(r"<caption>(.*?)</caption>", body, re.S)[1])
        rows = re.findall(r"<tr>(.*?)</tr>", body, re.S)
        found[caption] = [
            [html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
            for row in rows
        ]
    return found


def table_of(text: str, words: str) -> list[list[str]]:
    return next(rows for caption, rows in tables(text).items() if words in caption)


def test_what_was_chosen_is_shown_with_every_candidate(reports):
    text = reports["people"]
    _, run, _ = reports.made
    rows = table_of(text, "What was tried")[1:]
    assert [row[:2] for row in rows] == [
        [" + ".join(c.inputs), " + ".join(c.augment) or "none"] for c in run.choice.candidates
    ]
    assert rows[0][-1] == "chosen"
    assert "chosen" not in [row[-1] for row in rows[1:]]
    for row, candidate in zip(rows, run.choice.candidates, strict=True):
        assert float(row[2]) == pytest.approx(candidate.value, abs=1e-5)
    assert f"{run.choice.threshold:.3g}" in text
    assert f"{run.choice.temperature:g}" in text
    assert "no person on both sides" in text
    assert 'id="what-was-chosen"' not in reports["course"]


def test_the_score_stands_beside_simple_rules_and_class_by_class(reports):
    text = reports["people"]
    _, _, options = reports.made
    score = options["score"]
    shown = {row[0]: row[1] for row in table_of(text, "Beside simple rules")[1:]}
    expected = {"the network": score.value, **score.baselines}
    assert shown == {name: f"{100 * value:.1f} %" for name, value in expected.items()}
    assert set(score.baselines) == {"majority class", "1-nearest neighbour"}
    for row in table_of(text, "Confusion matrix")[1:]:
        for share, found in ((score.recall, row[-2]), (score.precision, row[-1])):
            value = share[row[0]]
            assert found == ("–" if value is None else f"{100 * value:.1f} %")
    for value in score.values:
        assert f"{100 * value:.1f} %" in text
    quantities = table_of(reports["quantities"], "Beside simple rules")
    assert [row[0] for row in quantities[1:]] == ["the network", "mean", "linear fit"]
    assert len(quantities[0]) == 3


@pytest.mark.parametrize(("random", "said"), [(0.93, True), (0.2, False), (None, False)])
def test_flattery_is_told_with_its_amount(tmp_path, course, random, said):
    settings = make_settings({}, preset="course")
    score = evaluate(course, settings)
    score = replace(score, value=0.6, random=random)
    text = report_of(tmp_path / "r", course, train(course, settings), score=score)
    assert ("flattered by 33.0 %" in text) == said
    assert ("93.0 %" in text) == said


def test_unknown_gestures_are_shown_class_by_class(reports):
    text = reports["people"]
    _, run, options = reports.made
    rows = table_of(text, "Unknown gestures")[1:]
    assert rows == [
        [r.label, f"{100 * r.rejected:.1f} %", f"{100 * r.accepted:.1f} %"] for r in options["rejections"]
    ]
    assert len(rows) == 3
    assert f"below {run.network.threshold:.3g}" in text


def test_wrong_answers_stand_beside_their_nearest_neighbours(reports):
    text = reports["people"]
    recordings, _, options = reports.made
    score = options["score"]
    rows = table_of(text, "Recordings answered worst")[1:]
    assert len(rows) == 6
    for place, row in zip(score.worst.tolist(), rows, strict=False):
        cells = " ".join(row)
        assert recordings[score.tested[place]].source in cells
        assert recordings[score.neighbours[place]].source in cells
        own, taken = (score.classes[int(k)] for k in (score.expected[place], score.predicted[place]))
        assert f"{own} taken for {taken}" in cells
        assert own != taken
    drawn = "".join(ElementTree.fromstring(svgs(text)[0]).itertext())
    assert drawn.count("nearest that it knew") == 6
    for channel in ("aX", "aY", "aZ"):
        assert channel in drawn


def test_findings_are_listed_with_their_recordings_and_a_remedy(reports):
    text = reports["people"]
    _, _, options = reports.made
    assert options["findings"]
    cells = " ".join(" ".join(row) for rows in tables(text).values() for row in rows)
    for finding in options["findings"]:
        assert finding.what in cells
        assert finding.remedy in cells
        assert finding.sources[0] in cells


def test_each_kind_of_ending_is_said(reports):
    assert re.search(r"stopped early, the best network is that of epoch \d+", reports["stopped early"])
    assert re.search(r"mean of 2 seeds, standard deviation 0\.\d{4}", reports["stopped early"])
    assert "Of the seeds one by one: " in reports["stopped early"]
    assert "validation loss" in reports["stopped early"]
    assert "interrupted; this network was not scored" in reports["interrupted"]
    assert "No epoch was completed" in reports["no epoch"]
    assert "R² is <strong>" in reports["quantities"]
    assert "mean absolute error" in reports["quantities"]
    assert "The answer is output ×" in reports["quantities"]
    assert "too many for a page" in reports["wide"]
    assert "⋮ 190 more" in "".join(svgs(reports["wide"]))
    assert "3 to 102" in reports["wide"]
    assert "10 of the scored trainings diverged or saturated" in reports["failed"]
    assert "parted in 5" in reports["quantities"]


def test_the_same_inputs_give_the_same_bytes_but_for_the_time(tmp_path, course):
    texts = []
    for name in "ab":
        run = train(course, make_settings({}, preset="course"))
        text = report_of(
            tmp_path / name,
            course,
            run,
            score=evaluate(course, make_settings({}, preset="course")),
            command="x",
        )
        texts.append(re.sub(r"updates in \d+\.\d\d s", "updates in some s", text))
    assert texts[0] == texts[1]
    assert not list(tmp_path.glob("*aside*"))


def test_without_matplotlib_the_report_is_written_and_says_how_to_get_pictures(tmp_path, python):
    program = """
import sys
sys.modules["matplotlib"] = None
from tinyglass import cli
cli.main(["train", "--preset", "course", "--out", sys.argv[1]])
"""
    done = python(program, tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    assert not page.all("img")
    assert text.count("pip install") == 4
    assert "tinyglass[plots]" in text
    assert "100.0 %" in text


# ---------------------------------------------------------------- for everybody's eyes and ears


@every_kind
def test_the_page_can_be_read_aloud(reports, kind):
    page = Page(reports[kind])
    assert page.all("html") == [{"lang": "en"}]
    assert "width=device-width" in str(page.all("meta"))
    assert len(page.texts["title"][0]) > 10
    identities = [a["id"] for _, a in page.tags if "id" in a]
    assert len(set(identities)) == len(identities)
    for _, attributes in page.tags:
        assert attributes.get("aria-labelledby", identities[0]) in identities
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for image in page.all("img"):
        assert len(image["alt"] or "") > 20
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(len(caption) > 3 for caption in page.texts["caption"])
    assert all(a.get("scope") in ("row", "col") for a in page.all("th"))
    for name in ("header", "main", "footer"):
        assert len(page.all(name)) == 1
    for tag, attributes in page.tags:
        if attributes.get("tabindex"):
            assert attributes["tabindex"] == "0", tag
            assert attributes.get("role"), tag
            assert attributes.get("aria-label"), tag


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM} here (apt-get install chromium)")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield opened
        opened.close()


LOOK = """() => {
  const visible = e => e.checkVisibility();
  const all = s => [...document.querySelectorAll(s)];
  return {
    overflow: document.documentElement.scrollWidth - innerWidth,
    images: all('img').map(i => [i.complete, i.naturalWidth, i.getBoundingClientRect().width]),
    outside: all('h1, h2, p, pre, figure, figcaption, .wide').filter(visible)
      .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80)),
    cut: all('caption').filter(visible).filter(e => {
      const range = document.createRange();
      range.selectNodeContents(e);
      return range.getBoundingClientRect().right > innerWidth + 0.5;
    }).map(e => e.textContent),
    small: all('summary').filter(visible).filter(e => e.getBoundingClientRect().height < 24).length,
    fonts: all('p, td, th, pre, figcaption, li').filter(visible)
      .map(e => parseFloat(getComputedStyle(e).fontSize)),
    contrast: all('body, p, td, th, figcaption, caption, code, summary, h1, h2').filter(visible).map(e => {
      const parse = c => c.match(/[\\d.]+/g).map(Number);
      let back = [255, 255, 255];
      for (let n = e; n; n = n.parentElement) {
        const c = parse(getComputedStyle(n).backgroundColor);
        if (c.length < 4 || c[3] > 0) { back = c; break; }
      }
      const light = c => [0, 1, 2].map(k => c[k] / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
      const [a, b] = [light(parse(getComputedStyle(e).color)), light(back)].sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05);
    }),
  };
}"""


@every_kind
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_fits_a_phone_and_a_screen(browser, reports, tmp_path, kind, width):
    (tmp_path / "report.html").write_text(reports[kind], encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 800})
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    try:
        page.goto((tmp_path / "report.html").as_uri())
        page.wait_for_load_state("load")
        for opened in (False, True):
            page.evaluate("open => document.querySelectorAll('details').forEach(d => d.open = open)", opened)
            seen = page.evaluate(LOOK)
            assert seen["overflow"] <= 0, opened
            assert seen["outside"] == [], opened
            assert seen["cut"] == [], (
                opened
            )  # a caption is as wide as its table, and would scroll away with it
            assert seen["small"] == 0
            assert min(seen["fonts"]) >= 12
            assert min(seen["contrast"]) >= 4.5
            assert len(seen["images"]) == len(svgs(reports[kind]))
            for complete, natural, shown in seen["images"]:
                assert complete
                assert natural > 0
                assert 200 < shown <= width
        assert complaints == []
        assert [url for url in asked if not url.startswith(("file:", "data:image/svg+xml"))] == []
        assert sum(url.startswith("file:") for url in asked) == 1
        # With the keyboard alone everything that folds or scrolls is reached.
        reached = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.add(
                page.evaluate(
                    "document.activeElement.tagName + ' ' + document.activeElement.textContent.slice(0, 30)"
                )
            )
        if kind == "course":
            assert {"SUMMARY All settings", "SUMMARY Every weight"} <= reached
    finally:
        page.close()


# ---------------------------------------------------------------- pictures by themselves


def test_pictures_are_the_same_bytes_each_time(course):
    network = train(course, Settings(epochs=3, **PLAIN)).network
    for draw in (
        lambda: draw_recordings(course, ("moving_away", "moving_closer")),
        lambda: draw_curves([("loss", "log", [("training", np.linspace(1, 0.1, 5))])]),
        lambda: draw_network(network),
    ):
        first, second = draw(), draw()
        assert first is not None
        assert first == second


def test_curves_of_many_epochs_stay_small_and_keep_their_ends():
    curve = np.geomspace(5, 1e-5, 100_000)
    picture = draw_curves([("loss", "log", [("training", curve)])])
    assert picture is not None
    assert len(picture) < 100_000


@pytest.mark.parametrize("curve", [np.zeros(5), np.ones(1), np.full(9, 1e-300), np.array([1e300, 1.0])])
def test_curves_of_odd_numbers_are_drawn(curve):
    picture = draw_curves([("loss", "log", [("training", curve)])], best_epoch=1)
    assert ElementTree.fromstring(picture) is not None


def test_large_and_tiny_networks_are_drawn():
    for sizes in ((1, 1), (300, 200, 3), (11, 10, 12)):
        network = start_network(sizes, ["tanh"] * (len(sizes) - 1))
        picture = draw_network(network)
        assert picture is not None
        assert len(picture) < 500_000
    assert ElementTree.fromstring(draw_network(start_network((1, 1), ["tanh"]))) is not None


def test_zero_weights_are_drawn():
    network = start_network((2, 2), ["linear"], start="uniform", start_range=1e-320)
    assert ElementTree.fromstring(draw_network(network)) is not None


def test_many_recordings_are_drawn_as_some_of_them():
    recordings = noisy_recordings(200)
    picture = draw_recordings(recordings, ("a", "b"))
    assert "a (100): x, 40 drawn" in "".join(ElementTree.fromstring(picture).itertext())


def test_rows_of_a_table_are_drawn_over_their_columns():
    recordings = [Recording([[1.0, 2.0, 3.0]], ("p", "q", "r"), label="a")] * 2
    drawn = "".join(ElementTree.fromstring(draw_recordings(recordings, ("a",))).itertext())
    for name in "pqr":
        assert name in drawn
