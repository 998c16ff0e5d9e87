"""The course's mistaken rules, as printed, beside the true ones.

They are written here once, to be shown and refuted. Nothing that trains imports this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import arithmetic
from ..arithmetic import Gradient, Layer, Number, Row, Signals
from .explanation import Line, Section, Table
from .gradient_check import GradientCheck, check_step, in_float64
from .lines import Lines
from .notation import Notation
from .tracing import Symbol, Traced
from .working import Step, Working, all_weights, averaged, entry, feedforward, losses_of, updated, work

MOST_PAIRS = 6  # weights whose rules are written out; the table has more
MOST_ROWS = 60
STEPS = (1, 2, 5, 10, 20)  # after which the losses are compared
LABEL = "AS PRINTED, AND WRONG. "


# ---------------------------------------------------------------- the rules, as printed


def printed_passed_back(output: Number, deltas: Row) -> Number:
    """Return a hidden neuron's error as the gesture page has it: its own output times the deltas downstream.

    `tinyglass.arithmetic.passed_back` has the weights that lead downstream where this has the output.

    Examples
    --------
    >>> printed_passed_back(2.0, [1.0, 0.25])
    2.5
    """
    return arithmetic.total([output * delta for delta in deltas])


def printed_weight2(weight: Number, first_gradient: Number, rate: Number) -> Number:
    """Return a neuron's second weight after an update, to the letter of the chapter: weight2 − δ_weight1.

    Examples
    --------
    >>> printed_weight2(0.75, 0.5, 1.0)
    0.25
    """
    return weight - rate * first_gradient


def printed_learning_rate(gradient: Number, rate: Number) -> Number:
    """Return a weight after an update, as the chapter has it: learning rate·δ_weight.

    Examples
    --------
    >>> printed_learning_rate(0.5, 0.25)
    0.125
    """
    return rate * gradient


def printed_loss(errors: Row) -> Number:
    """Return the gesture page's loss: the errors with their signs, added up.

    Examples
    --------
    >>> printed_loss([-5.0, 5.0])
    0.0
    """
    return arithmetic.total(errors)


def printed_or_sum(inputs: Row, weights: Row) -> Number:
    """Return the weighted sum as a formula of the OR gate's page has it: input1·weight1 + input2 + weight2.

    Examples
    --------
    >>> printed_or_sum([1.0, 0.0], [0.25, 1.0])
    1.25
    """
    return inputs[0] * weights[0] + inputs[1] + weights[1]


def with_printed_rule(step: Step, working: Working) -> Working:
    """Return the working of a step with the hidden gradients as printed, and the update that follows."""
    errors, deltas = list(working.errors), list(working.deltas)
    for l in range(len(step.layers) - 2, -1, -1):
        columns = [deltas[l + 1][:, j : j + 1] for j in range(deltas[l + 1].shape[1])]
        outputs = working.outputs[l]
        errors[l] = found = np.asarray(printed_passed_back(outputs, columns))
        rows = [
            arithmetic.through_activation(step.layers[l].activation, list(row), Signals(list(s), list(o)))
            for row, s, o in zip(found, working.sums[l], outputs, strict=True)
        ]
        deltas[l] = np.array(rows, outputs.dtype)
    gradients = averaged(step, working.outputs, deltas)
    layers, first, second = updated(step, gradients)
    return working._replace(
        errors=errors, deltas=deltas, gradients=gradients, layers=layers, first=first, second=second
    )


class PrintedLines(Lines):
    """The lines of a step with the hidden gradients as printed; its working is that of `with_printed_rule`."""

    __slots__ = ()

    def neuron(self, what: str, e: int, l: int, j: int) -> Traced:
        """As in `Lines`; a hidden error or delta is called printed."""
        number = super().neuron(what, e, l, j)
        return Traced(number.value, self._printed(number.symbol)) if number.symbol else number

    def hidden_error(self, e: int, l: int, i: int) -> Line:
        """What stands, as printed, where the neurons downstream pass back their deltas."""
        deltas = [self.delta_used(e, l + 1, j) for j in range(self.n_neurons(l + 1))]
        number = printed_passed_back(self.neuron("output", e, l, i), deltas)
        return Line(Symbol("printed_error", l, i, None, self.marks[e]), number, "as printed")

    def gradients(self, e: int, l: int, j: int, only: Sequence[int] | None = None) -> list[Line]:
        """As in `Lines`; a hidden gradient is called printed."""
        lines = super().gradients(e, l, j, only)
        return [line._replace(name=self._printed(line.name), note="as printed") for line in lines]

    def _printed(self, symbol: Symbol) -> Symbol:
        changes = symbol.what in ("error", "delta", "gradient") and symbol.layer != len(self.step.layers) - 1
        return symbol._replace(what=f"printed_{symbol.what}") if changes else symbol


# ---------------------------------------------------------------- what each does to the loss

Rule = Callable[[Step], Step]


def true_rule(step: Step) -> Step:
    """Return the step after this one, by the definition."""
    return _next(step, work(step))


def hidden_rule(step: Step) -> Step:
    """Return the step after this one, with the hidden gradients as printed."""
    return _next(step, with_printed_rule(step, work(step)))


def weight2_rule(step: Step) -> Step:
    """Return the step after this one, every weight but a neuron's first moved as printed of weight2."""
    layers = []
    for layer, true, g in zip(step.layers, work(step).layers, work(step).gradients, strict=True):
        weights = np.array(true.weights)
        weights[:, 1:] = printed_weight2(
            np.asarray(layer.weights)[:, 1:], np.asarray(g.weights)[:, :1], step.rate
        )
        layers.append(layer._replace(weights=weights, bias=true.bias))
    return step._replace(layers=tuple(layers))


def learning_rate_rule(step: Step) -> Step:
    """Return the step after this one, every weight set to learning rate·δ_weight."""

    def of(layer: Layer, gradient: Gradient) -> Layer:
        bias = None if layer.bias is None else printed_learning_rate(gradient.bias, step.rate)
        return layer._replace(weights=printed_learning_rate(gradient.weights, step.rate), bias=bias)

    pairs = zip(step.layers, work(step).gradients, strict=True)
    return step._replace(layers=tuple(of(layer, gradient) for layer, gradient in pairs))


def _next(step: Step, working: Working) -> Step:
    return step._replace(
        layers=tuple(working.layers),
        first=tuple(working.first),
        second=tuple(working.second),
        updates=step.updates + 1,
    )


def loss_of(step: Step) -> Number:
    """Return the loss of a step's batch."""
    with np.errstate(all="ignore"):
        return losses_of(step, feedforward(step.layers, step.X)[1][-1])[1]


def losses_by(rule: Rule, step: Step, counts: Sequence[int]) -> list[Number]:
    """Return the loss before, and after so many steps by a rule; each count larger than the one before."""
    losses, made = [loss_of(step)], 0
    with np.errstate(all="ignore"):
        for count in counts:
            for _ in range(count - made):
                step = rule(step)
            made = count
            losses.append(loss_of(step))
    return losses


def loss_table(lines: Lines, rule: Rule, printed: str) -> Table:
    """Return what repeated steps by the true and by a printed rule do to the loss."""
    step = in_float64(lines.step)
    true, wrong = losses_by(true_rule, step, STEPS), losses_by(rule, step, STEPS)
    rows = tuple(zip(map(str, (0, *STEPS)), true, wrong, strict=True))
    return Table("The loss after so many steps", ("steps", "by the true rule", printed), rows)


# ---------------------------------------------------------------- sections


class Mistakes(NamedTuple):
    """What of the course is set beside the truth.

    Attributes
    ----------
    updates : bool, the rules of the update too: they need a learning rate
    """

    lines: Lines
    names: Notation
    updates: bool = True

    def sections(self) -> list[Section]:
        """Return every mistaken rule that applies to the network, beside the true one."""
        found = [self.hidden()] if len(self.lines.step.layers) > 1 else []
        if self.updates and self.plain:
            found += [self.weight2()] if self._second_weights() else []
            found.append(self.learning_rate())
        elif self.updates:
            text = (
                "The course's two slips in the update are about plain gradient descent, weight - learning rate * "
                "δ_weight: they are shown for the optimizer sgd without l2 and weight_limit."
            )
            found.append(Section("as_printed", "As printed: the update", (text,)))
        if self.lines.n_neurons(-1) > 1 and self.lines.step.loss != "cross_entropy":
            found.append(self.signed_sum())
        return found

    @property
    def plain(self) -> bool:
        """Whether the update is that of the chapter, weight − learning rate·δ."""
        rule = self.lines.step.rule
        return rule.optimizer == "sgd" and not rule.l2 and rule.weight_limit is None

    def hidden(self, *words: str, page: Mapping[tuple[int, int, int], str] | None = None) -> Section:
        """The hidden gradients: by the hidden outputs, as printed, and by the weights downstream.

        Parameters
        ----------
        *words : str, paragraphs about the page
        page : mapping, optional, from (layer, neuron, input) to the digits on the page
        """
        step, working = self.lines.step, self.lines.working
        wrong = with_printed_rule(step, working)
        printed = PrintedLines(step, wrong, self.lines.marks, self.lines.expands)
        items: list[Any] = [
            LABEL
            + "The gesture page and its program multiply the deltas downstream by the hidden neuron's own "
            "output. The loss reaches the hidden neuron through the weights that lead downstream, so these "
            "belong there: ∂sum_downstream/∂output_hidden is that weight.",
            *words,
        ]
        places = all_weights(step.layers[:-1])
        items += self._pairs(printed, places[:MOST_PAIRS])
        if len(places) > MOST_PAIRS:
            items.append(f"{MOST_PAIRS} of {len(places)} weights are written out, of the first example.")
        head: tuple[str, ...] = ("weight", "as printed", "true", "finite difference", "")
        rows: list[tuple[Any, ...]] = []
        checks = check_step(step, places[:MOST_ROWS])
        for place, check in zip(places[:MOST_ROWS], checks, strict=True):
            as_printed, true = _at(wrong.gradients, place), _at(working.gradients, place)
            verdict = _verdict(as_printed, true) + _excuse(check)
            row = (Symbol("weight", *place), as_printed, true, check.difference, verdict)
            rows.append(row if page is None else (row[0], page[place], *row[1:]))
        if page is not None:
            head = ("weight", "on the page", "by its rule", *head[2:])
        items.append(Table("Gradients of the loss, as printed, true, and measured", head, tuple(rows)))
        if len(places) > MOST_ROWS:
            items.append(f"The first {MOST_ROWS} of {len(places)} hidden weights are shown.")
        if self.updates:
            items.append(loss_table(self.lines, hidden_rule, "hidden gradients as printed"))
        return Section("as_printed", "As printed: hidden gradients", tuple(items))

    def _pairs(self, printed: PrintedLines, places: Sequence[tuple[int, int, int]]) -> list[Line]:
        """Return the printed and the true line of every hidden error and gradient, of the first example."""
        found: list[Line] = []
        for l, j in dict.fromkeys((l, j) for l, j, _ in places):
            inputs = [i for layer, neuron, i in places if (layer, neuron) == (l, j)]
            found += [printed.hidden_error(0, l, j), self.lines.hidden_error(0, l, j)._replace(note="true")]
            wrong, true = printed.gradients(0, l, j, inputs), self.lines.gradients(0, l, j, inputs)
            for pair in zip(wrong, true, strict=True):
                found += [pair[0], pair[1]._replace(note="true")]
        return found

    def weight2(self, *words: str) -> Section:
        """The update of a second weight: by the gradient of the first, as printed, and by its own.

        Parameters
        ----------
        *words : str, paragraphs about the page
        """
        lines, step = self.lines, self.lines.step
        items: list[Any] = [
            LABEL + "The chapter prints weight2_new = weight2 - δ_weight1. Each weight is moved by its own "
            "gradient: the loss changes by δ_weight2 when weight2 does, as the finite difference shows.",
            *words,
        ]
        rows = []
        for l, j, i in self._second_weights()[:MOST_ROWS]:
            first, own = (_at(lines.working.gradients, (l, j, k)) for k in (0, i))
            check = check_step(step, [(l, j, i)])[0]
            verdict = _verdict(first, own) + _excuse(check)
            rows.append((Symbol("weight", l, j, i), first, own, check.difference, verdict))
            if len(rows) <= MOST_PAIRS:
                number = printed_weight2(lines.weight(l, j, i), self._gradient(l, j, 0), self._rate())
                items.append(Line(Symbol("printed_new", l, j, i), number, "as printed"))
                items.append(lines.update(l, j, i)[-1]._replace(note="true"))
        head = ("weight", "gradient used, as printed", "its own", "finite difference", "")
        items.append(Table("What a weight is moved by", head, tuple(rows)))
        items.append(loss_table(lines, weight2_rule, "weight2 - δ_weight1"))
        return Section("as_printed", "As printed: weight2 - δ_weight1", tuple(items))

    def learning_rate(self) -> Section:
        """The update with a learning rate: the weight left out, as printed, and not."""
        lines = self.lines
        items: list[Any] = [
            LABEL
            + "The chapter prints weight_new = learning rate * δ_weight. That throws the weight away; what "
            "the loss asks for is a change: weight_new = weight - learning rate * δ_weight."
        ]
        places = self._weights()
        for l, j, i in places[:MOST_PAIRS]:
            number = printed_learning_rate(self._gradient(l, j, i), self._rate())
            items.append(Line(Symbol("printed_new", l, j, i), number, "as printed"))
            items.append(lines.update(l, j, i)[-1]._replace(note="true"))
        if len(places) > MOST_PAIRS:
            items.append(f"{MOST_PAIRS} of {len(places)} weights are written out.")
        rate = float(lines.step.rate)
        items.append(self._movements(places[:MOST_ROWS], rate))
        items.append(loss_table(lines, learning_rate_rule, "learning rate * δ"))
        return Section("as_printed", "As printed: learning rate * δ", tuple(items))

    def _movements(self, places: Sequence[tuple[int, int, int]], rate: float) -> Table:
        """Return how far each rule moves the weights, beside what the finite difference asks for."""
        rows = []
        for (l, j, i), check in zip(places, check_step(self.lines.step, places), strict=True):
            gradient, weight = _at(self.lines.working.gradients, (l, j, i)), self.lines.weight(l, j, i).value
            true = -self.lines.step.rate * gradient
            printed = -true - weight
            rows.append(
                (Symbol("weight", l, j, i), printed, true, -rate * check.difference, _excuse(check)[2:])
            )
        head = ("weight", "as printed", "true", "-learning rate * finite difference", "")
        return Table("How far each rule moves a weight", head, tuple(rows))

    def signed_sum(self) -> Section:
        """The errors added up with their signs, as printed, and the loss that is made small."""
        lines, step = self.lines, self.lines.step
        last = len(step.layers) - 1
        number = printed_loss([lines.neuron("error", 0, last, j) for j in range(lines.n_neurons(last))])
        items: list[Any] = [
            LABEL + "The gesture page calls the sum of the errors the loss. Errors of opposite sign cancel: "
            "-5 and 5 add up to 0. It has no least value either, and none of the gradients above is its slope.",
            Line(Symbol("signed_sum", None, None, None, lines.marks[0]), number, "as printed"),
            lines.loss(0)._replace(note="true"),
        ]
        if self.updates:
            moments: list[tuple[str, Step]] = [("before", step), ("after a true step", true_rule(step))]
            if last:
                moments.append(("after a step with the hidden gradients as printed", hidden_rule(step)))
            rows = [(name, self._signed_sum_of(moment), loss_of(moment)) for name, moment in moments]
            head = ("", "signed sum of the errors", "loss")
            items.append(Table("The sum as printed, and the loss", head, tuple(rows)))
        return Section("as_printed", "As printed: the sum of the errors", tuple(items))

    def _signed_sum_of(self, step: Step) -> Number:
        outputs = feedforward(step.layers, step.X)[1][-1]
        return arithmetic.average(
            [
                printed_loss(arithmetic.errors("half_squared_error", list(o), list(y)))
                for o, y in zip(outputs, step.Y, strict=True)
            ]
        )

    def _weights(self) -> list[tuple[int, int, int]]:
        lines = self.lines
        return [
            (l, j, i)
            for l in range(len(lines.step.layers))
            for j in range(lines.n_neurons(l))
            for i in range(lines.n_inputs(l))
        ]

    def _second_weights(self) -> list[tuple[int, int, int]]:
        return [place for place in self._weights() if place[2] > 0]

    def _gradient(self, l: int, j: int, i: int) -> Traced:
        """The gradient that an update uses: of the one example, or the average."""
        name = "gradient" if len(self.lines.step.X) == 1 else "average"
        return Traced(_at(self.lines.working.gradients, (l, j, i)), Symbol(name, l, j, i))

    def _rate(self) -> Traced:
        return Traced(self.lines.step.rate, Symbol("rate"))


def _at(gradients: Sequence[Gradient], place: tuple[int, int, int]) -> Number:
    l, j, i = place
    return entry(gradients[l], j, i)


def _verdict(printed: Number, true: Number) -> str:
    if printed == true:
        return "equal here"
    return "wrong sign" if printed * true < 0 else "wrong size"


def _excuse(check: GradientCheck) -> str:
    """Return why a finite difference proves nothing here, where that is so."""
    return ", at a kink: the loss has no derivative" if check.excuse == "kink" else ""
