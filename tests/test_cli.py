"""The command line: every verb, its JSON, its errors, and labels that mean mischief."""

from __future__ import annotations

import csv
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from conftest import ROOT, unmeasured
from tinyglass import ModelError, Network, Run, Settings, StorageError, cli, train
from tinyglass.cli.models import open_run
from tinyglass.settings import PRESETS, as_options, make_settings, parse_value, show_value

MODEL, RUN, REPORT = "model.safetensors", "run.safetensors", "report.html"
ONE = ROOT / "examples" / "moving_closer.txt"


def json_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the one JSON object that stands on standard output, and nothing else."""
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("}\n")
    assert done.stdout.count("\n") == 1
    facts = msgspec.json.decode(done.stdout)
    assert isinstance(facts, dict)
    return facts


@pytest.fixture(scope="session")
def quantities(tmp_path_factory) -> Path:
    """A table of forces with a quantity to predict."""
    path = tmp_path_factory.mktemp("quantities") / "forces.csv"
    rows = ["label,force,pull"]
    rows += [f"{1000 + 50 * x:.3f},{x:.3f},{2 * x:.3f}" for x in np.linspace(0, 3, 25)]
    path.write_text("\n".join(rows))
    return path


# ---------------------------------------------------------------- train


def test_train_prints_one_json_object_with_what_matters(command, tmp_path):
    facts = json_of(command("train", "--preset", "course", "--out", tmp_path / "out", "--json"))
    assert facts["accuracy"] == 1.0
    low, high = facts["interval"]
    assert 0.72 < low < 0.73
    assert high == 1.0
    wanted = {
        "split": "leave one out",
        "n_train": 9,
        "n_test": 10,
        "classes": ["moving_away", "moving_closer"],
        "inputs": "raw",
        "n_inputs": 3,
        "hidden": [2],
        "epochs": 100,
        "seeds": 1,
        "out": str(tmp_path / "out"),
    }
    assert wanted.items() <= facts.items()
    assert facts["seconds"] > 0
    assert "accuracy_sd" not in facts
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted([MODEL, RUN, REPORT])
    network = Network.load(facts["model"])
    assert [(x.n_inputs, x.n_outputs, x.activation, x.bias) for x in network.layers] == [
        (3, 2, "linear", None),
        (2, 2, "linear", None),
    ]
    assert network.preparation.scale == (100.0,)
    assert Run.load(tmp_path / "out" / RUN).updates == 1000


def test_several_seeds_give_mean_and_deviation(here, tmp_path):
    words = (
        "train",
        "--out",
        tmp_path,
        "--json",
        "--hidden",
        "none",
        "--epochs",
        "1",
        "--learning-rate",
        "0.1",
    )
    facts = json_of(here(*words, "--seeds", "3"))
    each = [json_of(here(*words, "--seed", seed))["accuracy"] for seed in range(3)]
    assert len(set(each)) > 1  # otherwise there is nothing to see
    assert facts["seeds"] == 3
    assert facts["accuracy"] == pytest.approx(np.mean(each))
    assert facts["accuracy_sd"] == pytest.approx(np.std(each, ddof=1))


def test_quantities_give_r2_and_mean_absolute_error(here, tmp_path, quantities):
    words = ("train", quantities, "--out", tmp_path, "--json", "--epochs", "400")
    facts = json_of(here(*words))
    assert facts["r2"] > 0.99
    assert 0 <= facts["mean_absolute_error"] < 5
    assert facts["interval"][0] <= facts["r2"] <= facts["interval"][1] <= 1
    assert facts["classes"] is None
    assert "accuracy" not in facts
    assert facts["n_test"] == 25
    facts = json_of(here(*words, "--seeds", "2"))
    assert 0 <= facts["r2_sd"] < 0.1
    tested = json_of(here("test", tmp_path, quantities, "--json"))
    assert tested["r2"] > 0.99
    assert tested["mean_absolute_error"] < 5
    assert "R²" in here("test", tmp_path, quantities).stdout
    predicted = json_of(here("predict", tmp_path, quantities, "--json"))["predictions"]
    assert predicted[0]["label"] == pytest.approx(1000, abs=5)
    assert "forces.csv, line 2" in here("predict", tmp_path, quantities).stdout
    shown = here("show", tmp_path).stdout
    assert "answer: output *" in shown
    assert "R²" in here(*words[:-3], "--epochs", "50").stdout


def test_a_test_part_of_its_own(here, tmp_path):
    facts = json_of(here("train", "--out", tmp_path, "--test", ONE, "--json"))
    assert facts["split"] == "test part"
    assert (facts["n_train"], facts["n_test"], facts["accuracy"]) == (10, 1, 1.0)
    assert f"--test {ONE}" in json_of(here("show", tmp_path, "--json"))["reproduce"]


def test_tables_are_printed_where_no_json_is_asked_for(command, tmp_path):
    done = command("train", "--preset", "course", "--out", tmp_path)
    assert done.returncode == 0
    for words in ("3-2-2", "10 weights", "100.0 %", "10 of 10", "leave one out", REPORT):
        assert words in done.stdout
    assert "training" in done.stderr  # the progress bar
    assert "training" not in done.stdout.replace(str(tmp_path), "")
    seeds = command("train", "--preset", "course", "--out", tmp_path, "--seeds", "2")
    assert re.search(r"± \d+\.\d % over 2 seeds", seeds.stdout)


def test_early_stopping_is_said(here, tmp_path):
    done = here(
        "train",
        "--out",
        tmp_path,
        "--validation",
        "0.2",
        "--patience",
        "2",
        "--tolerance",
        "0.5",
        "--epochs",
        "900",
    )
    assert done.returncode == 0
    assert "stopped early" in done.stdout


# ---------------------------------------------------------------- settings and the file of them


def test_the_command_line_wins_over_the_file_and_the_file_over_the_preset(here, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('preset = "course"\nlearning-rate = 0.05\nepochs = 30\nhidden = [4, 3]\n')
    json_of(here("train", "--config", file, "--epochs", "20", "--out", tmp_path / "out", "--json"))
    settings = Run.load(tmp_path / "out" / RUN).settings
    assert (settings.epochs, settings.learning_rate, settings.hidden) == (20, 0.05, (4, 3))
    assert (settings.activation, settings.bias, settings.scale) == ("linear", False, 100.0)


def test_the_preset_on_the_command_line_wins_over_that_in_the_file(here, tmp_path):
    (tmp_path / "settings.toml").write_text('preset = "nonsense"\n')
    words = ("train", "--config", tmp_path / "settings.toml", "--out", tmp_path / "out", "--json")
    assert json_of(here(*words, "--preset", "course"))["epochs"] == 100


CONFIGS = {
    "epoch = 5": ("Unknown setting 'epoch'", "line 1", "Did you mean 'epochs'?"),
    "\n# rate\nlearning_rat = 0.1": (
        "Unknown setting 'learning_rat'",
        "line 3",
        "Did you mean 'learning_rate'?",
    ),
    "seed = 1\n[hiden]\na = 1": ("Unknown setting 'hiden'", "line 2", "Did you mean 'hidden'?"),
    'epochs = "many"': ("epochs", "whole number", "many"),
    "epochs = 0": ("epochs", ">= 1", "0"),
    "epochs = 1.5": ("epochs", "whole number", "1.5"),
    "learning_rate = -1": ("learning_rate", "> 0", "-1"),
    "learning_rate = nan": ("learning_rate", "> 0", "nan"),
    "learning_rate = inf": ("learning", "settings.toml", "finite number", "inf"),
    "bias = 1": ("bias", "true or false", "1"),
    "hidden = 8.5": ("hidden", "a list", "8.5"),
    "hidden = [8, 0]": ("hidden", ">= 1", "0"),
    'activation = "tahn"': ("Unknown activation 'tahn'", "settings.toml", "Did you mean 'tanh'?"),
    'optimizer = "adm"': ("Unknown optimizer 'adm'", "settings.toml", "Did you mean 'adam'?"),
    'preset = "corse"': ("Unknown preset 'corse'", "preset", "Did you mean 'course'?"),
    "preset = 3": ("preset", "3", "course"),
    "patience = 5": ("Patience is 5", "validation", "0.2"),
    'loss = "cross_entropy"\noutput = "linear"': ("Cross-entropy needs probabilities", "output", "softmax"),
    "class_weight = {a = -1}": ("'a'", "-1", "not negative"),
    'class_weight = "balance"': ("class_weight", "balance", "balanced"),
    "epochs = \nseed = 1": ("not valid TOML", "line 1", "settings.toml"),
    "epochs = 5\nepochs = 6\nseed = 1": ("not valid TOML", "line 2", "settings.toml"),
}


@pytest.mark.parametrize("text", CONFIGS)
def test_a_wrong_file_of_settings_is_refused_with_name_and_place(here, tmp_path, text):
    (tmp_path / "settings.toml").write_text(text)
    done = here("train", "--config", tmp_path / "settings.toml", "--out", tmp_path / "out")
    assert done.returncode == 2
    for words in CONFIGS[text]:
        assert words in done.stderr
    assert not (tmp_path / "out" / MODEL).exists()


def test_a_file_of_settings_that_cannot_be_read_is_said(here, tmp_path):
    for name, content in (("none.toml", None), ("latin.toml", b"# \xe9\n")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        done = here("train", "--config", tmp_path / name, "--out", tmp_path / "out")
        assert done.returncode == 2
        assert name in done.stderr
    done = here("train", "--config", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 2


WRONG_WORDS = {
    ("trian",): ("Unknown verb 'trian'", "Did you mean 'train'?"),
    ("train", "--out", "{out}", "--epoch", "5"): ("Unknown option '--epoch'", "Did you mean '--epochs'?"),
    ("train", "--out", "{out}", "--hiden=4"): ("Unknown option '--hiden'", "Did you mean '--hidden'?"),
    ("train", "--out", "{out}", "--preset", "curse"): ("Unknown preset 'curse'", "Did you mean 'course'?"),
    ("train", "--out", "{out}", "--optimizer", "adma"): ("Unknown optimizer 'adma'", "Did you mean 'adam'?"),
    ("train", "--out", "{out}", "--loss", "crossentropy"): ("crossentropy", "Did you mean 'cross_entropy'?"),
    ("train", "--out", "{out}", "--epochs", "ten"): ("--epochs", "a whole number"),
    ("train", "--out", "{out}", "--epochs", "0"): ("--epochs", ">= 1"),
    ("train", "--out", "{out}", "--hidden", "4,x"): ("--hidden", "a whole number"),
    ("train", "--out", "{out}", "--learning-rate", "nan"): ("--learning-rate", "> 0"),
    ("train", "--out", "{out}", "--learning-rate", "0"): ("--learning-rate", "> 0"),
    ("train", "--out", "{out}", "--scale", "-3"): ("--scale",),
    ("train", "--out", "{out}", "--seed", "-1"): ("--seed", ">= 0"),
    ("train", "--out", "{out}", "--seeds", "0"): ("--seeds", "1 or more"),
    ("train", "--out", "{out}", "--patience", "3"): ("--patience", "--validation 0.2"),
    ("train", "--out", "{out}", "--loss", "cross-entropy", "--output", "linear"): ("softmax",),
    ("train",): ("--out",),
    ("train", "a", "b", "--out", "{out}"): ("Unexpected word 'b'",),
    ("train", "{out}/none", "--out", "{out}"): ("no such file", "none"),
    ("predict", "{out}"): ("PATH",),
    ("predict", "{out}", str(ONE), "--threshold", "1.5"): ("--threshold", "0 to 1"),
    ("predict", "{out}", str(ONE), "--threshold", "nan"): ("--threshold", "0 to 1"),
    ("show", "{out}/none"): ("none", "spelling"),
    (): ("VERB",),
}


@pytest.mark.parametrize("words", WRONG_WORDS, ids=lambda words: " ".join(words)[:60])
def test_a_wrong_command_ends_with_2_and_says_what_is_right(here, tmp_path, course, words):
    train(course, Settings(epochs=1)).network.save(tmp_path / MODEL)
    done = here(*[word.replace("{out}", str(tmp_path)) for word in words])
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("tinyglass: ")
    assert "Traceback" not in done.stderr
    for expected in WRONG_WORDS[words]:
        assert expected in done.stderr


def test_errors_in_a_real_process_have_no_traceback(command, tmp_path):
    done = command("train", tmp_path / "none.csv", "--out", tmp_path / "out", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "none.csv" in done.stderr


def test_a_defect_keeps_its_traceback(python, tmp_path):
    program = """
import sys
from tinyglass import cli, recordings
recordings.read_recordings = lambda path, **options: {}["a defect"]
cli.main(["train", "--out", sys.argv[1]])
"""
    done = python(program, tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "KeyError: 'a defect'" in done.stderr


# ---------------------------------------------------------------- test, predict


def test_test_counts_right_and_wrong(command, course_training, tmp_path):
    (tmp_path / "table.csv").write_text(
        "label,a,b,c\nmoving_closer,1,40,120\nmoving_closer,120,30,1\nmoving_away,110,20,0\n"
    )
    facts = json_of(command("test", course_training, tmp_path / "table.csv", "--json"))
    assert facts["accuracy"] == pytest.approx(2 / 3)
    assert facts["confusion"] == [[1, 0], [1, 1]]
    assert facts["classes"] == ["moving_away", "moving_closer"]
    assert facts["n_test"] == 3
    said = command("test", course_training / MODEL, tmp_path / "table.csv").stdout
    assert "66.7 % (2 of 3)" in said
    assert "moving_away" in said


def test_predict_gives_probabilities_that_add_up_to_1(command, tmp_path):
    trained = json_of(command("train", "--out", tmp_path, "--epochs", "60", "--json"))
    facts = json_of(command("predict", tmp_path, ONE, "--json"))
    (prediction,) = facts["predictions"]
    assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert prediction["probability"] == max(prediction["probabilities"].values())
    assert prediction["best"] == "moving_closer"
    assert facts["threshold"] == trained["threshold"]
    sure = json_of(command("predict", tmp_path, ONE, "--json", "--threshold", "0"))["predictions"][0]
    assert sure["label"] == "moving_closer"
    unsure = json_of(command("predict", tmp_path, ONE, "--json", "--threshold", "1"))["predictions"][0]
    assert (unsure["label"], unsure["best"]) == ("unknown", "moving_closer")
    assert unsure["probability"] == prediction["probability"]
    assert "unknown" in command("predict", tmp_path, ONE, "--threshold", "1").stdout


def test_an_all_zero_recording_is_unknown_to_the_courses_network(here, course_training, tmp_path):
    (tmp_path / "zero.txt").write_text("Recordings: [-500ms, -250ms, current]\n[\n[0.0, 0.0, 0.0],\n]\n")
    for words in ((), ("--threshold", "0")):
        facts = json_of(here("predict", course_training, tmp_path / "zero.txt", "--json", *words))
        (prediction,) = facts["predictions"]
        assert prediction["label"] == "unknown"
        assert prediction["outputs"] == {"moving_away": 0, "moving_closer": 0}
        assert prediction["probability"] is None
        assert prediction["probabilities"] is None  # linear outputs are none
    said = here("predict", course_training, tmp_path / "zero.txt").stdout
    assert "unknown" in said
    assert "no probabilities" in said


def test_recordings_that_do_not_fit_the_network_are_refused(here, course_training, tmp_path):
    (tmp_path / "two.txt").write_text("Recordings: [-500ms, current]\n[\n[1.0, 2.0],\n]\n")
    done = here("predict", course_training, tmp_path / "two.txt")
    assert done.returncode == 2
    assert "Expected 3 readings, found 2" in done.stderr
    (tmp_path / "other.csv").write_text("label,a,b,c\nwaving,1,2,3\n")
    done = here("test", course_training, tmp_path / "other.csv")
    assert done.returncode == 2
    assert "'waving'" in done.stderr
    assert "moving_away, moving_closer" in done.stderr


# ---------------------------------------------------------------- show, reproduce


def test_show_prints_every_weight(command, course_training):
    network = Network.load(course_training / MODEL)
    said = command("show", course_training).stdout
    for layer in network.layers:
        for weight in layer.weights.ravel():
            assert str(weight) in said
    facts = json_of(command("show", course_training, "--json"))
    for shown, layer in zip(facts["layers"], network.layers, strict=True):
        assert np.array_equal(np.array(shown["weights"], np.float32), layer.weights)
        assert shown["bias"] is None
    assert facts["n_weights"] == 10
    assert facts["settings"]["learning_rate"] == 0.01
    assert facts["reproduce"] in said
    assert facts["sha256"] in said
    assert Run.load(course_training / RUN).fingerprint == facts["fingerprint"]
    assert facts["fingerprint"] in said
    for name in Settings.__struct_fields__:
        assert f"  {name} = " in said


def test_show_prints_biases_and_needs_no_run(here, course, tmp_path):
    run = train(course, Settings(hidden=(3, 2), epochs=5))
    run.network.save(tmp_path / MODEL)
    done = here("show", tmp_path / MODEL)
    assert "3-3-2-2 network, 26 weights, float32" in done.stdout.splitlines()[0]
    for layer in run.network.layers:
        for number in [*layer.weights.ravel(), *layer.bias]:
            assert str(number) in done.stdout
    assert "reproduce" not in done.stdout
    assert "reproduce" not in json_of(here("show", tmp_path / MODEL, "--json"))


REPRODUCED = [
    ["--preset", "course"],
    ["--preset", "course", "--bias", "--no-shuffle", "--hidden", "none"],
    ["--hidden", "8,4", "--optimizer", "nesterov", "--learning-rate", "0.03125", "--schedule", "cosine"],
    ["--batch", "all", "--weight-limit", "1.25", "--l2", "1e-05", "--activation", "leaky-relu"],
    ["--class-weight", "moving_away=0.1234567890123,moving_closer=3", "--precision", "float64"],
    ["--class-weight", "balanced", "--validation", "0.25", "--patience", "9", "--seed", str(2**63 - 1)],
    [
        "--loss",
        "mean-squared-error",
        "--output",
        "sigmoid",
        "--scale",
        "none",
        "--threshold",
        "0.9",
        "--activation",
        "tanh",
    ],
    ["--steps", "5", "--epsilon", "1e-07", "--beta1", "0.85", "--task", "classification", "--seeds", "2"],
]


@pytest.mark.parametrize("options", REPRODUCED, ids=lambda o: " ".join(o)[:50])
def test_the_command_to_reproduce_gives_the_same_bytes(here, tmp_path, options):
    if "--epochs" not in options and "course" not in options:
        options = [*options, "--epochs", "60"]
    first = json_of(here("train", "--out", tmp_path / "first", "--json", *options))
    words = shlex.split(json_of(here("show", tmp_path / "first", "--json"))["reproduce"])
    assert words[:2] == ["tinyglass", "train"]
    words[words.index("--out") + 1] = str(tmp_path / "second")
    second = json_of(here(*words[1:], "--json"))
    assert (tmp_path / "first" / MODEL).read_bytes() == (tmp_path / "second" / MODEL).read_bytes()
    assert Run.load(tmp_path / "first" / RUN).settings == Run.load(tmp_path / "second" / RUN).settings
    for name in set(first) - {"out", "model", "report", "seconds"}:
        assert first[name] == second[name], name


def test_the_command_to_reproduce_runs_in_a_shell(tmp_path, command):
    table = tmp_path / "a b$HOME'\"\\.csv"
    table.write_text("label,x,y\nup,1,2\nup,2,3\ndown,5,1\ndown,6,0\n")
    folder = tmp_path / "out; touch x"
    assert command("train", table, "--out", folder, "--epochs", "5").returncode == 0
    before = (folder / MODEL).read_bytes()
    line = json_of(command("show", folder, "--json"))["reproduce"]
    (folder / MODEL).unlink()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, env=os.environ | {"PATH": path}, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (folder / MODEL).read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([table.name, folder.name])


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        make_settings({}, preset="course"),
        Settings(class_weight={"a": 1 / 3, "b": 2.0}),
        Settings(class_weight={"a,b": 2.0, " c = d ": 1.0}),
        Settings(class_weight={"=": 2.0}),
        Settings(weight_limit=0.1 + 0.2, learning_rate=1e-300, hidden=(1, 2, 3)),
    ],
    ids=["defaults", "course", "thirds", "comma", "equals", "digits"],
)
def test_options_made_from_settings_make_the_settings_again(settings):
    words = as_options(settings)
    values, place = {}, 0
    while place < len(words):
        name = words[place].removeprefix("--").replace("-", "_")
        if name.startswith("no_"):
            values[name[3:]] = False
            place += 1
        elif name in ("bias", "shuffle"):
            values[name] = True
            place += 1
        else:
            values[name] = parse_value(name, words[place + 1])
            place += 2
    assert make_settings(values) == settings


def test_values_are_shown_as_they_are_typed():
    assert show_value(()) == "none"
    assert show_value({"a": 2.0}) == "a=2.0"
    assert show_value(1e-05) == "1e-05"
    assert set(PRESETS["course"]) <= set(Settings.__struct_fields__)


# ---------------------------------------------------------------- quick, quiet, well-behaved

LOADED = """
import sys
before = set(sys.modules)
{}
print(*sorted({{name.split(".")[0] for name in set(sys.modules) - before}}))
"""


def test_help_imports_nothing_heavy(python):
    program = LOADED.format(
        "import io, contextlib\nfrom tinyglass import cli\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n    cli.main(['--help'])"
    )
    loaded = set(python(program, env=unmeasured()).stdout.split())
    assert "tinyglass" in loaded
    assert not loaded & {"numpy", "sklearn", "scipy", "matplotlib", "rich", "safetensors", "polars", "pandas"}


def test_import_loads_no_other_package(python):
    loaded = set(python(LOADED.format("import tinyglass"), env=unmeasured()).stdout.split())
    assert "tinyglass" in loaded
    assert {n for n in loaded if not n.startswith("_")} <= {"tinyglass", *sys.stdlib_module_names}


@pytest.mark.parametrize("verb", ["", "train", "test", "predict", "show"])
def test_help_explains_every_verb_and_option(here, verb):
    done = here(*verb.split(), "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    if verb == "train":
        for name in Settings.__struct_fields__:
            assert f"--{name.replace('_', '-')}" in done.stdout
    if not verb:
        for name in ("train", "test", "predict", "show"):
            assert name in done.stdout


def test_a_reader_that_leaves_gets_no_traceback(tmp_path, course):
    rows = ["label,a,b,c"] + [f"moving_{'away' if i % 2 else 'closer'},{i},{i},{i}" for i in range(4000)]
    (tmp_path / "many.csv").write_text("\n".join(rows))
    train(course, Settings(epochs=1, steps=3)).network.save(tmp_path / MODEL)
    for words in (
        ["predict", tmp_path / MODEL, tmp_path / "many.csv"],
        ["predict", tmp_path / MODEL, tmp_path / "many.csv", "--json"],
        ["show", tmp_path / MODEL],
    ):
        line = shlex.join([sys.executable, "-m", "tinyglass.cli", *map(str, words)])
        done = subprocess.run(
            ["bash", "-c", f"{line} | head -c 10; exit ${{PIPESTATUS[0]}}"],
            capture_output=True,
            timeout=60,
        )
        assert done.stderr == b""
        assert done.returncode == 0
        assert len(done.stdout) <= 10


def test_a_terminal_that_knows_ascii_only_is_survived(command, tmp_path):
    (tmp_path / "手").mkdir()
    (tmp_path / "手" / "a.csv").write_text("1,2\n2,3\n")
    (tmp_path / "β").mkdir()
    (tmp_path / "β" / "a.csv").write_text("5,2\n6,3\n")
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    out = tmp_path / "out"
    data = tmp_path / "data"
    data.mkdir()
    for name in "手β":
        (tmp_path / name).rename(data / name)
    for words in (
        ("train", data, "--out", out, "--epochs", "3"),
        ("show", out),
        ("test", out, data),
        ("predict", out, data),
        ("predict", out, data, "--json"),
    ):
        done = command(*words, env=environment)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- labels that mean mischief

LABELS = [
    'a"b\\',
    "<script>alert(1)</script>",
    "$x$ \\frac{1}{2}",
    "手 ✋",
    "*/ int main() {",
    "'; DROP TABLE",
    "{config} %s %(a)s",
    "[red]rich[/red]",
    "שלום‏",
    "&amp;",
    "=cmd()",
    "-dash",
    "a=b",
    "x\x07\x1b[31my",
    "unknown",
]


def table_of(labels: list[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["label", "a", "b"])
    for place, label in enumerate(labels):
        for k in range(3):
            writer.writerow([label, place * 10 + k, place * 7 - k])
    return text.getvalue()


@pytest.fixture(scope="module")
def mischief(tmp_path_factory, command) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("mischief")
    (folder / "table.csv").write_text(table_of(LABELS), newline="")
    facts = json_of(
        command(
            "train",
            folder / "table.csv",
            "--out",
            folder / "out",
            "--epochs",
            "20",
            "--json",
            "--test",
            folder / "table.csv",
        )
    )
    assert facts["classes"] == sorted(LABELS)
    return folder / "out", folder / "table.csv"


def test_labels_go_through_every_verb_unchanged(mischief, command):
    out, table = mischief
    assert Network.load(out / MODEL).classes == tuple(sorted(LABELS))
    shown = json_of(command("show", out, "--json"))
    assert shown["classes"] == sorted(LABELS)
    tested = json_of(command("test", out, table, "--json"))
    assert tested["classes"] == sorted(LABELS)
    assert np.sum(tested["confusion"]) == 3 * len(LABELS)
    predicted = json_of(command("predict", out, table, "--json"))
    assert list(predicted["predictions"][0]["probabilities"]) == sorted(LABELS)


@pytest.mark.parametrize("verb", ["train", "test", "predict", "show"])
def test_no_control_character_of_a_label_reaches_the_terminal(mischief, command, tmp_path, verb):
    out, table = mischief
    words = {
        "train": ("train", table, "--out", tmp_path, "--epochs", "2", "--test", table),
        "test": ("test", out, table),
        "predict": ("predict", out, table),
        "show": ("show", out),
    }[verb]
    done = command(*words)
    assert done.returncode == 0, done.stderr
    said = done.stdout + (done.stderr if verb != "train" else "")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", said)
    if verb == "show":
        assert "[red]rich[/red]" in said


def test_a_label_of_bytes_that_are_no_text_is_survived(command, tmp_path):
    for name in (b"wave\xff", b"punch\xfe"):
        folder = os.path.join(os.fsencode(tmp_path), b"data", name)
        os.makedirs(folder)
        Path(os.fsdecode(folder), "a.csv").write_text("1,2\n3,4\n")
    done = command("train", tmp_path / "data", "--out", tmp_path / "out", "--epochs", "2")
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2)


def test_folders_whose_names_hold_line_breaks_and_quotes_become_labels(here, tmp_path):
    names = ["two\nlines", 'quo"te', "手", "$x$", "<b>"]
    for place, name in enumerate(names):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(2):
            (tmp_path / "data" / name / f"{k}.csv").write_text(f"{place},{k}\n{k},{place}\n")
    facts = json_of(here("train", tmp_path / "data", "--out", tmp_path / "out", "--epochs", "3", "--json"))
    assert facts["classes"] == sorted(names)
    assert here("show", tmp_path / "out").returncode == 0


# ---------------------------------------------------------------- entry points


def test_the_installed_command_and_the_module_are_the_same(command):
    installed = Path(sys.executable).with_name("tinyglass")
    done = subprocess.run([installed, "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout == command("--version").stdout
    assert re.fullmatch(r"tinyglass \d+\.\d+\.\d+\n", done.stdout)


def test_main_ends_the_process_with_its_code(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["show", "/none/such"])
    assert end.value.code == 2
    assert "/none/such" in capsys.readouterr().err


# ---------------------------------------------------------------- tables, words, mixed folders


def test_a_table_without_labels_is_predicted_row_by_row(here, tmp_path):
    (tmp_path / "table.csv").write_text((ROOT / "examples" / "table.csv").read_text())
    (tmp_path / "new.csv").write_text("first,second,third\n0,35,120\n104,2,0\n")
    assert (
        json_of(here("train", tmp_path / "table.csv", "--out", tmp_path / "tab", "--json"))["accuracy"] > 0.5
    )
    answers = json_of(here("predict", tmp_path / "tab", tmp_path / "new.csv", "--json"))["predictions"]
    assert [answer["best"] for answer in answers] == ["closer", "away"]
    assert [answer["source"].rpartition(", ")[2] for answer in answers] == ["row 1", "row 2"]


def test_a_network_of_three_readings_predicts_the_rows_of_a_table(here, course_training, tmp_path):
    (tmp_path / "new.csv").write_text("0,35,120\n104,2,0\n")
    answers = json_of(here("predict", course_training, tmp_path / "new.csv", "--json"))["predictions"]
    assert [answer["best"] for answer in answers] == ["moving_closer", "moving_away"]


def test_a_network_of_a_table_predicts_the_boards_print_out(here, tmp_path):
    words = ("train", ROOT / "examples" / "table.csv", "--out", tmp_path / "tab")
    assert here(*words).returncode == 0
    [answer] = json_of(here("predict", tmp_path / "tab", ROOT / "examples" / "moving_closer.txt", "--json"))[
        "predictions"
    ]
    assert answer["best"] == "closer"


def test_a_file_of_settings_may_use_the_words_of_the_command_line(here, tmp_path):
    (tmp_path / "words.toml").write_text('hidden = "5,4"\nbatch = "all"\nweight_limit = "none"\nepochs = 3\n')
    facts = json_of(here("train", "--config", tmp_path / "words.toml", "--out", tmp_path / "out", "--json"))
    assert facts["hidden"] == [5, 4]
    (tmp_path / "one.toml").write_text("hidden = 5\nepochs = 3\n")
    assert json_of(here("train", "--config", tmp_path / "one.toml", "--out", tmp_path / "o", "--json"))[
        "hidden"
    ] == [5]


def test_a_setting_given_twice_in_a_file_is_refused(here, tmp_path):
    (tmp_path / "twice.toml").write_text("learning_rate = 0.1\nlearning-rate = 0.2\n")
    done = here("train", "--config", tmp_path / "twice.toml", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "twice" in done.stderr


def test_a_run_of_another_training_is_not_shown_beside_a_model(here, tmp_path):
    out = tmp_path / "mixed"
    assert here("train", "--preset", "course", "--out", out).returncode == 0
    old = (out / "run.safetensors").read_bytes()
    assert here("train", "--hidden", "5", "--epochs", "3", "--out", out).returncode == 0
    (out / "run.safetensors").write_bytes(old)
    done = here("show", out, "--json")
    assert "another training" in done.stderr
    assert "reproduce" not in json_of(done)


# ---------------------------------------------------------------- the run that a verb is given


@pytest.mark.parametrize("name", [".", RUN, MODEL, f"../out/{MODEL}"])
def test_a_run_is_opened_by_its_folder_its_file_or_the_model_beside_it(course_training, name):
    run, network = open_run(course_training / name), Network.load(course_training / MODEL)
    assert run.updates == 1000
    assert run.about["path"] is None
    for layer, same in zip(run.network.layers, network.layers, strict=True):
        assert np.array_equal(layer.weights, same.weights)


def test_a_run_is_opened_in_the_folder_that_one_stands_in(course_training, monkeypatch):
    monkeypatch.chdir(course_training)
    for name in (".", "", RUN, MODEL):
        assert open_run(Path(name)).updates == 1000


def test_a_run_needs_no_model_beside_it(course_training, tmp_path):
    (tmp_path / RUN).write_bytes((course_training / RUN).read_bytes())
    assert open_run(tmp_path).updates == open_run(tmp_path / RUN).updates == 1000


@pytest.mark.parametrize("name", [".", RUN])
def test_where_nothing_was_trained_there_is_no_run(tmp_path, name):
    with pytest.raises(
        StorageError, match=r"no run\.safetensors in this folder\. .* Train first: tinyglass "
    ):
        open_run(tmp_path / name)


@pytest.mark.parametrize("name", [".", RUN])
def test_an_unfinished_training_says_how_to_continue(tmp_path, name):
    folder = tmp_path / "my training"
    folder.mkdir()
    (folder / "checkpoint.safetensors").write_bytes(b"")
    with pytest.raises(StorageError, match="only an unfinished training") as refused:
        open_run(folder / name)
    assert refused.value.mend == f"Continue it: tinyglass train --out {shlex.quote(str(folder))} --resume"


@pytest.mark.parametrize("name", [".", RUN, MODEL])
def test_a_model_by_itself_says_that_a_run_is_needed(course_training, tmp_path, name):
    (tmp_path / MODEL).write_bytes((course_training / MODEL).read_bytes())
    with pytest.raises(StorageError, match="only a model; how it was trained is in the run"):
        open_run(tmp_path / name)


@pytest.mark.parametrize("name", ["none", f"none/{RUN}", "none.safetensors"])
def test_a_misspelt_run_is_not_replaced_by_the_one_beside_it(course_training, name):
    with pytest.raises(StorageError, match="none"):
        open_run(course_training / name)


@pytest.mark.parametrize("name", [".", MODEL])
def test_a_run_of_another_training_than_the_model_is_refused(here, course_training, tmp_path, name):
    assert here("train", "--hidden", "5", "--epochs", "3", "--out", tmp_path).returncode == 0
    (tmp_path / RUN).write_bytes((course_training / RUN).read_bytes())
    with pytest.raises(ModelError, match="another training"):
        open_run(tmp_path / name)
    assert open_run(tmp_path / RUN).updates == 1000  # asked for by name


@pytest.mark.parametrize("name", [".", RUN])
def test_a_damaged_run_is_refused(course_training, tmp_path, name):
    (tmp_path / RUN).write_bytes((course_training / RUN).read_bytes()[:-1])
    with pytest.raises(ModelError, match=RUN):
        open_run(tmp_path / name)


# ---------------------------------------------------------------- what a folder holds


def test_training_again_into_a_folder_below_the_recordings_reads_the_recordings_only(here, tmp_path):
    for name in ("wave", "rest"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "tree" / name / f"{i}.csv").write_text(f"{i + (name == 'rest') * 9},1\n2,{i}\n")
    words = ("train", tmp_path / "tree", "--out", tmp_path / "tree" / "out", "--epochs", "3", "--json")
    assert json_of(here(*words))["n_test"] == 6
    assert json_of(here(*words))["n_test"] == 6


def test_files_named_by_numbers_have_no_label(here, tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.csv").write_text("1,2\n3,4\n")
    done = here("train", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "has no label" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--batch", "99999999999999999999"),
        ("--rate-every", "99999999999999999999"),
        ("--start", "uniform", "--start-range", "1e308"),
        ("--steps", "1000000000"),
    ],
    ids=lambda words: words[0],
)
def test_absurd_numbers_are_refused_without_a_traceback(here, tmp_path, words):
    done = here("train", "--out", tmp_path / "out", *words)
    assert done.returncode == 2
    assert words[-2] in done.stderr
    assert "Traceback" not in done.stderr


def test_readings_too_large_for_the_network_are_refused(here, course_training, tmp_path):
    (tmp_path / "huge.csv").write_text("a,b,c\n1e300,1,1\n")
    done = here("predict", course_training, tmp_path / "huge.csv")
    assert done.returncode == 2
    assert "too large" in done.stderr


def test_a_full_standard_output_is_said(command, course_training):
    with open("/dev/full", "w") as full:
        done = command.start("show", course_training, stdout=full)
        _, errors = done.communicate(timeout=60)
    assert done.returncode == 2
    assert "disk is full" in errors
    assert "Traceback" not in errors


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A folder of three persons with two gestures each, one person of whom is unlike the others."""
    folder = tmp_path_factory.mktemp("people")
    random = np.random.default_rng(0)
    for who, offset in (("ann", 0.0), ("bob", 0.2), ("cy", 4.0)):
        for what, rate in (("wave", 3.0), ("idle", 0.0)):
            (folder / who).mkdir(exist_ok=True)
            for number in range(5):
                x = offset + np.sin(np.arange(24) * rate / 4) + 0.1 * random.normal(size=24)
                rows = "\n".join(f"{v:.4f},{v / 2:.4f}" for v in x)
                (folder / who / f"{what}_{number}.csv").write_text(f"x,y\n{rows}\n")
    return folder


def test_persons_are_left_out_and_everything_is_in_the_json(command, people, tmp_path):
    done = command(
        "train",
        people,
        "--group",
        "person=ann|bob|cy",
        "--inputs",
        "raw",
        "--out",
        tmp_path,
        "--seeds",
        "2",
        "--json",
    )
    facts = json_of(done)
    assert (facts["split"], facts["grouping"], facts["n_groups"]) == ("leave one person out", "person", 3)
    assert facts["classes"] == ["idle", "wave"]
    low, high = facts["interval"]
    assert 0 <= low <= facts["accuracy"] <= high <= 1
    assert set(facts["baselines"]) == {"majority class", "1-nearest neighbour"}
    assert facts["random_split"] is not None
    assert set(facts["recall"]) == set(facts["precision"]) == {"idle", "wave"}
    assert (facts["inputs"], len(facts["values"])) == ("raw", 2)
    assert facts["dropped"] == []
    again = json_of(
        command("train", people, "--out", tmp_path / "b", *options_of(command, tmp_path), "--json")
    )
    assert again["sha256"] == facts["sha256"]


def options_of(command, folder):
    """The options of the command that reproduces a training, without its path and folder."""
    words = shlex.split(json_of(command("show", folder, "--json"))["reproduce"])
    return words[words.index("--out") + 2 :]


def test_labels_are_chosen_and_renamed_where_a_training_reads(command, people, tmp_path):
    facts = json_of(
        command(
            *(
                "train",
                people,
                "--group",
                "person=ann|bob|cy",
                "--rename",
                "wave=hello",
                "--only",
                "hello,idle",
            ),
            *(
                "--split",
                "recording",
                "--inputs",
                "summary",
                "--augment",
                "none",
                "--out",
                tmp_path,
                "--json",
            ),
        )
    )
    assert facts["classes"] == ["hello", "idle"]
    assert facts["split"] == "leave one out"
    wrong = command("train", people, "--split", "foo", "--out", tmp_path / "b")
    assert wrong.returncode == 2
    assert "Unknown split 'foo'" in wrong.stderr
