"""The memory that a trainer needs on a board, foretold before it is exported."""

from __future__ import annotations

from typing import NamedTuple

from ..board_model import BoardModel
from ..learning import trained_layers

EXP = {"sigmoid", "tanh", "softmax"}


class Frames(NamedTuple):
    """Bytes of stack on a chip that hold no numbers of the network: registers, counters, places.

    Measured with gcc and -Os on some 300 networks with random preparations, and fitted.

    Attributes
    ----------
    title : str, of the chip
    base, deep, exp, summary, resampled : int
        Of any step; of more than one layer, or a summary; of exp; of a summary; of raw readings of any number.
    spectrum : int, of preparing a spectrum, which is over before the step begins
    in_registers : bool, whether the deltas of one output are held in registers where no other layer learns
    """

    title: str
    base: int
    deep: int
    exp: int
    summary: int
    resampled: int
    spectrum: int
    in_registers: bool = True


FRAMES = (
    Frames("Uno", 36, 20, 8, 16, 16, 724, in_registers=False),
    Frames("Cortex-M0+", 80, 52, 4, 0, 16, 776),
    Frames("Cortex-M4F", 24, 40, 8, 8, 8, 728),
)


class TrainerMemory(NamedTuple):
    """The memory that a trainer needs besides the model.

    Attributes
    ----------
    weights : int, bytes of RAM for its copy of the weights that learn
    stacks : dict of int, bytes of stack at most while it learns one recording, by chip
    """

    weights: int
    stacks: dict[str, int]


def trainer_memory(model: BoardModel, part: str) -> TrainerMemory:
    """Return how much memory a trainer needs.

    Stacks are at most 10 % larger than said, and rarely 20 % smaller, but for networks of a few neurons.

    Parameters
    ----------
    model : BoardModel
    part : {"last", "all"}, the layers that learn

    Examples
    --------
    >>> from tinyglass import Layer, Network
    >>> from tinyglass.export.board_model import make_board_model
    >>> trainer_memory(make_board_model(Network((Layer([[0.3, 0.9]], None, "linear"),))), "all").weights
    12
    """
    learning = trained_layers(model.network, part)
    n_weights = sum(layer.weights.size + layer.n_outputs for layer in learning)
    alone = len(learning) == 1 and model.network.n_outputs == 1
    return TrainerMemory(4 * n_weights, {chip.title: _stack(model, chip, alone) for chip in FRAMES})


def _stack(model: BoardModel, chip: Frames, alone: bool) -> int:
    network, kinds = model.network, model.preparation.inputs
    sizes, summary = network.sizes, "summary" in kinds
    n_neurons = sum(sizes[1:])
    n_deltas = 0 if alone and chip.in_registers else n_neurons
    step = (
        4 * (n_neurons + n_deltas)
        + chip.base
        + chip.deep * (len(sizes) > 2 or summary)
        + chip.exp * bool(EXP & {layer.activation for layer in network.layers})
        + chip.summary * summary
        + chip.resampled * (model.any_length and "raw" in kinds)
    )
    return 4 * (sizes[0] + sizes[-1]) + max(step, chip.spectrum * ("spectrum" in kinds))
