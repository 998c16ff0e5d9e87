"""The number that is asked for, by its name."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import ArgumentError, nearest
from ..network import Network
from .notation import BIAS, make_notation
from .tracing import Symbol


class Focus(NamedTuple):
    """The number that is asked for: a neuron, or one of its weights.

    Attributes
    ----------
    layer, neuron : int, from 0
    input : int or None, from 0; −1 is the bias; None: the whole neuron
    """

    layer: int
    neuron: int
    input: int | None = None


def find_focus(network: Network, neuron: str | None = None, weight: str | None = None) -> Focus | None:
    """Return what ``hidden[3]`` or ``hidden[3,12]`` or ``hidden[3,bias]`` means in a network.

    The course's names are understood too: ``weight12``, ``bias1``, ``hidden2``.

    Raises
    ------
    ArgumentError
        If there is no such neuron or weight.

    Examples
    --------
    >>> from tinyglass import Layer
    >>> find_focus(Network([Layer([[0.3, 0.9]], None, "linear")]), weight="output[0,1]")
    Focus(layer=0, neuron=0, input=1)
    """
    if neuron is None and weight is None:
        return None
    if neuron is not None and weight is not None:
        raise ArgumentError("A neuron and a weight are given", "--neuron, --weight", "Give one of them")
    option, text = ("--neuron", neuron or "") if weight is None else ("--weight", weight)
    form = r"(\w+)\[(\d+)\]" if weight is None else r"(\w+)\[(\d+), *(\d+|bias)\]"
    found = re.fullmatch(form, text.strip())
    shape = (
        "hidden[3]" if weight is None else "hidden[3,12], hidden[3,bias] or, as the course counts, weight11"
    )
    if found is None:
        by_course = _in_the_courses_words(network, text.strip(), weight is not None)
        if by_course is not None:
            return by_course
        raise ArgumentError(f"Expected a name such as {shape}, found {text!r}", option, "Give such a name")
    names = network.layer_names
    if found[1] not in names:
        raise ArgumentError(f"There is no layer {found[1]!r}", option, nearest(found[1], names))
    number, j = names.index(found[1]), int(found[2])
    layer = network.layers[number]
    if j >= layer.n_outputs:
        raise ArgumentError(
            f"Layer {found[1]!r} has {layer.n_outputs} neurons, and no neuron {j}",
            option,
            f"Give one from {found[1]}[0] to {found[1]}[{layer.n_outputs - 1}]",
        )
    if weight is None:
        return Focus(number, j)
    if found[3] == "bias":
        if layer.bias is None:
            raise ArgumentError(f"Layer {found[1]!r} has no bias", option, "Give a weight of an input")
        return Focus(number, j, BIAS)
    i = int(found[3])
    if i >= layer.n_inputs:
        raise ArgumentError(
            f"Neuron {found[1]}[{j}] has {layer.n_inputs} inputs, and no input {i}",
            option,
            f"Give an input from 0 to {layer.n_inputs - 1}",
        )
    return Focus(number, j, i)


def _in_the_courses_words(network: Network, text: str, weight: bool) -> Focus | None:
    """Return what ``weight12``, ``bias1`` or ``hidden2`` means in a network, or None."""
    names = make_notation(network.sizes, network.layer_names, "course")
    for l, layer in enumerate(network.layers):
        place = "" if len(network.layers) == 1 else str(l + 1)
        if not weight:
            neurons = range(layer.n_outputs)
            found = [j for j in neurons if names.text(Symbol("output", l, j)) == text]
            if found:
                return Focus(l, found[0])
            continue
        numbered = re.fullmatch(rf"(weight|bias){place}(\d*)", text)
        if numbered is None:
            continue
        running = int(numbered[2] or 1) - 1
        j, i = (running, BIAS) if numbered[1] == "bias" else divmod(running, layer.n_inputs)
        sound = 0 <= j < layer.n_outputs and (i != BIAS or layer.bias is not None)
        if sound and names.text(Symbol("weight", l, j, i)) == text:
            return Focus(l, j, i)
    return None
