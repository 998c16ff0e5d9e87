"""Learning rates: weights that exploded, a rate too high or too low for the curvature of the loss."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..engine import find_learning_rate, rate_of
from .case import Case, text_of
from .curvature import Curvature, measure
from .diagnosis import Diagnosis, Looked, Place
from .trials import TRIAL_SECONDS, loss_with, retrain, rounded_down

OUTSIDE = 2.0  # a loss so many times that of the start has left the stable region
REFINED = 50  # moments between two others, when the first step outside is sought
ROSE = 1.05  # a loss so many times that of the start has risen
POOR = 0.2  # of the loss to be compared with, above which the rate is questioned
BETTER = 0.5  # of the loss: so much less with another rate proves that this one was wrong
HARDLY = 0.9  # of the loss to be compared with, above which hardly anything was learnt
MOST_RATE = 0.3  # of what the curvature allows, that a slow training is tried with
FASTER = 3.0  # times as fast: the least that is tried
MOST_FASTER = 5  # rates above, up to that limit, that are tried
MOST_ADAM = 0.1  # the largest rate tried with Adam, whose limit is no limit where gradients are small
MOST_SLOWER = 8  # rates below the limit that are tried
STILL = 0.01  # of the loss at the start: a training that moved it by less has not begun to learn
MOST_STILL_RATE = 0.9  # of what the curvature allows, that such a training is tried with
EARLY = 0.5  # of the epochs: a training interrupted before is not judged
FALLEN = (
    0.1  # of the first learning rate: a schedule that is below it halfway ends the learning (cosine: 0.5)
)


class Bend(NamedTuple):
    """The curvature at a moment of the training, and the learning rate there.

    Attributes
    ----------
    updates : int, made before
    rate : float
    curvature : Curvature
    """

    updates: int
    rate: float
    curvature: Curvature


@lru_cache(maxsize=8)
def bends(case: Case) -> list[Bend]:
    """Return the curvature at the start, in the middle, and at the end: or where the stable region ends."""
    last = len(case.moments) - 1
    if exploded(case):
        last = int(np.flatnonzero(case.moments <= first_outside(case))[-1])
    # What Adam divides by says nothing yet after the first updates.
    places = sorted({last // 2, last} if case.settings.optimizer == "adam" else {0, last // 2, last})
    return [bend_at(case, case.history[place], int(case.moments[place])) for place in places]


def bend_at(case: Case, parameters: np.ndarray, updates: int) -> Bend:
    """Return the curvature where the training was after so many updates."""
    epoch = min(updates // case.steps, case.settings.n_epochs - 1)
    return Bend(updates, rate_of(case.settings, epoch), measure(case, parameters, updates))


def exploded(case: Case) -> bool:
    """Tell whether the training left the stable region and never came back."""
    if case.run.outcome == "diverged" and case.ending[0] == "non_finite":
        return True
    return not case.losses[-1] <= ceiling(case)


def barely_begun(case: Case) -> bool:
    """Tell whether the training was interrupted too early to be judged."""
    return case.run.outcome == "interrupted" and case.run.epochs < EARLY * case.settings.n_epochs


def ceiling(case: Case) -> float:
    """Return the loss beyond which a training has left the stable region."""
    known = [x for x in (case.losses[0], case.baseline) if np.isfinite(x)]
    return OUTSIDE * max(known, default=0.0)


def find_rate_faults(case: Case) -> Looked:
    """Look at the learning rate beside what the curvature allows."""
    measured = _in_words(case)
    if exploded(case):
        return Looked("learning rate", measured, (_explosion(case),))
    fault = _too_high(case) or _schedule_too_fast(case) or _too_low(case)
    return Looked("learning rate", measured, (fault,) if fault else ())


def _in_words(case: Case) -> str:
    tightest = min(bends(case), key=lambda bend: bend.curvature.limit)
    limit = tightest.curvature.limit
    if not np.isfinite(limit):
        return f"learning rate {text_of(case.settings.learning_rate)}; the loss bends upwards nowhere it was measured"
    estimate = " (for Adam an estimate)" if case.settings.optimizer == "adam" else ""
    return (
        f"learning rate {text_of(case.settings.learning_rate)}; "
        f"the largest that converges{estimate}: {text_of(limit)} = "
        f"{tightest.curvature.formula}, λ = {text_of(tightest.curvature.largest)} after update {tightest.updates}"
    )


def curvature_facts(bend: Bend) -> dict[str, Any]:
    """Return a curvature as plain JSON."""
    c = bend.curvature
    return {
        "curvature": c.largest,
        "curvature_of_all_examples": c.whole,
        "largest_learning_rate": finite(c.limit),
        "largest_learning_rate_of_all_examples": finite(c.whole_limit),
        "formula": c.formula,
        "batches_measured": c.n_batches,
        "batches": c.n_all,
        "learning_rate": bend.rate,
        "after_update": bend.updates,
    }


def finite(value: float | None) -> float | None:
    """Return the number, or None where JSON has none for it."""
    return None if value is None or not np.isfinite(value) else float(value)


def _which(case: Case, curvature: Curvature) -> str:
    """Say what the curvature is of."""
    if curvature.n_all == 1:
        return "all examples, which every update sees"
    seen = "all" if curvature.n_batches == curvature.n_all else f"{curvature.n_batches}"
    one = "single examples" if case.batch == 1 else f"batches of {case.batch}"
    return f"the steepest of {seen} {one} of the epoch (of all examples together {text_of(curvature.whole)})"


def _limit_sentence(case: Case, bend: Bend) -> str:
    c = bend.curvature
    text = (
        f"The curvature after update {bend.updates} is λ = {text_of(c.largest, 6)}, of {_which(case, c)}: "
        f"the largest learning rate that converges there is {c.formula} = {text_of(c.limit, 6)}, "
        f"and the rate was {text_of(bend.rate)}, {text_of(bend.rate / c.limit, 3)} times as large."
    )
    if case.settings.optimizer == "adam":
        text += " For Adam this is an estimate, with λ of the loss divided by Adam's mean gradients."
    return text


# ---------------------------------------------------------------- exploded weights


def _explosion(case: Case) -> Diagnosis:
    updates = first_outside(case)
    epoch, step = case.place_of(updates)
    before = case.parameters_at(np.array([updates]))[0]
    bend = bend_at(case, before, updates)
    evidence: dict[str, Any] = {
        "epoch": epoch,
        "step": step,
        "loss_at_start": finite(case.losses[0]),
        "limit_of_stable_region": ceiling(case),
        "loss_before": finite(case.loss_at(before)),
        "loss_after": None,
        **curvature_facts(bend),
    }
    weight = ""
    if updates < case.run.updates:
        after = case.parameters_at(np.array([updates + 1]))[0]
        moved = np.abs(after.astype(np.float64) - before)
        index = int(moved.argmax())
        weight = case.weight(index)
        evidence |= {
            "loss_after": finite(case.loss_at(after)),
            "weight": weight,
            "weight_before": float(before[index]),
            "weight_after": float(after[index]),
        }
    else:
        weight = case.weight(_fatal_index(case))
        evidence |= {
            "weight": weight,
            "weight_before": float(before[_fatal_index(case)]),
            "weight_after": None,
        }
    proof = [
        f"All examples had a mean loss of {_text(evidence['loss_at_start'])} at the start; the stable region ends at "
        f"{text_of(ceiling(case))}, {OUTSIDE:g} times the loss of the start or of a constant answer.",
        f"The update of epoch {epoch}, step {step} took the loss from {_text(evidence['loss_before'])} to "
        f"{_text(evidence['loss_after'])}, and it never came back; {weight} moved furthest, from "
        f"{_text(evidence['weight_before'])} to {_text(evidence['weight_after'])}.",
    ]
    if np.isfinite(bend.curvature.limit):
        proof.append(_limit_sentence(case, bend))
    rate, reached, at_solution = smaller_rate(case)
    settings = case.scaling
    how = " (--scale standard)" if settings else f" (the largest is {text_of(case.largest_input)})"
    remedy = f"No smaller learning rate was found that helps: scale the inputs{how}, or use another seed"
    if rate is not None:
        settings = {"learning_rate": rate}
        remedy = (
            f"Use a learning rate of {rate:g}: tried, the same training reaches a loss of {text_of(reached)}"
        )
        evidence |= {"learning_rate_tried": rate, "loss_with_it": finite(reached)}
        evidence["largest_learning_rate_at_its_end"] = finite(at_solution)
        if at_solution and np.isfinite(at_solution):
            proof.append(
                f"Where the training ends with a rate of {rate:g}, the curvature allows "
                f"{text_of(at_solution, 6)} at most."
            )
    return Diagnosis(
        "exploded_weights",
        "severe",
        f"The weights exploded: training left the stable region in epoch {epoch}, step {step}",
        evidence,
        tuple(proof),
        remedy,
        Place(epoch, step if case.steps > 1 else None, None, None, weight),
        settings,
    )


def _text(value: float | None) -> str:
    return "a number that is not finite" if value is None else text_of(value)


def _fatal_index(case: Case) -> int:
    trouble = case.ending[1] if case.run.outcome == "diverged" else {}
    begin = 0
    for number, layer in enumerate(case.run.network.layers):
        if number == trouble.get("layer"):
            i = trouble["input"] if trouble["input"] >= 0 else layer.n_inputs
            return int(begin + i * layer.n_outputs + trouble["neuron"])
        begin += layer.weights.size + (layer.n_outputs if layer.bias is not None else 0)
    return 0


def first_outside(case: Case) -> int:
    """Return how many updates were made before the one that left the stable region for good.

    Between sampled moments it is sought by sampling again, until they are one update apart.
    """
    low, high = 0, case.run.updates
    moments, losses = case.moments, case.losses
    top = ceiling(case)
    while True:
        inside = np.flatnonzero(losses <= top)
        last = int(inside[-1]) if len(inside) else 0
        low = int(moments[last])
        if last == len(moments) - 1:
            return low  # the next update is the one that was not made
        high = int(moments[last + 1])
        if high - low <= 1:
            return low
        moments = np.unique(np.linspace(low, high, REFINED).astype(int))
        losses = np.array([case.loss_at(parameters) for parameters in case.parameters_at(moments)])


@lru_cache(maxsize=8)
def smaller_rate(case: Case) -> tuple[float | None, float, float | None]:
    """Return a smaller rate that was tried and is better, the loss it reached, and what is allowed where it ended."""
    now = case.settings.learning_rate
    limits = [b.curvature.limit for b in bends(case)[:1] if np.isfinite(b.curvature.limit)]
    rate = min(now / 2, min(limits, default=now) / 2)
    found, reached = None, np.inf
    for _ in range(MOST_SLOWER):
        rate = rounded_down(rate)
        loss = loss_with(case, {"learning_rate": rate})
        if np.isfinite(loss) and loss < min(reached, case.reference):
            found, reached = rate, loss
            if loss < BETTER * case.reference:
                break
        elif found is not None:
            break
        rate = rate / 3
    if found is None:
        found = find_learning_rate(case.run.initial, case.examples, case.validation, case.settings)
        if found is not None:
            reached = loss_with(case, {"learning_rate": found})
    if found is None or not np.isfinite(reached):
        return None, np.inf, None
    allowed = _limit_at_end(case, found)
    calmer = rounded_down(allowed / 2) if np.isfinite(allowed) else found
    if calmer < found:  # it converged, but at the edge
        loss = loss_with(case, {"learning_rate": calmer})
        if loss < BETTER * case.reference:
            found, reached, allowed = calmer, loss, _limit_at_end(case, calmer)
    return found, reached, allowed


def _limit_at_end(case: Case, rate: float) -> float:
    """Return what the curvature allows where the training ends with another rate."""
    better = retrain(case, {"learning_rate": rate}, seconds=TRIAL_SECONDS)
    return measure(better, better.history[-1], better.run.updates).limit


# ---------------------------------------------------------------- too high, too low


def _too_high(case: Case) -> Diagnosis | None:
    """Beyond the limit, no better for it, and proved by a smaller rate that does better."""
    if case.run.updates == 0:
        return None
    loss, start = float(case.losses[-1]), float(case.losses[0])
    rose = loss > ROSE * start
    steepest = max(bends(case), key=lambda bend: bend.rate / bend.curvature.whole_limit)
    beyond = steepest.rate / steepest.curvature.whole_limit
    if not rose and (loss <= POOR * case.reference or beyond <= 1):
        return None
    rate, reached, at_solution = smaller_rate(case)
    if rate is None or reached > BETTER * loss:
        return None
    severe = rose or loss > HARDLY * case.reference
    swings = _swings(case)
    proof = [
        f"The loss of all examples went from {text_of(start)} to {text_of(loss)}; "
        f"with a learning rate of {rate:g} the same training reaches {text_of(reached)}.",
        _limit_sentence(case, steepest),
    ]
    if swings is not None:
        proof.append(f"In the last half of the epochs the loss rose {swings[0]} times of {swings[1]}.")
    return Diagnosis(
        "learning_rate_too_high",
        "severe" if severe else "warning",
        f"The learning rate of {text_of(case.settings.learning_rate)} is too high"
        + (": the loss rose" if rose else ""),
        {
            "loss_at_start": start,
            "loss_at_end": loss,
            "times_the_limit": finite(beyond),
            "learning_rate_tried": rate,
            "loss_with_it": reached,
            "largest_learning_rate_at_its_end": finite(at_solution),
            **curvature_facts(steepest),
        },
        tuple(proof),
        f"Use a learning rate of {rate:g}",
        Place(*case.place_of(min(steepest.updates, case.run.updates - 1))),
        {"learning_rate": rate},
    )


def _swings(case: Case) -> tuple[int, int] | None:
    late = case.run.losses[len(case.run.losses) // 2 :]
    return (int((np.diff(late) > 0).sum()), len(late) - 1) if len(late) > 1 else None


def _may_be_too_low(case: Case) -> bool:
    unfinished = case.run.updates == 0 or case.run.outcome == "diverged" or barely_begun(case)
    return not unfinished and bool(case.losses[-1] > POOR * case.reference)


def _schedule_too_fast(case: Case) -> Diagnosis | None:
    """A schedule that made the learning rate so small that nothing was learnt any more, proved by a constant one."""
    epochs = max(case.run.epochs, 1)
    rates = [rate_of(case.settings, epoch) for epoch in range(epochs)]
    if not _may_be_too_low(case) or rates[epochs // 2] >= FALLEN * rates[0]:
        return None
    loss, reached = float(case.losses[-1]), loss_with(case, {"schedule": "constant"})
    if reached > BETTER * loss:
        return None
    fallen = next(epoch for epoch, rate in enumerate(rates) if rate < FALLEN * rates[0]) + 1
    return Diagnosis(
        "learning_rate_too_low",
        "severe" if loss > HARDLY * case.reference else "warning",
        f"The schedule {case.settings.schedule!r} makes the learning rate too low: {text_of(rates[0])} at the start, "
        f"{text_of(rates[-1])} at the end",
        {
            "loss_at_start": float(case.losses[0]),
            "loss_at_end": loss,
            "learning_rate_at_start": rates[0],
            "learning_rate_at_end": rates[-1],
            "rate_drop": case.settings.rate_drop,
            "rate_every": case.settings.rate_every,
            "loss_with_constant_rate": reached,
        },
        (
            f"From epoch {fallen} on the rate is below a tenth of {text_of(rates[0])}; the loss of all examples went "
            f"from {text_of(float(case.losses[0]))} to {text_of(loss)}.",
            f"With a constant rate the same training reaches {text_of(reached)}.",
        ),
        "Use --schedule constant, or a schedule that falls more slowly",
        Place(fallen),
        {"schedule": "constant"},
    )


def _too_low(case: Case) -> Diagnosis | None:
    """Far below the limit, little learnt, and proved by a larger rate that does better."""
    if not _may_be_too_low(case):
        return None
    loss, begun = float(case.losses[-1]), float(case.losses[0])
    still = abs(loss - begun) < STILL * begun
    now = case.settings.learning_rate
    tightest = min(bends(case), key=lambda bend: bend.curvature.limit)
    allowed = (MOST_STILL_RATE if still else MOST_RATE) * tightest.curvature.limit
    allowed = min(allowed, MOST_ADAM) if case.settings.optimizer == "adam" else allowed
    if not now * FASTER <= allowed < np.inf:
        return None
    rates = sorted({rounded_down(rate) for rate in np.geomspace(now * FASTER, allowed, MOST_FASTER)})
    tried = {rate: loss_with(case, {"learning_rate": rate}) for rate in rates if rate > now}
    if not tried:
        return None
    least = min(tried.values())
    most = (HARDLY if still else BETTER) * loss
    if least > most:
        return None
    enough = min(max(2 * least, POOR * case.reference / 2), most)
    best = min(rate for rate in tried if tried[rate] <= enough)
    start = bends(case)[0]
    hardly = loss > HARDLY * case.reference
    last = case.losses[-1 - max(1, len(case.losses) // 10)]
    fell = f", and still fell at the end (from {text_of(float(last))} a tenth of the moments before)"
    epochs = max(case.run.epochs, 1)
    ended = f" (of {case.settings.n_epochs}: {case.run.outcome.replace('_', ' ')})"
    ended = ended if epochs < case.settings.n_epochs else ""
    times = f", or about {best / now:.0f} times as many epochs"
    return Diagnosis(
        "learning_rate_too_low",
        "severe" if hardly else "warning",
        f"The learning rate of {text_of(now)} is too low for {epochs} epoch{'s' * (epochs > 1)}{ended}: "
        + ("hardly anything was learnt" if hardly else "the training was not finished"),
        {
            "loss_at_start": begun,
            "loss_at_end": loss,
            "baseline_loss": finite(case.baseline),
            "share_of_the_limit": finite(now / start.curvature.limit),
            "learning_rates_tried": list(tried),
            "losses_with_them": [finite(value) for value in tried.values()],
            **curvature_facts(start),
        },
        (
            f"The loss of all examples went from {text_of(begun)} to {text_of(loss)}{fell if last > loss else ''}.",
            f"With a learning rate of {best:g} the same training reaches {text_of(tried[best])}.",
            _limit_sentence(case, start),
        ),
        f"Use a learning rate of {best:g}{times if case.run.outcome == 'finished' else ''}",
        Place(*case.place_of(case.run.updates - 1)),
        {"learning_rate": best},
    )
