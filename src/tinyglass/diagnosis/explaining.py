"""Findings as an explanation, in every format; and what the remedies changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ..explain.explanation import Explanation, Section, Table
from ..explain.notation import PLAIN_STYLE, Style, make_notation
from ..runs import Run
from ..settings import option, show_value
from .diagnosis import SEVERITIES, Diagnosis, Looked, plain
from .trials import Outcome, Trial, worse

LONGEST_LIST = 12  # numbers of an evidence that are shown


def explain_diagnosis(
    run: Run,
    looked: Sequence[Looked],
    trials: Sequence[Trial] = (),
    remaining: Sequence[Sequence[Diagnosis]] = (),
    *,
    folder: str = "DIR",
    notation: str = "standard",
    style: Style = PLAIN_STYLE,
) -> Explanation:
    """Return findings as an explanation: severe ones first, then what was looked at, then what remedies changed.

    Parameters
    ----------
    run : Run
    looked : sequence of Looked, from `tinyglass.diagnosis.examine`
    trials : sequence of Trial, trainings that were made again with remedies
    remaining : sequence of sequences of Diagnosis, what is found in each of those
    folder : str, of the run, as commands name it
    notation : "standard" or "course"
    style : Style, how numbers are written
    """
    faults = [
        fault
        for severity in SEVERITIES
        for each in looked
        for fault in each.found
        if fault.severity == severity
    ]
    counts: dict[str, int] = {
        severity: sum(fault.severity == severity for fault in faults) for severity in SEVERITIES
    }
    sections = [_summary(run, counts)]
    sections += [_of_fault(number, fault, folder) for number, fault in enumerate(faults, 1)]
    sections.append(_looked_at(looked))
    sections += [_of_trial(trial, faults, rest) for trial, rest in zip(trials, remaining, strict=True)]
    facts = {
        "outcome": run.outcome,
        "severe": counts["severe"],
        "findings": [fault_facts(fault, folder) for fault in faults],
        "looked_at": [{"subject": each.subject, "measured": each.measured} for each in looked],
        "tried": [_trial_facts(trial, rest) for trial, rest in zip(trials, remaining, strict=True)],
    }
    names = make_notation(run.network.sizes, run.network.layer_names, notation)
    return Explanation("What went wrong", tuple(sections), names, style, plain(facts))


def fault_facts(fault: Diagnosis, folder: str) -> dict[str, Any]:
    """Return a finding as plain JSON, with the command that shows where it is."""
    where = {name: value for name, value in fault.where._asdict().items() if value is not None}
    return asdict(fault) | {"where": where, "command": command_of(fault, folder)}


def command_of(fault: Diagnosis, folder: str) -> str | None:
    """Return the command that shows where a finding is, if it is anywhere."""
    import shlex

    options = fault.where.options()
    return shlex.join(["tinyglass", "explain", folder, *options]) if options else None


def settings_text(values: dict[str, Any]) -> str:
    """Return settings as the command line takes them.

    Examples
    --------
    >>> settings_text({"learning_rate": 0.1, "hidden": (8, 4)})
    '--learning-rate 0.1 --hidden 8,4'
    """
    return " ".join(f"{option(name)} {show_value(value)}" for name, value in values.items())


def _summary(run: Run, counts: dict[str, int]) -> Section:
    found = [
        f"{n} {severity if severity == 'severe' or n == 1 else severity + 's'}"
        for severity, n in counts.items()
        if n
    ]
    text = "Nothing severe was found" if not counts["severe"] else "Something severe was found"
    text += f" ({', '.join(found)})." if found else "."
    if run.outcome == "diverged":
        text += " The training diverged: the network of the run is that before the fatal update."
    if run.outcome == "interrupted":
        text += f" The training was interrupted after {run.epochs} epochs: continue with --resume."
    return Section("summary", "Summary", (text,))


def _of_fault(number: int, fault: Diagnosis, folder: str) -> Section:
    items: list[Any] = list(fault.proof)
    rows = tuple((name.replace("_", " "), _cell(value)) for name, value in fault.evidence.items())
    if rows:
        items.append(Table("The numbers", ("", "value"), rows))
    remedy = f"Remedy: {fault.remedy}."
    applied = settings_text(fault.settings)
    if fault.leave_out:
        shown = ", ".join(map(str, fault.leave_out[:LONGEST_LIST]))
        more = ", …" if len(fault.leave_out) > LONGEST_LIST else ""
        applied = (
            f"{applied} and " * bool(applied)
            + f"without example{'s' * (len(fault.leave_out) > 1)} {shown}{more}"
        )
    if fault.can_be_tried:
        applied = applied or "with starting weights drawn from the seed"
        remedy += f" --try {number} applies it: {applied}."
    items.append(remedy)
    command = command_of(fault, folder)
    if command:
        items.append(f"See it with: {command}")
    return Section(fault.severity, f"{number}. {fault.severity}: {fault.what}", tuple(items))


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_short(each)}" for name, each in list(value.items())[:LONGEST_LIST])
    if isinstance(value, (list, tuple)):
        text = ", ".join(_short(each) for each in value[:LONGEST_LIST])
        return text + (", …" if len(value) > LONGEST_LIST else "")
    return "not a finite number" if value is None else value


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " and ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _looked_at(looked: Sequence[Looked]) -> Section:
    rows = tuple(
        (each.subject, each.measured, ", ".join(f.severity for f in each.found) or "nothing")
        for each in looked
    )
    return Section("looked_at", "What was looked at", (Table("", ("subject", "measured", "found"), rows),))


# ---------------------------------------------------------------- before and after


def _of_trial(trial: Trial, faults: Sequence[Diagnosis], remaining: Sequence[Diagnosis]) -> Section:
    numbers = [
        str(number) for number, fault in enumerate(faults, 1) if any(fault is r for r in trial.remedies)
    ]
    rows = tuple(
        (name, *(_outcome_cell(value) for value in values))
        for name, *values in outcome_rows(trial.before, trial.after)
    )
    left = {fault.kind for fault in remaining}
    gone = sorted({fault.kind for fault in faults} - left)
    kept = [f"{fault.kind} ({fault.severity})".replace("_", " ") for fault in remaining]
    items: list[Any] = [
        f"Trained again with the same seed on the same recordings, {_applied(trial)}.",
        Table(
            "Before and after, measured on what was trained on the second time", ("", "before", "after"), rows
        ),
        f"Findings that vanished: {', '.join(g.replace('_', ' ') for g in gone) or 'none'}. "
        f"Findings that are left: {', '.join(kept) or 'none'}.",
    ]
    verdict = worse(trial)
    if verdict:
        items.insert(0, verdict)
    elif trial.changes:
        items.append(f"To train so: add {settings_text(trial.changes)} to the command of the training.")
    return Section("tried", f"Tried: remedy {' and '.join(numbers)}", tuple(items))


def _applied(trial: Trial) -> str:
    words = [f"with {settings_text(trial.changes)}"] if trial.changes else []
    leave_out = sorted({example for remedy in trial.remedies for example in remedy.leave_out})
    if leave_out:
        shown = ", ".join(map(str, leave_out[:LONGEST_LIST])) + (
            ", …" if len(leave_out) > LONGEST_LIST else ""
        )
        words.append(f"without example{'s' if len(leave_out) > 1 else ''} {shown}")
    if any(remedy.redraw for remedy in trial.remedies):
        words.append("from starting weights drawn anew")
    return ", ".join(words)


def outcome_rows(before: Outcome, after: Outcome) -> list[tuple[str, Any, Any]]:
    """Return the rows of a table that sets two outcomes side by side."""
    names = {
        "ended": "ended",
        "epochs": "epochs",
        "loss": "loss of all examples",
        "accuracy": "accuracy",
        "recall": "accuracy in the worst class",
        "validation_loss": "validation loss at the end",
        "largest_error": "largest error of an output",
    }
    rows = [(text, getattr(before, name), getattr(after, name)) for name, text in names.items()]
    return [row for row in rows if row[1] is not None or row[2] is not None]


def _outcome_cell(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return "diverged"
    return value.replace("_", " ") if isinstance(value, str) else value


def _trial_facts(trial: Trial, remaining: Sequence[Diagnosis]) -> dict[str, Any]:
    return {
        "remedies": [remedy.kind for remedy in trial.remedies],
        "settings": trial.changes,
        "leave_out": sorted({example for remedy in trial.remedies for example in remedy.leave_out}),
        "before": trial.before._asdict(),
        "after": trial.after._asdict(),
        "worse": worse(trial) is not None,
        "remaining": [{"kind": fault.kind, "severity": fault.severity} for fault in remaining],
    }
