"""What the training came to: no progress, errors that cancel in a signed loss, overfitting."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..settings import option, show_value
from .case import Case, text_of
from .diagnosis import Diagnosis, Looked, Place
from .rates import barely_begun, exploded, finite
from .trials import loss_with

NO_BETTER = 0.98  # of the loss of a constant answer
BETTER = 0.7  # of it: what a remedy has to reach
CANCELLED = 1 / 3  # of the errors, that cancel in a sum with signs
STILL_WRONG = 0.05  # of the loss to be compared with
ROSE = 1.1  # times the lowest validation loss
GAP = 0.15  # of accuracy or R², between own recordings and those left out
LARGE_GAP = 0.4
BEYOND_CHANCE = 2  # standard errors of a share
NEVER_FEWER = 5  # epochs


def find_no_progress(case: Case) -> Looked:
    """Look at whether the network is better than a constant answer."""
    loss = float(case.losses[-1])
    known = np.isfinite(case.baseline)
    to_beat = case.baseline if known else float(case.losses[0])
    whose = "the best constant answer has" if known else "it began with"
    measured = (
        f"the loss of all examples went from {text_of(float(case.losses[0]))} to {text_of(loss)}; "
        f"{whose} {text_of(to_beat)}"
    )
    if case.right is not None:
        measured += f"; {int(case.right.sum())} of {len(case.right)} answers are right"
    if barely_begun(case):
        wished = case.settings.n_epochs
        measured += f"; interrupted after {case.run.epochs} of {wished} epochs: continue with --resume"
        return Looked("progress", measured)
    if loss <= NO_BETTER * to_beat or exploded(case):
        return Looked("progress", measured)
    settings, redraw, reached = _what_helps(case, to_beat)
    words = " ".join(f"{option(name)} {show_value(value)}" for name, value in settings.items())
    words = words or "a start drawn from the seed"
    remedy = (
        f"Use {words}: tried, the same training reaches a loss of {text_of(reached)}"
        if settings or redraw
        else "None of the settings that were tried helps. Look at the recordings with: tinyglass data"
        if _beats_commonest(case)
        else "None of the settings that were tried helps: the inputs may not tell the answers. Look at the recordings "
        "with: tinyglass data"
    )
    answers = np.unique(np.round(case.last.outputs(case.probed.X).astype(float), 6), axis=0)
    fault = Diagnosis(
        "no_progress",
        "severe",
        "The loss is no better than that of a constant answer",
        {
            "loss_at_start": finite(case.losses[0]),
            "loss_at_end": loss,
            "baseline_loss": finite(case.baseline),
            "different_answers": len(answers),
            "examples": case.probed.n_examples,
            "accuracy": None if case.right is None else float(case.right.mean()),
            "loss_with_remedy": finite(reached),
        },
        (
            f"{measured[0].upper()}{measured[1:]}.",
            f"To {case.probed.n_examples} examples the network gives {len(answers)} different "
            f"answer{'' if len(answers) == 1 else 's'} (rounded to six decimals).",
        ),
        remedy,
        Place(case.place_of(max(case.run.updates - 1, 0))[0]),
        settings,
        redraw=redraw,
    )
    return Looked("progress", measured, (fault,))


def _beats_commonest(case: Case) -> bool:
    """Tell whether more answers are right, beyond chance, than if all were the commonest class."""
    if case.right is None:
        return False
    n = len(case.right)
    share = float(case.examples.Y.sum(axis=0).max()) / n
    return float(case.right.mean()) > share + BEYOND_CHANCE * np.sqrt(share * (1 - share) / n)


def _what_helps(case: Case, to_beat: float) -> tuple[dict[str, Any], bool, float]:
    """Return the first of some remedies with which the same training beats a constant answer."""
    s = case.settings
    wishes: list[tuple[dict[str, Any], bool]] = [
        *(({"learning_rate": s.learning_rate * factor}, False) for factor in (0.1, 10.0, 0.01, 100.0)),
        ({}, True),
        ({"optimizer": "adam", "learning_rate": 0.01}, True),
        (
            {
                "optimizer": "adam",
                "learning_rate": 0.01,
                "activation": "relu",
                "start": "he",
                "hidden": (32,),
            },
            True,
        ),
    ]
    if case.scaling:
        wishes.insert(0, (case.scaling, False))
    if s.l2 > 0:
        wishes.insert(0, ({"l2": 0.0}, False))
    if s.weight_limit is not None:
        wishes.insert(0, ({"weight_limit": None}, False))
    for values, redraw in wishes:
        values = {k: float(f"{v:.3g}") if isinstance(v, float) else v for k, v in values.items()}
        reached = loss_with(case, values, redraw)
        if reached < BETTER * to_beat:
            return values, redraw, reached
    return {}, False, np.inf


# ---------------------------------------------------------------- a signed loss


def find_cancelling(case: Case) -> Looked:
    """Look at what a sum of errors with their signs would hide."""
    if case.settings.loss == "cross_entropy":
        return Looked("signed errors", "the loss is cross-entropy, in which nothing cancels")
    sums = []
    for parameters in (case.history[0], case.history[-1]):
        errors = case.network_at(parameters).outputs(case.examples.X).astype(np.float64) - case.examples.Y
        sums.append((float(errors.sum()), float(np.abs(errors).sum()), float((errors**2).sum() / 2)))
    (signed0, size0, half0), (signed, size, half) = sums
    measured = (
        f"at the end Σ error = {text_of(signed, 5)}, Σ |error| = {text_of(size, 5)}, "
        f"½·Σ error² = {text_of(half, 5)}"
    )
    if not np.isfinite(half):
        return Looked("signed errors", "the errors are not finite numbers")
    cancelled = 1 - abs(signed) / size if size else 0.0
    n = case.examples.n_examples
    wrong = half / n > STILL_WRONG * max(half0 / n, np.finfo(float).tiny)
    if cancelled < CANCELLED or not wrong:
        return Looked("signed errors", measured)
    fault = Diagnosis(
        "cancelling_errors",
        "note",
        "Errors of opposite sign cancel in a signed sum: it says little of how wrong the outputs are",
        {
            "signed_sum_at_start": signed0,
            "signed_sum_at_end": signed,
            "sum_of_sizes_at_start": size0,
            "sum_of_sizes_at_end": size,
            "half_squared_at_start": half0,
            "half_squared_at_end": half,
            "share_that_cancels": cancelled,
            "examples": n,
        },
        (
            f"Over {n} example{'' if n == 1 else 's'} Σ error went from {text_of(signed0, 5)} to {text_of(signed, 5)}, "
            f"while Σ |error| went from {text_of(size0, 5)} to {text_of(size, 5)}, and ½·Σ error² from "
            f"{text_of(half0, 5)} to {text_of(half, 5)}: {100 * cancelled:.0f} % of the errors cancel.",
            "The training makes the loss small, in which nothing cancels; the course's “loss reduced from −1.4723 to "
            "−1.4649” is such a signed sum.",
        ),
        "Judge by the loss: ½·Σ error², the mean squared error, or cross-entropy (--loss cross-entropy)",
        Place(case.place_of(max(case.run.updates - 1, 0))[0]),
    )
    return Looked("signed errors", measured, (fault,))


# ---------------------------------------------------------------- overfitting


def find_overfitting(case: Case) -> Looked:
    """Look at whether the network got worse on what it was not trained on, or is much worse there."""
    found = []
    words = []
    validated = case.run.validation_losses
    if len(validated) > 1:
        best = int(validated.argmin())
        words.append(
            f"validation loss {text_of(float(validated[best]))} at best, after epoch {best + 1}, and "
            f"{text_of(float(validated[-1]))} at the end"
        )
        fell = case.run.losses[-1] < case.run.losses[best]
        if validated[-1] > ROSE * validated[best] and fell and best + 1 < len(validated):
            found.append(_got_worse(case, best))
    if case.score is not None:
        fault, text = _gap(case)
        words.append(text)
        found += [fault] if fault else []
    if not words:
        words = ["not measured: no validation part was kept aside, and no score was given"]
    return Looked("overfitting", "; ".join(words), tuple(found))


def _got_worse(case: Case, best: int) -> Diagnosis:
    validated, losses = case.run.validation_losses, case.run.losses
    n_epochs = case.run.epochs
    half = max(NEVER_FEWER, best + 1)
    worse_than_constant = bool(validated[-1] > case.baseline and validated[-1] > 2 * validated[best])
    return Diagnosis(
        "overfitting",
        "severe" if worse_than_constant else "warning",
        f"Overfitting: after epoch {best + 1} the validation loss rose while the training loss fell",
        {
            "best_epoch": best + 1,
            "epochs": n_epochs,
            "validation_loss_at_best": float(validated[best]),
            "validation_loss_at_end": float(validated[-1]),
            "loss_at_best": float(losses[best]),
            "loss_at_end": float(losses[-1]),
            "baseline_loss": finite(case.baseline),
        },
        (
            f"From epoch {best + 1} to {n_epochs} the validation loss rose from {text_of(float(validated[best]))} to "
            f"{text_of(float(validated[-1]))}, while the training loss fell from {text_of(float(losses[best]))} to "
            f"{text_of(float(losses[-1]))}.",
            f"The network that was kept is that of epoch {case.run.best_epoch}.",
        ),
        f"Train for {half} epochs, or add --patience {max(NEVER_FEWER, n_epochs // 10)}; better, record more",
        Place(best + 1),
        {"epochs": half},
    )


def _gap(case: Case) -> tuple[Diagnosis | None, str]:
    """Compare the score of recordings left out with how the network does on its own."""
    score = case.score
    assert score is not None
    if case.right is not None:
        own = float(case.right.mean())
    else:
        Y = case.examples.Y
        off = case.last.outputs(case.examples.X).astype(float) - Y
        own = 1 - float((off**2).sum() / max(((Y - Y.mean(axis=0)) ** 2).sum(), np.finfo(float).tiny))
    left_out = float(score.value)
    text = f"{score.name} {own:.3f} on what was trained on, {left_out:.3f} on recordings left out ({score.split})"
    if own - left_out < GAP or own <= score.interval[1]:
        return None, text
    to_beat = max(score.baselines.get("majority class", 0.0), score.baselines.get("mean", 0.0), 0.0)
    lost = own - left_out >= LARGE_GAP and left_out <= to_beat
    fault = Diagnosis(
        "overfitting",
        "severe" if lost else "warning",
        f"Overfitting: {score.name} is {own:.3f} on what was trained on, only {left_out:.3f} on what was left out",
        {
            "own": own,
            "left_out": left_out,
            "interval": list(score.interval),
            "split": score.split,
            "baselines": score.baselines,
        },
        (
            f"95 % interval of the score: {score.interval[0]:.3f} to {score.interval[1]:.3f}; it was measured so: "
            f"{score.in_words}.",
        ),
        "Record more, of more people and on other days; or stop early: --validation 0.2 --patience 20",
        Place(case.run.epochs or None),
        {"validation": 0.2, "patience": 20} if case.validation is None else {},
    )
    return fault, text
