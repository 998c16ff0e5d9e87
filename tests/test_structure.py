"""The shape of the code: who may import whom, and what must be documented."""

import argparse
import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinyglass
from tinyglass import arithmetic, cli, settings

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "tinyglass"

# The journey of the data, and for each stop the stops that it may know. (`network` and `runs` know
# `notebook` only when a notebook asks them for their picture.)
ARROWS = {
    "errors": set(),
    "arithmetic": set(),
    "core": {"errors"},
    "storage": {"errors"},
    "settings": {"errors"},
    "recordings": {"errors", "storage"},
    "findings": {"recordings"},
    "units": {"recordings"},
    "inputs": set(),
    "augmentation": {"inputs"},
    "network": {"core", "arithmetic", "errors", "inputs", "notebook", "storage"},
    "preparation": {"augmentation", "errors", "inputs", "network", "recordings", "units"},
    "splits": {"errors", "findings", "network", "recordings", "settings"},
    "runs": {"errors", "network", "notebook", "preparation", "settings", "storage"},
    "engine": {"core", "arithmetic", "errors", "network", "preparation", "runs", "settings"},
    "fitting": {"engine", "errors", "network", "preparation", "runs", "settings"},
    "many": {"core", "engine", "errors", "fitting", "network", "preparation", "runs", "settings"},
    "prediction": {"errors", "network", "preparation", "recordings"},
    "choice": {
        "fitting",
        "many",
        "network",
        "prediction",
        "preparation",
        "recordings",
        "runs",
        "settings",
        "splits",
    },
    "training": {
        "choice",
        "fitting",
        "inputs",
        "many",
        "network",
        "preparation",
        "recordings",
        "runs",
        "settings",
        "splits",
        "units",
    },
    "baselines": {"network", "preparation", "recordings"},
    "evaluation": {
        "baselines",
        "errors",
        "fitting",
        "network",
        "prediction",
        "preparation",
        "recordings",
        "settings",
        "splits",
        "training",
        "units",
    },
    "rejection": {
        "choice",
        "fitting",
        "prediction",
        "recordings",
        "settings",
        "splits",
        "training",
    },
    "gestures": {"errors", "fitting", "prediction", "recordings", "settings", "training"},
    "figures": {"errors", "network", "recordings", "storage"},
    "pages": {"errors"},
    "report": {
        "evaluation",
        "figures",
        "findings",
        "network",
        "pages",
        "recordings",
        "rejection",
        "runs",
        "settings",
        "storage",
    },
    "estimators": {"errors", "fitting", "network", "preparation", "printing", "runs", "settings"},
    "explain": {
        "arithmetic",
        "engine",
        "errors",
        "evaluation",
        "figures",
        "fitting",
        "inputs",
        "network",
        "pages",
        "prediction",
        "preparation",
        "recordings",
        "runs",
        "settings",
        "training",
        "units",
    },
    "notebook": {"arithmetic", "explain", "figures", "network", "pages", "report", "runs"},
    "diagnosis": {
        "arithmetic",
        "engine",
        "errors",
        "evaluation",
        "explain",
        "findings",
        "fitting",
        "network",
        "preparation",
        "recordings",
        "runs",
        "settings",
        "training",
        "units",
    },
    "worksheet": {"arithmetic", "errors", "explain", "pages", "recordings", "runs", "storage"},
    "board": {"errors", "network", "prediction", "recordings", "storage", "units"},
    "export": {
        "arithmetic",
        "board",
        "errors",
        "inputs",
        "network",
        "prediction",
        "preparation",
        "recordings",
        "storage",
        "units",
    },
    "printing": {
        "core",
        "errors",
        "evaluation",
        "findings",
        "network",
        "prediction",
        "recordings",
        "rejection",
        "runs",
        "settings",
    },
    "cli": {
        "board",
        "core",
        "diagnosis",
        "errors",
        "evaluation",
        "explain",
        "export",
        "figures",
        "findings",
        "fitting",
        "network",
        "prediction",
        "printing",
        "recordings",
        "rejection",
        "report",
        "runs",
        "settings",
        "splits",
        "storage",
        "training",
        "units",
        "worksheet",
    },
}
HEAVY = {
    "sklearn",
    "scipy",
    "matplotlib",
    "rich",
    "pandas",
    "polars",
    "serial",
    "onnx",
    "onnxruntime",
    "unicorn",
}


def modules() -> dict[str, list[Path]]:
    """The files of each stop: a module, or a package with all that is in it."""
    stops = {path.stem: [path] for path in SOURCE.glob("*.py") if path.stem != "__init__"}
    return stops | {
        folder.name: sorted(folder.rglob("*.py")) for folder in SOURCE.iterdir() if list(folder.glob("*.py"))
    }


def imports(path: Path) -> list[tuple[str, list[str], bool]]:
    """(module, names, at the top of the file) of every import; ours begin with tinyglass."""
    package = ["tinyglass", *path.relative_to(SOURCE).parts[:-1]]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) or _is_for_types(n)]
    inside = {id(n) for block in late for n in ast.walk(block)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, [], id(node) not in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            names = [alias.name for alias in node.names]
            if base and node.module is None:
                stops = [name for name in names if not name.startswith("__")]
                found += [(".".join([*base, name]), [], id(node) not in inside) for name in stops]
            else:
                found.append((".".join([*base, node.module or ""]), names, id(node) not in inside))
    return found


def _is_for_types(node: ast.AST) -> bool:
    """Tell whether this is ``if TYPE_CHECKING:``, which no program ever runs."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.mark.parametrize("stop", sorted(modules()))
def test_a_module_imports_only_what_its_arrows_allow(stop):
    known = {
        module.split(".")[1]
        for path in modules()[stop]
        for module, _, _ in imports(path)
        if module.startswith("tinyglass.")
    }
    assert known - {stop} <= ARROWS[stop]


def test_every_arrow_is_drawn_and_used():
    assert set(ARROWS) == set(modules())
    for stop, allowed in ARROWS.items():
        used = {m.split(".")[1] for path in modules()[stop] for m, _, _ in imports(path) if "tinyglass." in m}
        assert allowed <= used, f"{stop} does not need {allowed - used}"


@pytest.mark.parametrize("stop", sorted(modules()))
def test_no_module_reaches_into_the_insides_of_another(stop):
    for path in modules()[stop]:
        for module, names, _ in imports(path):
            if module.startswith("tinyglass") and module != "tinyglass._core":
                assert not [
                    name for name in names if name.startswith("_") and name not in ("_core", "__version__")
                ]


@pytest.mark.parametrize("stop", sorted(set(modules()) - {"estimators", "gestures"}))
def test_what_is_heavy_is_imported_by_the_function_that_needs_it(stop):
    for path in modules()[stop]:
        assert not {m.split(".")[0] for m, _, top in imports(path) if top} & HEAVY


def test_settings_offer_what_the_arithmetic_defines():
    def choices(name):
        return set(settings.explain_field(name)[1])

    trainable = {name for name, a in arithmetic.ACTIVATIONS.items() if a.slope or name == "softmax"}
    assert choices("activation") == trainable - {"softmax"}
    assert choices("output") == trainable | {"auto"}
    assert choices("loss") == set(arithmetic.LOSSES) | {"auto"}
    assert choices("optimizer") == set(arithmetic.OPTIMIZERS)
    assert choices("schedule") == set(arithmetic.SCHEDULES)


# ---------------------------------------------------------------- documentation


@pytest.mark.parametrize("name", tinyglass.__all__)
def test_every_public_name_is_documented_with_an_example(name):
    thing = getattr(tinyglass, name)
    text = inspect.getdoc(thing)
    assert text
    assert text.splitlines()[0].endswith((".", ":"))
    error = inspect.isclass(thing) and issubclass(thing, tinyglass.TinyglassError)
    record = name in (
        "Artefact",
        "BoardModel",
        "Diagnosis",
        "Explanation",
        "Prediction",
        "Progress",
        "Score",
        "Watch",
        "Run",
    )  # made by a function with an example
    assert ">>>" in text or error or record, f"{name} shows no example"
    if inspect.isfunction(thing):
        for parameter in inspect.signature(thing).parameters:
            assert re.search(rf"\b{parameter}\b", text), f"{name} does not explain {parameter}"


@pytest.mark.parametrize("stop", sorted(set(ARROWS) - {"cli", "printing"}))
def test_every_public_function_says_what_it_does(stop):
    module = importlib.import_module(f"tinyglass.{stop}")
    for name, thing in vars(module).items():
        if not name.startswith("_") and getattr(thing, "__module__", "").startswith(module.__name__):
            assert not callable(thing) or inspect.getdoc(thing), f"{stop}.{name} has no docstring"


def verbs() -> dict[str, argparse.ArgumentParser]:
    action = next(a for a in cli.make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices


def test_every_verb_and_option_has_a_help_text():
    for parser in verbs().values():
        assert parser.description
        for action in parser._actions:
            assert action.help, f"{parser.prog} {action.dest}"


def test_the_reference_pages_are_fresh():
    made = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "make_reference.py"), "--check"], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr + "\nRun: make docs"


def test_the_reference_names_every_verb_option_and_public_name():
    commands = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name, parser in verbs().items():
        assert f"## tinyglass {name}" in commands
        for action in parser._actions:
            for spelling in action.option_strings:
                assert f"`{spelling}" in commands, spelling
    library = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    for name in tinyglass.__all__:
        assert f"## {name}" in library


# ---------------------------------------------------------------- examples in README and docs

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def blocks(page: Path, language: str) -> str:
    text = page.read_text(encoding="utf-8")
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_example_runs(page, tmp_path):
    code = blocks(page, "python")
    if ">>>" not in code and code:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


# The commands of whole-way.md need each other: tests/test_whole_way.py runs them, and compares what they print.
ALONE = [page for page in PAGES if page.name != "whole-way.md"]


@pytest.mark.parametrize("page", ALONE, ids=lambda page: page.name)
def test_every_command_in_the_pages_runs(page, tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for line in blocks(page, "sh").splitlines():
        command = line.split("#")[0].strip()
        if command.startswith("make "):
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
            assert set(command.split()[1:]) <= set(targets), command
        elif command.startswith("tinyglass "):
            command = f"{sys.executable} -m tinyglass.cli {command.removeprefix('tinyglass ')}"
            done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stderr}"
        else:
            assert not command or command.startswith(("pip install", "git clone", "cd ")), (
                f"not tried: {line}"
            )


def test_files_name_no_registry_and_no_path_of_a_machine():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    for name in tracked.stdout.split():
        text = (ROOT / name).read_bytes()
        assert not re.search(rb"https?://[^ \"]*(pypi|pythonhosted|npmjs|registry)\.", text), name
        assert str(ROOT.parent).encode() + b"/" not in text or str(ROOT.parent) in ("/", "/home"), name
