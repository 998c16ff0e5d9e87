"""The kernels as they run on ARM, by the same source, held to the obvious kernel of this machine.

Where this machine is no ARM, they are cross-compiled and run in an emulator.
"""

import struct
import subprocess
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from building import build
from test_core import ENDINGS, FOR_EVER, PRECISIONS, TRAINABLE, Case, difference, make_case, trainer_of
from test_kernels import NEAR
from tinyglass import core
from tinyglass.arithmetic import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from tinyglass.network import core_layers, flatten

SHAPES = [(1, 1), (3, 5, 2), (9, 17, 8, 3), (4, 33, 1), (60, 13, 3)]


def described(case):
    """Return a case as tests/drivers/training.cpp reads it."""
    s, e = case.settings, case.examples
    layers = [(a, b, [*ACTIVATIONS].index(f), bias) for a, b, f, bias in core_layers(case.network)]
    limit = np.inf if s.weight_limit is None else s.weight_limit
    weight = np.ones(e.n_examples) if e.weight is None else e.weight
    numbers = [
        *(len(layers), *(number for layer in layers for number in layer)),
        *([*LOSSES].index(s.loss), [*OPTIMIZERS].index(s.optimizer), [*SCHEDULES].index(s.schedule)),
        *(s.momentum, s.beta1, s.beta2, s.epsilon, s.l2, limit, s.learning_rate, s.rate_drop),
        *(s.rate_every, s.epochs, s.batch, s.shuffle, s.seed, e.n_examples),
        *(*e.X.ravel(), *e.Y.ravel(), *weight, *flatten(case.network)),
    ]
    return struct.pack(f"{len(numbers)}d", *numbers)


def trained(program, case, kernel, n_networks):
    """Return losses, validation losses and weights (in the core's order) of each network that a program trains."""
    words = [*program, case.settings.precision, kernel, str(n_networks)]
    done = subprocess.run(words, input=described(case), capture_output=True)
    assert done.returncode == 0, (words, done.stderr)
    of_each = np.split(np.frombuffer(done.stdout), n_networks)
    return [np.split(numbers, np.cumsum([case.settings.epochs] * 2)) for numbers in of_each]


def network_of(case, k):
    """Return the case of the k-th of many networks, as tests/drivers/training.cpp makes it."""
    n, e = case.examples.n_examples - k, case.examples
    weight = None if e.weight is None else e.weight[:n]
    own = msgspec.structs.replace(case.settings, seed=case.settings.seed + k)
    return Case(case.network, SimpleNamespace(X=e.X[:n], Y=e.Y[:n], weight=weight), own)


def some_case(number, batch, precision):
    """Return a case of which the `number`-th activation, ending, optimiser and shape are."""
    sizes = SHAPES[number % len(SHAPES)]
    output, loss = ENDINGS[number % len(ENDINGS)]
    smooth = [name for name in TRAINABLE if precision == "float64" or "relu" not in name]
    if precision == "float32" and "relu" in output:
        output, loss = "linear", "half_squared_error"
    activations = (*[smooth[number % len(smooth)]] * (len(sizes) - 2), output)
    values = {
        "optimizer": [*OPTIMIZERS][number % len(OPTIMIZERS)],
        "schedule": [*SCHEDULES][number % len(SCHEDULES)],
        "l2": [0.0, 0.01][number // 2 % 2],
        "weight_limit": [None, 0.3][number // 3 % 2],
        "epsilon": 1e-4,
        "learning_rate": 0.01,
        "epochs": 2 if precision == "float64" else 1,
    }
    values |= {"batch": batch, "precision": precision, "bias": number % 4 != 1, "weighted": number % 3 == 1}
    n = 260 if batch == 0 else 20
    return make_case(number, sizes, activations, loss, n=n, reach=0.3, **values)


def test_the_kernels_for_arm_train_as_the_obvious_one_does_here(tmp_path):
    program = build("training", "neon", tmp_path)
    choices = [(batch, kernel) for batch in (1, 2, 7, 0) for kernel in core.compiled.kernels(batch or 260)]
    for precision in PRECISIONS:
        for number, (batch, kernel) in enumerate(4 * choices):
            case = some_case(number, batch, precision)
            n_networks = (1, 3, 7, 19)[number // len(choices)] if kernel == "many" else 1
            for k, found in enumerate(trained(program, case, kernel, n_networks)):
                own = network_of(case, k)
                here = trainer_of(own, own.examples, kernel="plain")
                assert here.run(FOR_EVER) == "finished"
                state, near, what = here.state(), NEAR[precision], (precision, number, batch, kernel, k)
                losses, validation_losses, parameters = found
                assert losses == pytest.approx(state["losses"], rel=near), what
                assert validation_losses == pytest.approx(state["validation_losses"], rel=near), what
                assert difference(parameters, here.parameters) <= near, what
