"""A training as the one JSON object that --json prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..printing import MODEL, REPORT

if TYPE_CHECKING:
    from ..evaluation import Score
    from ..findings import Finding
    from ..recordings import DataSet, Recording
    from ..rejection import Rejection
    from ..runs import Run


def train_facts(
    run: Run,
    score: Score | None,
    own: Score,
    recordings: Sequence[Recording],
    tested: Sequence[Recording] | None,
    folder: Path,
    sha256: str,
) -> dict[str, Any]:
    """Return what was trained, how, and how good it is."""
    import msgspec

    name = own.name
    facts: dict[str, Any] = {
        name: score.value if score else None,
        "interval": list(score.interval) if score else None,
        "split": score.split if score else None,
        "n_train": score.n_train if score else len(recordings),
        "n_test": score.n_test if score else len(tested or ()),
        "seeds": len(score.values) if score else run.about.get("seeds", 1),
    }
    if score:
        if score.deviation is not None:
            facts[f"{name}_sd"] = score.deviation
        if score.mean_absolute_error is not None:
            facts["mean_absolute_error"] = score.mean_absolute_error
        facts |= {
            "grouping": score.grouping,
            "n_groups": score.n_groups,
            "baselines": score.baselines,
            "random_split": score.random,
            "values": list(score.values),
        }
        if score.classes is not None:
            facts |= {
                "precision": score.precision,
                "recall": score.recall,
                "confusion": score.confusion.tolist(),
            }
        else:
            facts["baseline_errors"] = score.baseline_errors
    choice = run.choice
    return facts | {
        f"train_{name}": own.value,
        "failed_trainings": score.failed if score else 0,
        "classes": None if run.network.classes is None else list(run.network.classes),
        "n_inputs": run.network.n_inputs,
        "inputs": "+".join(run.settings.inputs),
        "augment": "+".join(run.settings.augment) or "none",
        "choice": None if choice is None else msgspec.to_builtins(choice),
        "threshold": run.network.threshold,
        "temperature": run.network.temperature,
        "converted": run.about.get("converted", []),
        "hidden": list(run.settings.hidden),
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "outcome": run.outcome,
        "loss_rose": run.rose,
        "loss": float(run.losses[-1]) if run.epochs else None,
        "seconds": run.seconds,
        "seed": run.settings.seed,
        "out": str(folder),
        "model": str(folder / MODEL),
        "report": str(folder / REPORT),
        "sha256": sha256,
        "fingerprint": run.fingerprint,
    }


def account_facts(
    data: DataSet, findings: Sequence[Finding], rejections: Sequence[Rejection]
) -> dict[str, Any]:
    """Return what was done to the recordings on the way, and what is odd about them."""
    from dataclasses import asdict

    return {
        "rejected": {rejection.label: rejection.rejected for rejection in rejections},
        "repairs": [asdict(repair) for repair in data.repairs],
        "dropped": [asdict(dropped) for dropped in data.dropped],
        "findings": [asdict(finding) for finding in findings],
    }
