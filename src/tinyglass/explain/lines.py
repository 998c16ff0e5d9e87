"""The lines of a step: each is one function of `tinyglass.arithmetic`, run on named numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import arithmetic
from ..arithmetic import Memory, Signals, Update
from .explanation import Line
from .notation import BIAS
from .tracing import Symbol, Traced
from .working import Step, Working, entry, inputs_of

CONSTANTS = ("momentum", "beta1", "beta2", "epsilon", "l2")


class Lines(NamedTuple):
    """Makes the lines of one step.

    Attributes
    ----------
    step : Step
    working : Working, of that step
    marks : tuple of int or None, (n_batch,)
        The number of each example in names; None where the batch is a single example.
    expands : bool
        Whether a delta is written out where it is used, as the course does, or has a name of its own.
    """

    step: Step
    working: Working
    marks: tuple[int | None, ...]
    expands: bool = False

    # ------------------------------------------------------------ named numbers

    def weight(self, l: int, j: int, i: int) -> Traced:
        return Traced(entry(self.step.layers[l], j, i), Symbol("weight", l, j, i))

    def signal(self, e: int, l: int, i: int) -> Traced:
        """Input i of the network for layer −1, otherwise the output of a neuron."""
        if l < 0:
            return Traced(self.step.X[e, i], Symbol("input", -1, i, None, self.marks[e]))
        return self.neuron("output", e, l, i)

    def neuron(self, what: str, e: int, l: int, j: int) -> Traced:
        """The sum, output, error or delta of a neuron, or what is expected of it."""
        values = self.step.Y if what == "expected" else getattr(self.working, what + "s")[l]
        return Traced(values[e, j], Symbol(what, l, j, None, self.marks[e]))

    def gradient(self, e: int, l: int, j: int, i: int) -> Traced:
        delta = self.working.deltas[l][e, j]
        if self.step.weight is not None:
            delta = self.step.weight[e] * delta
        x = 1 if i == BIAS else self.signal(e, l - 1, i).value
        return Traced(delta * x, Symbol("gradient", l, j, i, self.marks[e]))

    def layer(self, what: str, e: int, l: int) -> list[Traced]:
        return [self.neuron(what, e, l, j) for j in range(self.n_neurons(l))]

    def n_neurons(self, l: int) -> int:
        return len(self.step.layers[l].weights)

    def n_inputs(self, l: int) -> int:
        return np.shape(self.step.layers[l].weights)[1]

    # ------------------------------------------------------------ feedforward

    def sum(self, e: int, l: int, j: int) -> Line:
        inputs = range(self.n_inputs(l))
        bias = None if self.step.layers[l].bias is None else self.weight(l, j, BIAS)
        number = arithmetic.weighted_sum(
            [self.weight(l, j, i) for i in inputs], [self.signal(e, l - 1, i) for i in inputs], bias
        )
        return Line(Symbol("sum", l, j, None, self.marks[e]), number)

    def outputs(self, e: int, l: int, only: Sequence[int] | None = None) -> list[Line]:
        """The outputs of a layer, for softmax with the powers that it divides by their sum."""
        activation, mark = self.step.layers[l].activation, self.marks[e]
        note = f"f(x) = {arithmetic.ACTIVATIONS[activation].formula}, {activation}"
        wanted = range(self.n_neurons(l)) if only is None else only
        if activation == "step":
            sums = [self.neuron("sum", e, l, j) for j in wanted]
            numbers = [Traced(arithmetic.activate("step", [s.value])[0], None, "step", (s,)) for s in sums]
        elif activation == "softmax":
            return self._softmax(e, l, note)
        else:
            numbers = [arithmetic.activate(activation, [self.neuron("sum", e, l, j)])[0] for j in wanted]
        return [
            Line(Symbol("output", l, j, None, mark), number, "" if k else note)
            for k, (j, number) in enumerate(zip(wanted, numbers, strict=True))
        ]

    def _softmax(self, e: int, l: int, note: str) -> list[Line]:
        mark = self.marks[e]
        outputs = arithmetic.activate("softmax", self.layer("sum", e, l))
        lines = []
        for j, output in enumerate(outputs):
            power = output.operands[0]
            lines.append(Line(Symbol("power", l, j, None, mark), _formula_of(power)))
            power.called(lines[-1].name)
        whole = outputs[0].operands[1]
        lines.append(Line(Symbol("whole", l, None, None, mark), _formula_of(whole)))
        whole.called(lines[-1].name)
        return lines + [
            Line(Symbol("output", l, j, None, mark), output, "" if j else note)
            for j, output in enumerate(outputs)
        ]

    # ------------------------------------------------------------ loss and error

    def loss(self, e: int) -> Line:
        last = len(self.step.layers) - 1
        number = arithmetic.loss(
            self.step.loss,
            self.step.layers[-1].activation,
            self.layer("output", e, last),
            self.layer("expected", e, last),
        )
        return Line(
            Symbol("loss", None, None, None, self.marks[e]), number, arithmetic.LOSSES[self.step.loss].formula
        )

    def output_errors(self, e: int, only: Sequence[int] | None = None) -> list[Line]:
        """The errors of the network's outputs; none under cross-entropy, where they cancel."""
        if self.step.loss == "cross_entropy":
            return []
        last = len(self.step.layers) - 1
        numbers = arithmetic.errors(
            self.step.loss, self.layer("output", e, last), self.layer("expected", e, last)
        )
        wanted = range(len(numbers)) if only is None else only
        return [Line(Symbol("error", last, j, None, self.marks[e]), numbers[j]) for j in wanted]

    def hidden_error(self, e: int, l: int, i: int) -> Line:
        """What the neurons downstream pass back to neuron i of hidden layer l."""
        downstream = range(self.n_neurons(l + 1))
        number = arithmetic.passed_back(
            [self.weight(l + 1, j, i) for j in downstream], [self.delta_used(e, l + 1, j) for j in downstream]
        )
        note = "the deltas downstream, each times the weight that leads to it"
        return Line(Symbol("error", l, i, None, self.marks[e]), number, "" if i else note)

    # ------------------------------------------------------------ backpropagation

    def delta(self, e: int, l: int, j: int) -> list[Line]:
        """The slope of a neuron, where it has one, and its delta."""
        mark, lines = self.marks[e], []
        activation = self.step.layers[l].activation
        last = l == len(self.step.layers) - 1
        if last and self.step.loss == "cross_entropy":
            signals = Signals(self.layer("sum", e, l), self.layer("output", e, l))
            number = arithmetic.output_deltas(
                self.step.loss, activation, signals, self.layer("expected", e, l)
            )[j]
            note = "" if j else "the logarithm of the loss and the exponential of the activation cancel"
            return [Line(Symbol("delta", l, j, None, mark), number, note)]
        if activation == "softmax":
            signals = Signals(self.layer("sum", e, l), self.layer("output", e, l))
            number = arithmetic.through_activation(activation, self.layer("error", e, l), signals)[j]
            shared = number.operands[1].operands[1]
            if j == 0:
                lines.append(Line(Symbol("shared", l, None, None, mark), _formula_of(shared)))
            shared.called(Symbol("shared", l, None, None, mark))
        else:
            signals = Signals([self.neuron("sum", e, l, j)], [self.neuron("output", e, l, j)])
            number = arithmetic.through_activation(activation, [self.neuron("error", e, l, j)], signals)[0]
            slope = number.operands[1]
            lines.append(
                Line(
                    Symbol("slope", l, j, None, mark),
                    _formula_of(slope),
                    "" if j else f"the slope of {activation}",
                )
            )
            slope.called(lines[-1].name)
        return [*lines, Line(Symbol("delta", l, j, None, mark), number)]

    def delta_used(self, e: int, l: int, j: int) -> Traced:
        """The delta of a neuron as it stands in other formulas."""
        return self.delta(e, l, j)[-1].number if self.expands else self.neuron("delta", e, l, j)

    def gradients(self, e: int, l: int, j: int, only: Sequence[int] | None = None) -> list[Line]:
        """The gradient of an example's loss by each weight of a neuron, and by its bias."""
        mark = self.marks[e]
        delta = self.delta_used(e, l, j)
        if self.step.weight is not None:
            delta = Traced(self.step.weight[e], Symbol("example_weight", None, None, None, mark)) * delta
        has_bias = self.step.layers[l].bias is not None
        wanted = inputs_of(self.step.layers[l]) if only is None else only
        inputs = [self.signal(e, l - 1, i) for i in wanted if i != BIAS]
        neuron = [arithmetic.Layer([[0]], [0] if has_bias else None, "linear")]
        found = arithmetic.gradients(neuron, [Signals([0], [0])], [[delta]], inputs)[0]
        numbers = dict(zip([i for i in wanted if i != BIAS], found.weights[0], strict=True))
        if found.bias is not None:
            numbers[BIAS] = found.bias[0]
        return [Line(Symbol("gradient", l, j, i, mark), numbers[i]) for i in wanted]

    # ------------------------------------------------------------ average and update

    def average(self, l: int, j: int, i: int) -> Line:
        """The mean of the examples' gradients by one weight."""
        each = [self.gradient(e, l, j, i) for e in range(len(self.step.X))]
        return Line(Symbol("average", l, j, i), arithmetic.average(each))

    def update(self, l: int, j: int, i: int) -> list[Line]:
        """What the optimiser remembers of a weight, and the new weight."""
        step, rule = self.step, self.step.rule
        gradient = self.gradient(0, l, j, i) if len(step.X) == 1 else _named(self.average(l, j, i))
        memory = Memory(
            *(
                Traced(entry(part[l], j, i), Symbol(name, l, j, i))
                for part, name in ((step.first, self._memory_names[0]), (step.second, "v_before"))
            )
        )
        number, after = arithmetic.update_weight(
            self.weight(l, j, i),
            gradient,
            memory,
            self._named_rule(rule),
            Traced(step.rate, Symbol("rate")),
            Traced(step.updates, Symbol("updates")),
            decays=i != BIAS,
        )
        lines = []
        names = {"adam": ("m", "v"), "momentum": ("velocity",), "nesterov": ("velocity",)}
        for what, remembered in zip(names.get(rule.optimizer, ()), after, strict=False):
            lines.append(Line(Symbol(what, l, j, i), _formula_of(remembered)))
            remembered.called(lines[-1].name)
        if rule.weight_limit is not None:
            unlimited = number.operands[0].operands[0]
            lines.append(Line(Symbol("unlimited", l, j, i), _formula_of(unlimited)))
            unlimited.called(lines[-1].name)
        return [*lines, Line(Symbol("new", l, j, i), number)]

    @property
    def _memory_names(self) -> tuple[str, str]:
        return ("m_before" if self.step.rule.optimizer == "adam" else "velocity_before", "v_before")

    def _named_rule(self, rule: Update) -> Update:
        changes: dict[str, Any] = {
            name: Traced(getattr(rule, name), Symbol(name)) for name in CONSTANTS if getattr(rule, name)
        }
        if rule.weight_limit is not None:
            changes["weight_limit"] = Traced(rule.weight_limit, Symbol("limit"))
        return rule._replace(**changes)

    # ------------------------------------------------------------ over the batch

    def mean_loss(self) -> list[Line]:
        """The penalty of L2, where there is one, and the mean loss of the batch."""
        losses = []
        for e, mark in enumerate(self.marks):
            loss = _named(self.loss(e))
            if self.step.weight is not None:
                weight = Traced(self.step.weight[e], Symbol("example_weight", None, None, None, mark))
                loss = weight * loss
            losses.append(loss)
        number = arithmetic.average(losses)
        if not self.step.rule.l2:
            return [Line(Symbol("mean_loss"), number)] if len(losses) > 1 else []
        layers = [
            layer._replace(
                weights=[
                    [self.weight(l, j, i) for i in range(self.n_inputs(l))] for j in range(self.n_neurons(l))
                ]
            )
            for l, layer in enumerate(self.step.layers)
        ]
        penalty = Line(
            Symbol("penalty"),
            arithmetic.penalty(layers, Traced(self.step.rule.l2, Symbol("l2"))),
            "½·l2·Σ weight²",
        )
        return [penalty, Line(Symbol("mean_loss"), number + _named(penalty))]


def constants(step: Step) -> list[Line]:
    """Return the settings that the update uses."""
    rule = step.rule
    used = [("rate", step.rate)]
    if rule.optimizer in ("momentum", "nesterov"):
        used.append(("momentum", rule.momentum))
    if rule.optimizer == "adam":
        used += [(name, getattr(rule, name)) for name in ("beta1", "beta2", "epsilon")]
        used.append(("updates", step.updates))
    if rule.l2:
        used.append(("l2", rule.l2))
    if rule.weight_limit is not None:
        used.append(("limit", rule.weight_limit))
    return [Line(Symbol(what), Traced(value)) for what, value in used]


def given(number: Traced) -> Line:
    """Return the line of a named number that is given, and not made by a formula."""
    assert number.symbol is not None
    return Line(number.symbol, Traced(number.value))


def _formula_of(number: Traced) -> Traced:
    """Return the number without its name, so that its own line shows how it was made."""
    return Traced(number.value, None, number.op, number.operands)


def _named(line: Line) -> Traced:
    return Traced(line.number.value, line.name)
