"""What a training starts with: settings from the command line and a file, or a checkpoint."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from ..errors import ArgumentError
from ..printing import CHECKPOINT, RUN
from ..settings import PRESETS, Settings, make_settings, option, parse_value, read_config
from .models import has_diverged


def given_settings(options: argparse.Namespace) -> tuple[dict[str, Any], str | None]:
    """Return the settings of the file and the command line, by name, and the preset below them."""
    config = {} if options.config is None else read_config(options.config)
    in_file = config.pop("preset", None)
    preset = options.preset or in_file
    values = {key.replace("-", "_"): value for key, value in config.items()}
    if options.preset is not None:
        make_settings({}, options.preset)
    make_settings(values, preset, str(options.config))  # so that its errors name the file
    for name in Settings.__struct_fields__:
        value = getattr(options, name)
        if value is not None:
            values[name] = parse_value(name, value) if isinstance(value, str) else value
    return values, preset


def settings_to_resume(
    options: argparse.Namespace, values: dict[str, Any], preset: str | None, checkpoint: Path
) -> tuple[Settings, dict[str, Any]]:
    """Return the settings of the checkpoint and what is kept with it, unless others are asked for."""
    import msgspec

    from ..runs import read_checkpoint

    if not checkpoint.exists():
        done = (checkpoint.parent / RUN).exists()
        if has_diverged(checkpoint.parent):
            raise ArgumentError(
                "The training in this folder diverged, and would do so again",
                str(checkpoint.parent),
                f"See why with: tinyglass diagnose {shlex.quote(str(checkpoint.parent))}; then train without --resume",
            )
        raise ArgumentError(
            "The training in this folder is complete"
            if done
            else "There is no training to resume in this folder",
            str(checkpoint.parent),
            f"See it with: tinyglass show {shlex.quote(str(checkpoint.parent))}"
            if done
            else "Train without --resume",
        )
    settings, about = read_checkpoint(checkpoint)
    wanted = msgspec.structs.asdict(make_settings(values, preset))
    names = [*values, *PRESETS.get(preset or "", {})]
    decided_later = {
        "loss",
        "output",
        "start",
        "task",
        "epochs",
        "inputs",
        "augment",
        "threshold",
        "temperature",
    }
    other = [
        name
        for name in names
        # The checkpoint has what became of their "auto".
        if wanted[name] != getattr(settings, name) and not (name in decided_later and wanted[name] == "auto")
    ]
    if other:
        raise ArgumentError(
            f"The training to resume was started with other settings: {', '.join(map(option, other))}",
            str(checkpoint),
            "Leave those options out, or train anew without --resume",
        )
    for name in ("path", "test"):
        value = getattr(options, name)
        about[name] = about.get(name) if value is None else str(value)
    about["seeds"] = options.seeds or about.get("seeds", 1)
    return settings, about


def put_aside(checkpoint: Path) -> None:
    """Rename a checkpoint that nobody resumes, and say so."""
    aside = rename_before(checkpoint)
    print(
        f"tinyglass: an unfinished training was in this folder; its checkpoint is now {aside.name} "
        f"(rename it to {CHECKPOINT} and use --resume to continue it).",
        file=sys.stderr,
    )


def rename_before(path: Path) -> Path:
    """Give a file of an earlier training a free name such as run-before-2.safetensors, and return it."""
    names = (f"{path.stem}-before{n}{path.suffix}" for n in ("", *(f"-{n}" for n in range(2, 10**6))))
    aside = next(path.with_name(name) for name in names if not path.with_name(name).exists())
    return path.replace(aside)
