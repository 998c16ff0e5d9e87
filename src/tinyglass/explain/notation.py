"""What numbers are called, in the words of the course or of the field, and how they are written.

The field's names are those of `tinyglass.network.weight_name`: hidden[0,2] leads from input 2
to neuron 0, and everything counts from 0. The course counts inputs, neurons and weights from 1
and gives a weight one running number in its layer: weight21 is the first of the second layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from ..errors import ArgumentError, nearest
from .tracing import Symbol

NOTATIONS = ("standard", "course")
FREE_DIGITS = 6  # significant, where none are asked for
BIAS = -1


class Word(NamedTuple):
    """How one kind of number is called.

    Attributes
    ----------
    of : "neuron", "weight" or "": what it belongs to
    standard : str, behind the neuron or the weight; alone where `of` is empty
    course : str, with {} for the course's name of the neuron or the weight
    latex : str, with {} for the weight, or for layer and number of the neuron
    meaning : str, as a legend says it
    """

    of: str
    standard: str
    course: str
    latex: str
    meaning: str


WORDS = {
    "input": Word("input", "", "input{}", "x_{{{}}}", "what the network is given"),
    "weight": Word("weight", "", "{}", "{}", "weight; the input of a bias is the constant 1"),
    "sum": Word("neuron", "sum", "sum_{}", "z^{}_{}", "weighted sum: Σ input·weight + bias"),
    "power": Word("neuron", "power", "power_{}", "p^{}_{}", "e to the power of sum − largest sum"),
    "whole": Word("", "whole", "whole", r"\Sigma", "all powers together"),
    "output": Word("neuron", "output", "{}", "a^{}_{}", "activation: f(sum)"),
    "expected": Word("neuron", "expected", "expected_{}", "y^{}_{}", "what the output should be"),
    "loss": Word("", "loss", "loss", "L", "how wrong the outputs are"),
    "mean_loss": Word("", "mean_loss", "mean_loss", r"\bar L", "mean of the losses"),
    "penalty": Word("", "penalty", "penalty", "R", "½·l2·Σ weight²"),
    "error": Word("neuron", "error", "error_{}", r"\frac{{\partial L}}{{\partial a^{}_{}}}", "∂loss/∂output"),
    "slope": Word("neuron", "slope", "f'(sum_{})", "f'(z^{}_{})", "∂output/∂sum"),
    "shared": Word("", "shared", "shared", "s", "Σ error·output over the layer"),
    "delta": Word("neuron", "delta", "delta_{}", r"\delta^{}_{}", "∂loss/∂sum"),
    "gradient": Word("weight", "gradient", "δ_{}", r"\frac{{\partial L}}{{\partial {}}}", "∂loss/∂weight"),
    "average": Word(
        "weight",
        "average",
        "δ_{}_average",
        r"\overline{{\frac{{\partial L}}{{\partial {}}}}}",
        "mean of the examples' gradients",
    ),
    "new": Word("weight", "new", "{}_new", "{{{}}}'", "the weight after the update"),
    "unlimited": Word("weight", "unlimited", "{}_unlimited", r"\tilde{{{}}}", "before the weight limit"),
    "velocity": Word("weight", "velocity", "velocity_{}", "u'({})", "momentum's velocity"),
    "velocity_before": Word(
        "weight", "velocity_before", "velocity_before_{}", "u({})", "the velocity before this step"
    ),
    "m": Word("weight", "m", "m_{}", "m'({})", "Adam's mean of the gradients"),
    "m_before": Word("weight", "m_before", "m_before_{}", "m({})", "that mean before this step"),
    "v": Word("weight", "v", "v_{}", "v'({})", "Adam's mean of the squared gradients"),
    "v_before": Word("weight", "v_before", "v_before_{}", "v({})", "that mean before this step"),
    "example_weight": Word("", "example_weight", "example_weight", "c", "how much the example counts"),
    "rate": Word("", "rate", "learning_rate", r"\eta", "learning rate"),
    "momentum": Word("", "momentum", "momentum", r"\mu", "momentum"),
    "beta1": Word("", "beta1", "beta1", r"\beta_1", "how slowly m forgets"),
    "beta2": Word("", "beta2", "beta2", r"\beta_2", "how slowly v forgets"),
    "epsilon": Word("", "epsilon", "epsilon", r"\varepsilon", "keeps Adam from dividing by 0"),
    "l2": Word("", "l2", "l2", r"\lambda", "strength of the penalty"),
    "limit": Word("", "limit", "limit", r"w_{{\max}}", "weight limit"),
    "updates": Word("", "updates", "updates", "t", "updates so far, this one included"),
    "contribution": Word("input", "contribution", "contribution{}", "c_{{{}}}", "what an input contributed"),
    "constant": Word("neuron", "constant", "constant_{}", "k^{}_{}", "what the biases give"),
    "baseline": Word("neuron", "baseline", "baseline_{}", "z_0{{}}^{}_{}", "the same for the baseline"),
    # What the course prints and is wrong: see `tinyglass.explain.mistakes`.
    "printed_sum": Word(
        "neuron", "sum_as_printed", "sum_{}_as_printed", r"\tilde z^{}_{}", "weighted sum as printed"
    ),
    "printed_error": Word(
        "neuron", "error_as_printed", "error_{}_as_printed", r"\tilde e^{}_{}", "∂loss/∂output as printed"
    ),
    "printed_delta": Word(
        "neuron", "delta_as_printed", "delta_{}_as_printed", r"\tilde\delta^{}_{}", "∂loss/∂sum as printed"
    ),
    "printed_gradient": Word(
        "weight", "gradient_as_printed", "δ_{}_as_printed", r"\tilde g({})", "∂loss/∂weight as printed"
    ),
    "printed_new": Word(
        "weight", "new_as_printed", "{}_new_as_printed", r"\tilde u({})", "the new weight as printed"
    ),
    "signed_sum": Word("", "signed_sum", "signed_sum", r"\tilde L", "Σ error: the course's loss"),
    # The course's chapter: see `tinyglass.explain.course`.
    "shrinking": Word("", "shrinking", "shrinking", "q", "what a step multiplies the error by"),
    "largest_rate": Word(
        "", "largest_rate", "largest_learning_rate", r"\eta_{{\max}}", "the largest one that converges"
    ),
}
"""Every kind of number in an explanation. Modules that need more add theirs here."""


class Notation(NamedTuple):
    """Names for the numbers of one network.

    Attributes
    ----------
    sizes : tuple of int: inputs, then the neurons of each layer
    layer_names : tuple of str, one a layer
    words : "standard" or "course"

    Examples
    --------
    >>> notation = Notation((3, 2, 2), ("hidden", "output"))
    >>> notation.text(Symbol("gradient", 0, 1, 2))
    'hidden[1,2].gradient'
    >>> notation._replace(words="course").text(Symbol("gradient", 0, 1, 2))
    'δ_weight16'
    """

    sizes: tuple[int, ...]
    layer_names: tuple[str, ...]
    words: str = "standard"

    def text(self, symbol: Symbol) -> str:
        """Return the name as plain text."""
        word = WORDS[symbol.what]
        mark = "" if symbol.example is None else f"@{symbol.example}"
        if self.words == "course":
            return self._course_text(word, symbol) + mark
        name = {
            "": "",
            "input": f"input[{symbol.neuron}]",
            "neuron": self.neuron(symbol.layer, symbol.neuron),
            "weight": self.weight(symbol.layer, symbol.neuron, symbol.input),
        }[word.of]
        return ".".join(part for part in (name, word.standard) if part) + mark

    def latex(self, symbol: Symbol) -> str:
        """Return the name as LaTeX, for mathematics mode."""
        word = WORDS[symbol.what]
        mark = "" if symbol.example is None else rf"^{{({symbol.example})}}"
        if self.words == "course":
            name = self.text(symbol._replace(example=None))
            head, _, tail = name.partition("_")
            if head == "δ":
                return rf"\delta_{{{_in_text(tail)}}}" + mark
            return _in_text(name) + mark
        if word.of == "input":
            return word.latex.format(symbol.neuron) + mark
        if word.of == "weight":
            letter = "b" if symbol.input == BIAS else "w"
            index = symbol.neuron if symbol.input == BIAS else f"{symbol.neuron},{symbol.input}"
            name = rf"{letter}^{{\text{{{self._layer(symbol.layer)}}}}}_{{{index}}}"
            name = word.latex.format(name)
            return _marked(name, mark)
        if word.of == "neuron":
            layer, number = rf"{{\text{{{self._layer(symbol.layer)}}}}}", f"{{{symbol.neuron}}}"
            name = word.latex.format(layer, number)
            return _marked(name, mark)
        return word.latex.format() + mark

    def neuron(self, layer: int | None, neuron: int | None) -> str:
        """Return the field's name of a neuron, such as ``hidden[3]``."""
        return f"{self._layer(layer)}[{neuron}]"

    def weight(self, layer: int | None, neuron: int | None, input: int | None) -> str:
        """Return the field's name of a weight, such as ``hidden[0,2]`` or ``hidden[0,bias]``."""
        return f"{self._layer(layer)}[{neuron},{'bias' if input == BIAS else input}]"

    def _layer(self, layer: int | None) -> str:
        return "" if layer is None else "input" if layer < 0 else self.layer_names[layer]

    def _course_text(self, word: Word, symbol: Symbol) -> str:
        neuron = (symbol.neuron or 0) + 1
        layer = symbol.layer or 0
        if word.of == "input":
            return word.course.format(neuron)
        if word.of == "neuron":
            name = self._layer(layer)
            last = layer == len(self.layer_names) - 1
            if self.sizes[layer + 1] > 1 or not last:
                name += f"_{neuron}" if name[-1].isdigit() else str(neuron)
            text = word.course.format(name)
            # The chapter has one neuron and says "sum"; of the outputs it says error1, expected1.
            short = len(self.layer_names) == 1 or symbol.what in ("error", "expected")
            return text.replace("_output", "") if last and short else text
        place = "" if len(self.layer_names) == 1 else str(layer + 1)
        if symbol.input == BIAS:
            name = f"bias{place}" if self.sizes[1:] == (1,) else f"bias{place}{neuron}"
        else:
            name = f"weight{place}{(neuron - 1) * self.sizes[layer] + (symbol.input or 0) + 1}"
        return word.course.format(name)


def _marked(name: str, mark: str) -> str:
    """Return a name with the mark of its example; {} because TeX takes braces off a lone accent."""
    return (f"{{{{}}{name}}}" if "\\tilde" in name else f"{{{name}}}") + mark if mark else name


def _in_text(name: str) -> str:
    """Return a name as LaTeX, its underscores outside of \\text, where every program treats them differently.

    The braces keep m_before_weight1 right where a Markdown program makes subscripts of them.
    """
    latex, *parts = (rf"\text{{{part}}}" for part in name.split("_"))
    for count, part in enumerate(parts):
        latex = rf"{{{latex}}}\_{part}" if count else rf"{latex}\_{part}"
    return latex


def make_notation(sizes: Sequence[int], layer_names: Sequence[str], words: str = "standard") -> Notation:
    """Return the names for a network.

    Raises
    ------
    ArgumentError
        If there are no such words.

    Examples
    --------
    >>> make_notation((2, 1), ["output"], "course").text(Symbol("weight", 0, 0, 1))
    'weight2'
    """
    if words not in NOTATIONS:
        raise ArgumentError(f"Unknown notation {words!r}", "--notation", nearest(words, list(NOTATIONS)))
    return Notation(tuple(sizes), tuple(layer_names), words)


# ---------------------------------------------------------------- numbers


class Style(NamedTuple):
    """How numbers are written.

    Attributes
    ----------
    digits : int or None, significant digits
    decimals : int or None, digits behind the point; instead of `digits`
        Zeros at the end stay where the number was rounded: 0.41920 says that it is no exact 0.4192.
    full : bool, long sums with every term; otherwise their first terms and their last

    With neither, `Decimal` and `Fraction` are written in full, and floats with six digits.

    Examples
    --------
    >>> Style(digits=3).number(0.123456), Style().number(Decimal("0.1225"))
    ('0.123', '0.1225')
    >>> Style(decimals=2).number(0.5), Style(decimals=2).number(0.501)
    ('0.5', '0.50')
    """

    digits: int | None = None
    decimals: int | None = None
    full: bool = False

    def number(self, value: Any) -> str:
        """Return a number as text that Python reads."""
        if isinstance(value, bool) or (isinstance(value, int) and self.decimals is None):
            return str(value)
        if self.decimals is not None:
            return _rounded(value, self.decimals)
        if isinstance(value, (Decimal, Fraction)):
            return exact_text(value) if self.digits is None else self._exact(value)
        number = float(value) + 0.0  # −0 is 0
        digits = FREE_DIGITS if self.digits is None else self.digits
        return repr(number) if digits >= 17 else f"{number:.{digits}g}"

    def _exact(self, value: Decimal | Fraction) -> str:
        return _trimmed(f"{_float_or_decimal(value):.{self.digits}g}")


PLAIN_STYLE = Style()


def _float_or_decimal(value: Any) -> Any:
    if isinstance(value, Fraction):
        return Decimal(value.numerator) / Decimal(value.denominator)
    return value if isinstance(value, Decimal) else float(value)


def _rounded(value: Any, decimals: int) -> str:
    number = _float_or_decimal(value)
    text = f"{number:.{decimals}f}"
    return _trimmed(text) if not math.isfinite(number) or type(number)(text) == number else _unsigned(text)


def _unsigned(text: str) -> str:
    """Return the number, and 0 without a sign."""
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def _trimmed(text: str) -> str:
    """Return the number without zeros at its end, and 0 without a sign."""
    mantissa, e, power = text.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return "0" if mantissa in ("0", "-0") else mantissa + e + power


def exact_text(value: Decimal | Fraction) -> str:
    """Return a number in full: a decimal where it ends, otherwise a fraction.

    Examples
    --------
    >>> exact_text(Fraction(49, 400)), exact_text(Fraction(1, 3)), exact_text(Decimal("0.50"))
    ('0.1225', '1/3', '0.5')
    """
    if isinstance(value, Fraction):
        rest, places = value.denominator, 0
        for prime in (2, 5):
            count = 0
            while rest % prime == 0:
                rest, count = rest // prime, count + 1
            places = max(places, count)
        if rest != 1:
            return f"{value.numerator}/{value.denominator}"
        digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
        sign = "-" if value < 0 else ""
        return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)
    if not value:
        return "0"
    return _trimmed(f"{value:f}") if -20 < value.adjusted() < 40 else str(value.normalize())
