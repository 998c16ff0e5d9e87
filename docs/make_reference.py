"""Write docs/commands.md and docs/library.md from the code; with --check, only say whether they are fresh."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path

import tinyglass
from tinyglass import arithmetic, cli
from tinyglass.settings import PRESETS, show_value

HERE = Path(__file__).parent


def commands() -> str:
    parser = cli.make_parser()
    verbs = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices
    lines = ["# Commands", "", "Every verb and every option; written by `make docs`.", ""]
    for name, verb in verbs.items():
        usage = f"tinyglass {name}"
        for action in verb._actions:
            if not action.option_strings:
                usage += f" [{action.metavar}]" if action.nargs == "?" else f" {action.metavar}"
            elif action.required:
                usage += f" {action.option_strings[0]} {action.metavar}"
        lines += [f"## tinyglass {name}", "", f"{verb.description[:1].upper()}{verb.description[1:]}", ""]
        lines += [f"`{usage}`", "", "| option | meaning |", "| --- | --- |"]
        for action in verb._actions:
            spelling = ", ".join(f"`{s}`" for s in action.option_strings) or f"`{action.metavar}`"
            if action.option_strings and action.metavar:
                spelling = f"`{action.option_strings[0]} {action.metavar}`"
            text = (action.help or "").replace("%%", "%").replace("|", "\\|")
            lines.append(f"| {spelling} | {text} |")
        lines.append("")
    lines += ["## Presets", "", "| preset | settings |", "| --- | --- |"]
    for name, values in PRESETS.items():
        lines.append(f"| `{name}` | {', '.join(f'{k} = {show_value(v)}' for k, v in values.items())} |")
    lines += ["", "## The maths behind the names", ""]
    for title, table in (
        ("activation", {k: v.formula for k, v in arithmetic.ACTIVATIONS.items()}),
        ("loss", {k: v.formula for k, v in arithmetic.LOSSES.items()}),
        ("optimizer", arithmetic.OPTIMIZERS),
        ("schedule", arithmetic.SCHEDULES),
    ):
        lines += [f"| {title} | rule |", "| --- | --- |"]
        lines += [f"| `{name}` | {rule.replace('*', chr(92) + '*')} |" for name, rule in table.items()]
        lines.append("")
    return "\n".join(lines)


def library() -> str:
    lines = ["# Library", "", "Every public name of `tinyglass`; written by `make docs`.", ""]
    for name in tinyglass.__all__:
        thing = getattr(tinyglass, name)
        lines += [f"## {name}", ""]
        if not (inspect.isclass(thing) and issubclass(thing, BaseException)):
            signature = str(inspect.signature(thing)).replace("tinyglass.", "")
            signature = re.sub(r"<function <lambda> at \w+>", "nothing", signature)
            lines += ["```text", f"{name}{signature}", "```", ""]
        lines += ["```text", inspect.getdoc(thing) or "", "```", ""]
    return "\n".join(lines)


def main() -> None:
    stale = []
    for name, text in (("commands.md", commands()), ("library.md", library())):
        page = HERE / name
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                page.write_text(text, encoding="utf-8")
    if "--check" in sys.argv and stale:
        sys.exit(f"stale: {', '.join(stale)}")


if __name__ == "__main__":
    main()
