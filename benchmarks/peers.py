"""What one would use instead of tinyglass, each in the best form that it honestly has."""

from __future__ import annotations

import ctypes
import importlib
import math
import tempfile
import warnings
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from .cells import Cell, Parameters, loss_of
from .contestant import Contestant, ManyTrainer, Trainer

# ---------------------------------------------------------------- pure Python


def start_python(cell: Cell) -> Trainer:
    """Train with loops over lists, as the course does."""
    X, Y = cell.X.tolist(), cell.Y.tolist()
    weights = [w.T.astype(float).tolist() for w, _ in cell.start]  # weights[layer][neuron][input]
    biases = [b.astype(float).tolist() for _, b in cell.start]

    def train(epochs: int) -> None:
        for _ in range(epochs):
            for part in cell.batches():
                train_batch(weights, biases, X[part], Y[part], cell.rate)

    def parameters() -> Parameters:
        return [(np.array(w).T, np.array(b)) for w, b in zip(weights, biases, strict=True)]

    return Trainer(train, parameters)


def train_batch(weights: list, biases: list, X: list, Y: list, rate: float) -> None:
    """Make one update, of the mean gradient of some examples."""
    if len(X) == 1:  # nothing to average: the update is made where the gradient is known
        pass_back(weights, biases, feed_forward(weights, biases, X[0]), Y[0], weights, biases, -rate)
        return
    weight_sums = [[[0.0] * len(row) for row in layer] for layer in weights]
    bias_sums = [[0.0] * len(layer) for layer in biases]
    for x, y in zip(X, Y, strict=True):
        pass_back(weights, biases, feed_forward(weights, biases, x), y, weight_sums, bias_sums, 1.0)
    for l in range(len(weights)):
        for j in range(len(weights[l])):
            row, sums = weights[l][j], weight_sums[l][j]
            for i in range(len(row)):
                row[i] -= rate * sums[i] / len(X)
            biases[l][j] -= rate * bias_sums[l][j] / len(X)


def feed_forward(weights: list, biases: list, x: list) -> list:
    """Return the outputs of every layer, the inputs first."""
    signals = [x]
    for l in range(len(weights)):
        inputs, outputs = signals[-1], []
        for j in range(len(weights[l])):
            total, row = biases[l][j], weights[l][j]
            for i in range(len(row)):
                total += row[i] * inputs[i]
            outputs.append(total)
        if l < len(weights) - 1:
            signals.append([1 / (1 + math.exp(-s)) for s in outputs])
        else:
            exponentials = [math.exp(s - max(outputs)) for s in outputs]
            signals.append([e / sum(exponentials) for e in exponentials])
    return signals


def pass_back(
    weights: list, biases: list, signals: list, y: list, to: list, to_biases: list, factor: float
) -> None:
    """Add factor times the gradient of one example to `to`, which may be the weights themselves."""
    deltas = [o - e for o, e in zip(signals[-1], y, strict=True)]
    for l in reversed(range(len(weights))):
        inputs = signals[l]
        before = [0.0] * len(inputs)
        if l:  # the inputs themselves are given: no error is passed back to them
            for j in range(len(deltas)):
                delta, row = deltas[j], weights[l][j]
                for i in range(len(inputs)):
                    before[i] += delta * row[i]
        for j in range(len(deltas)):
            step, changed = factor * deltas[j], to[l][j]
            for i in range(len(inputs)):
                changed[i] += step * inputs[i]
            to_biases[l][j] += step
        deltas = [d * x * (1 - x) for d, x in zip(before, inputs, strict=True)]


# ---------------------------------------------------------------- NumPy


def start_numpy(cell: Cell) -> Trainer:
    """Train with arrays, every result written into memory that is there already."""
    parameters = [(w.copy(), b.copy()) for w, b in cell.start]
    gradients = [np.empty_like(w) for w, _ in parameters]
    n_layers, rate = len(parameters), np.float32(cell.rate)
    signals = [np.empty((cell.batch, n), np.float32) for n in cell.sizes]  # [0] is not used
    deltas = [np.empty((cell.batch, n), np.float32) for n in cell.sizes]

    def update(x: np.ndarray, y: np.ndarray) -> None:
        n = len(x)
        outputs = [x, *(s[:n] for s in signals[1:])]
        for l, (w, b) in enumerate(parameters):
            s = outputs[l + 1]
            np.matmul(outputs[l], w, out=s)
            s += b
            if l < n_layers - 1:
                np.negative(s, out=s)
                np.exp(s, out=s)
                s += 1
                np.reciprocal(s, out=s)
        s -= s.max(axis=1, keepdims=True)
        np.exp(s, out=s)
        s /= s.sum(axis=1, keepdims=True)
        s -= y
        s *= rate / n
        delta = s
        for l in reversed(range(n_layers)):
            (w, b), x = parameters[l], outputs[l]
            np.matmul(x.T, delta, out=gradients[l])
            b -= delta.sum(axis=0)
            if l:
                before = deltas[l][:n]
                np.matmul(delta, w.T, out=before)
                before *= x
                np.subtract(1, x, out=x)
                before *= x
                delta = before
            w -= gradients[l]

    def train(epochs: int) -> None:
        for _ in range(epochs):
            for part in cell.batches():
                update(cell.X[part], cell.Y[part])

    return Trainer(train, lambda: parameters)


# ---------------------------------------------------------------- scikit-learn


def start_sklearn(cell: Cell) -> Trainer:
    """Train an MLPClassifier, warm-started at the given weights."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        cell.sizes[1:-1],
        activation="logistic",
        solver="sgd",
        alpha=0.0,
        batch_size=cell.batch,
        learning_rate_init=cell.rate,
        shuffle=False,
        momentum=0.0,
        nesterovs_momentum=False,
        tol=0.0,
        n_iter_no_change=2**31 - 1,  # it never stops early
        warm_start=True,
        max_iter=1,
    )
    # Two classes would get one logistic output. As a table of two columns they get two outputs, and the
    # activation of these can be set: softmax and cross-entropy, as everyone has.
    Y = cell.Y.astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model.fit(cell.X[:1], Y[:1])
    model.out_activation_ = "softmax"
    model.coefs_ = [w.copy() for w, _ in cell.start]
    model.intercepts_ = [b.copy() for _, b in cell.start]

    def train(epochs: int) -> None:
        model.max_iter = epochs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(cell.X, Y)

    return Trainer(train, lambda: list(zip(model.coefs_, model.intercepts_, strict=True)))


# ---------------------------------------------------------------- PyTorch


def start_torch(cell: Cell, threads: int) -> Trainer:
    """Train with layers, a loss and an optimiser, batch by batch: the loop of every tutorial."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    layers: list[Any] = []
    for w, b in cell.start:
        layer = nn.Linear(*w.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w.T.copy()))
            layer.bias.copy_(torch.from_numpy(b))
        layers += [layer, nn.Sigmoid()]
    network = nn.Sequential(*layers[:-1])
    loss_function = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=cell.rate)
    X = torch.from_numpy(cell.X.copy()).split(cell.batch)
    Y = torch.from_numpy(cell.Y.argmax(axis=1)).split(cell.batch)

    def train(epochs: int) -> None:
        torch.set_num_threads(threads)
        for _ in range(epochs):
            for x, y in zip(X, Y, strict=True):
                optimizer.zero_grad()
                loss_function(network(x), y).backward()
                optimizer.step()

    def parameters() -> Parameters:
        found = [p.detach().numpy() for p in network.parameters()]
        return [(w.T, b) for w, b in zip(found[::2], found[1::2], strict=True)]

    return Trainer(train, parameters)


# ---------------------------------------------------------------- JAX


def jax_update(parameters: Any, x: Any, y: Any, rate: float) -> Any:
    """Return the parameters after one update."""
    import jax
    import jax.numpy as jnp

    def loss(parameters: Any) -> Any:
        signal = x
        for w, b in parameters[:-1]:
            signal = jax.nn.sigmoid(signal @ w + b)
        w, b = parameters[-1]
        return -jnp.sum(y * jax.nn.log_softmax(signal @ w + b)) / len(x)

    return jax.tree.map(lambda p, g: p - rate * g, parameters, jax.grad(loss)(parameters))


def jax_epochs(parameters: Any, X: Any, Y: Any, rate: float, epochs: Any) -> Any:
    """Return the parameters after some epochs; X and Y are (n_batches, batch, n)."""
    import jax

    def update(parameters: Any, batch: Any) -> Any:
        x, y = batch
        return jax_update(parameters, x, y, rate), None

    def epoch(_: int, parameters: Any) -> Any:
        return jax.lax.scan(update, parameters, (X, Y))[0]

    return jax.lax.fori_loop(0, epochs, epoch, parameters)


def start_jax(cell: Cell) -> Trainer:
    """Train a whole run of epochs in one compiled program: a scan over the batches."""
    import jax
    import jax.numpy as jnp

    X, Y = (jnp.asarray(a.reshape(-1, cell.batch, a.shape[1])) for a in (cell.X, cell.Y))
    state = [jax.tree.map(jnp.asarray, cell.start)]
    run = jax.jit(jax_epochs)

    def train(epochs: int) -> None:
        state[0] = jax.block_until_ready(run(state[0], X, Y, cell.rate, epochs))

    train(0)  # compiles
    return Trainer(train, lambda: [(np.asarray(w), np.asarray(b)) for w, b in state[0]])


# ---------------------------------------------------------------- FANN

SIGMOID, LINEAR_ERROR, INCREMENTAL, WHOLE_BATCH = 3, 0, 0, 1  # as fann_data.h numbers them


def fann_library() -> ctypes.CDLL:
    """Return FANN's own functions: the wrapper that brings them takes one example a call, which is slower."""
    library = ctypes.CDLL(importlib.import_module("cynn.fann").__file__)
    for name in ("fann_create_standard_array", "fann_create_train_array", "fann_subset_train_data"):
        getattr(library, name).restype = ctypes.c_void_p
    library.fann_train_epoch.restype = ctypes.c_float
    return library


def start_fann(cell: Cell) -> Trainer:
    """Train with FANN: sigmoid outputs and squared error, for it has no softmax."""
    library, sizes = fann_library(), (ctypes.c_uint * len(cell.sizes))(*cell.sizes)
    network = ctypes.c_void_p(library.fann_create_standard_array(len(sizes), sizes))
    for part in ("hidden", "output"):
        getattr(library, f"fann_set_activation_function_{part}")(network, SIGMOID)
        # Its sigmoid is 1 / (1 + exp(-2 steepness s)).
        getattr(library, f"fann_set_activation_steepness_{part}")(network, ctypes.c_float(0.5))
    library.fann_set_train_error_function(network, LINEAR_ERROR)
    library.fann_set_training_algorithm(network, INCREMENTAL if cell.batch == 1 else WHOLE_BATCH)
    library.fann_set_learning_rate(network, ctypes.c_float(cell.rate))
    # A neuron's weights stand together, its bias last.
    weights = np.concatenate([np.vstack([w, b]).T.ravel() for w, b in cell.start]).astype(np.float32)
    library.fann_set_weights(network, weights.ctypes.data_as(ctypes.c_void_p))

    X, Y = np.ascontiguousarray(cell.X), np.ascontiguousarray(cell.Y)
    tables = [part for a in (X, Y) for part in (ctypes.c_uint(a.shape[1]), a.ctypes.data_as(ctypes.c_void_p))]
    everything = ctypes.c_void_p(library.fann_create_train_array(ctypes.c_uint(len(X)), *tables))
    batches = [everything]
    if cell.batch > 1:
        batches = [
            ctypes.c_void_p(
                library.fann_subset_train_data(
                    everything, ctypes.c_uint(part.start), ctypes.c_uint(part.stop - part.start)
                )
            )
            for part in cell.batches()
        ]
        library.fann_destroy_train(everything)

    def train(epochs: int) -> None:
        for _ in range(epochs):
            for batch in batches:
                library.fann_train_epoch(network, batch)

    def parameters() -> Parameters:
        library.fann_get_weights(network, weights.ctypes.data_as(ctypes.c_void_p))
        found, end = [], 0
        for n_in, n_out in pairwise(cell.sizes):
            layer = weights[end : end + (n_in + 1) * n_out].reshape(n_out, n_in + 1)
            found.append((layer[:, :-1].T.copy(), layer[:, -1].copy()))
            end += layer.size
        return found

    return Trainer(train, parameters)


# ---------------------------------------------------------------- KANN


def start_kann(cell: Cell) -> Trainer:
    """Train with KANN: the same network and loss, but shuffled and by RMSprop, for it has no SGD."""
    from cynn import kann

    kann.set_verbose(0)
    graph = kann.GraphBuilder()
    node = graph.input(cell.sizes[0])
    for n in cell.sizes[1:-1]:
        node = graph.sigmoid(graph.dense(node, n))
    network = graph.build(graph.softmax_cross_entropy(node, cell.sizes[-1]))
    weights = np.concatenate([part for w, b in cell.start for part in (w.T.ravel(), b)]).astype("<f4")
    with tempfile.TemporaryDirectory() as folder:  # a file is the only door by which weights come in
        path = Path(folder) / "network"
        network.save(str(path))
        saved = path.read_bytes()
        end = len(saved) - 4 * network.n_const
        path.write_bytes(saved[: end - weights.nbytes] + weights.tobytes() + saved[end:])
        network = kann.KannNeuralNetwork.load(str(path))
    X, Y = np.ascontiguousarray(cell.X), np.ascontiguousarray(cell.Y)
    ours, its = loss_of(cell.start, X, Y), network.cost(X, Y)
    if abs(its - ours) > 1e-3 * ours:
        raise ValueError(f"KANN starts at a loss of {its:g}, everyone else at {ours:g}")

    def train(epochs: int) -> None:
        network.train(X, Y, 0.001, cell.batch, epochs, 0, epochs, 0.0)

    return Trainer(train, None)


# ---------------------------------------------------------------- all of them

PEERS = (
    Contestant(
        "JAX",
        start_jax,
        "jax",
        whole=True,
        remark="jit over whole epochs, lax.scan over the batches; compiling is not timed; its threads: all",
    ),
    *(
        Contestant(
            f"PyTorch {threads}",
            partial(start_torch, threads=threads),
            "torch",
            remark=f"nn.Linear, CrossEntropyLoss, optim.SGD, eager; threads: {threads}",
        )
        for threads in (1, 2)
    ),
    Contestant("NumPy", start_numpy, "numpy", remark="whole batches, in place; its BLAS's threads: all"),
    Contestant(
        "scikit-learn",
        start_sklearn,
        "scikit-learn",
        remark="MLPClassifier, warm-started at the given weights, whole epochs in one fit; for two classes it "
        "is made to have two softmax outputs, as everyone has",
    ),
    Contestant(
        "FANN",
        start_fann,
        "cynn",
        maths="squared",
        remark="its C functions, called directly; it has no softmax: sigmoid outputs and squared error",
    ),
    Contestant(
        "KANN",
        start_kann,
        "cynn",
        maths="other",
        remark="the same network and loss; it has no SGD and no fixed order: RMSprop, shuffled",
    ),
    Contestant("pure Python", start_python, remark="loops over lists, as in the course; float64"),
)


MODULES = {"scikit-learn": "sklearn", "cynn": "cynn.kann"}


def why_missing(peer: Contestant) -> str | None:
    """Return why a peer is not there, or None where it is; imports it."""
    try:
        importlib.import_module(MODULES.get(peer.package, peer.package) or "math")
    except ImportError as error:
        return f"{peer.package} is not installed ({error})"
    return None


def find_peers() -> tuple[list[Contestant], dict[str, str]]:
    """Return the peers that are installed, and why others are not there."""
    reasons = {peer.name: why_missing(peer) for peer in PEERS}
    missing = {name: reason for name, reason in reasons.items() if reason}
    return [peer for peer in PEERS if peer.name not in missing], missing


def start_jax_many(cells: list[Cell]) -> ManyTrainer:
    """Train many cells side by side: `vmap` of the program that trains one."""
    import jax
    import jax.numpy as jnp

    def stacked(tables: list[np.ndarray]) -> Any:  # (n_cells, n_batches, batch, n)
        return jnp.asarray(np.stack(tables).reshape(len(cells), -1, cells[0].batch, tables[0].shape[1]))

    X, Y = stacked([cell.X for cell in cells]), stacked([cell.Y for cell in cells])
    state = [jax.tree.map(lambda *layers: jnp.asarray(np.stack(layers)), *(cell.start for cell in cells))]
    rates = jnp.array([c.rate for c in cells], jnp.float32)
    run = jax.jit(jax.vmap(jax_epochs, in_axes=(0, 0, 0, 0, None)))

    def train(epochs: int) -> None:
        state[0] = jax.block_until_ready(run(state[0], X, Y, rates, epochs))

    train(0)  # compiles

    def parameters() -> list[Parameters]:
        layers = [(np.asarray(w), np.asarray(b)) for w, b in state[0]]
        return [[(w[k], b[k]) for w, b in layers] for k in range(len(cells))]

    return ManyTrainer(train, parameters)
