"""How a network and a run show themselves in a notebook: as pictures and formulas.

`Network` and `Run` import this where a notebook asks them, so that nothing else pays for it.
An `Explanation` shows itself: see `tinyglass.explain`.
"""

from __future__ import annotations

import numpy as np

from .arithmetic import ACTIVATIONS
from .explain.formats.formula import LatexWriter
from .explain.notation import Style, make_notation
from .figures import draw_network
from .network import Layer, Network
from .pages import figure, text
from .report.training import training_curves
from .runs import Run

LARGEST_MATRIX = 12  # rows or columns that are written out


def network_html(network: Network) -> str:
    """Return the picture of a network and the formula of each layer, as HTML with LaTeX in it.

    Parameters
    ----------
    network : Network

    Examples
    --------
    >>> neuron = Network([Layer([[0.3, 0.9]], None, "linear")])
    >>> "0.3 & 0.9" in network_html(neuron)
    True
    """
    sizes = "-".join(map(str, network.sizes))
    formulas = [
        rf"$$\begin{{aligned}}{_formula(layer, name, before)}\end{{aligned}}$$"
        for layer, name, before in zip(
            network.layers, network.layer_names, ["", *network.layer_names], strict=False
        )
    ]
    classes = f", for {', '.join(network.classes)}" if network.classes else ""
    return (
        f"<p>A {sizes} network with {network.n_weights} weights{text(classes)}.</p>\n"
        + figure(draw_network(network), f"A {sizes} network", "Blue weights are positive, orange negative")
        + "\n".join(formulas)
    )


def run_html(run: Run) -> str:
    """Return the curves of a training, its facts and its network, as HTML.

    Parameters
    ----------
    run : Run

    Examples
    --------
    >>> from tinyglass import make_settings, read_recordings, train
    >>> run = train(read_recordings(), make_settings({}, preset="course"))
    >>> "100 epochs" in run_html(run)
    True
    """
    return training_curves(run) + network_html(run.network)


def _formula(layer: Layer, name: str, before: str) -> str:
    x = rf"a^{{\text{{{before}}}}}" if before else "x"
    here = rf"^{{\text{{{name}}}}}"
    bias = "" if layer.bias is None else f" + b{here}"
    rule = ACTIVATIONS[layer.activation].latex
    lines = [
        rf"z{here} &= W{here} {x}{bias}",
        rf"a{here} &= f(z{here}), \quad f(x) = {rule}",
        rf"W{here} &= {_matrix(layer.weights)}",
    ]
    if layer.bias is not None:
        lines.append(rf"b{here} &= {_matrix(layer.bias[:, None])}")
    return r" \\ ".join(lines)


def _matrix(numbers: np.ndarray) -> str:
    number = LatexWriter(make_notation((1, 1), ["output"]), Style(digits=4)).number
    if max(numbers.shape) > LARGEST_MATRIX:
        low, high = number(numbers.min()), number(numbers.max())
        shape = rf"{numbers.shape[0]} \times {numbers.shape[1]}"
        return rf"\text{{a matrix of }} {shape} \text{{ numbers from }} {low} \text{{ to }} {high}"
    rows = r" \\ ".join(" & ".join(map(number, row)) for row in numbers)
    return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"
