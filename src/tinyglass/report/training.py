"""The sections on the training and the network."""

from __future__ import annotations

import numpy as np

from ..figures import draw_curves, draw_network
from ..network import Network
from ..pages import details, figure, percent, table, text
from ..runs import Run
from ..settings import Settings, explain_field, show_value

MOST_WEIGHTS_LISTED = 5000


def training_curves(run: Run) -> str:
    """Show how loss and accuracy went over the epochs."""
    if not run.epochs:
        return "<p>No epoch was completed.</p>\n"
    losses = [("training", run.losses)]
    accuracies = [("training", run.accuracies)]
    if len(run.validation_losses):
        losses.append(("validation", run.validation_losses))
        accuracies.append(("validation", run.validation_accuracies))
    curves: list[tuple[str, str, list[tuple[str, np.ndarray]]]] = [("loss", "log", losses)]
    if run.network.classes is not None:
        curves.append(("accuracy", "linear", accuracies))
    best = run.best_epoch if len(run.validation_losses) else None
    at = np.unique(np.concatenate([[0], np.geomspace(1, run.epochs, 12).astype(int) - 1]))
    head = ["epoch", "loss", *(["accuracy"] if run.network.classes is not None else [])]
    columns = [run.losses, *([run.accuracies] if run.network.classes is not None else [])]
    if len(run.validation_losses):
        head.append("validation loss")
        columns.append(run.validation_losses)
    rows = [(e + 1, *(float(column[e]) for column in columns)) for e in at.tolist()]
    ending = {
        "finished": "all epochs were made",
        "stopped_early": f"stopped early, the best network is that of epoch {run.best_epoch}",
        "interrupted": "interrupted by hand",
        "diverged": "it diverged",
    }[run.outcome]
    alternative = (
        f"Curves over {run.epochs} epochs: the loss went from {run.losses[0]:.4g} to {run.losses[-1]:.4g}, "
        f"the accuracy from {run.accuracies[0]:.3g} to {run.accuracies[-1]:.3g}"
    )
    return (
        f"<p>{run.epochs} epochs and {run.updates} updates in {run.seconds:.2f} s: {text(ending)}.</p>\n"
        + figure(
            draw_curves(curves, best),
            alternative,
            "Loss and accuracy during each epoch, every example measured before the update it takes part in",
        )
        + details("The curves as numbers", table("Loss and accuracy", head, rows))
    )


def network_tables(run: Run) -> str:
    """Show the network, every weight of it, and what becomes of a recording before it."""
    network = run.network
    sizes = "-".join(map(str, network.sizes))
    layers = [
        (name, layer.n_inputs, layer.n_outputs, layer.activation, "yes" if layer.bias is not None else "no")
        for name, layer in zip(network.layer_names, network.layers, strict=True)
    ]
    preparation = "" if network.preparation is None else _preparation(network)
    alternative = (
        f"A {sizes} network with {network.n_weights} weights; their numbers stand in the tables below"
    )
    return (
        figure(
            draw_network(network),
            alternative,
            "Neurons and weights: a line's width is the weight's size; solid blue is positive, dashed orange negative",
        )
        + table(
            f"A {sizes} network, {network.n_weights} weights, {network.dtype}",
            ["layer", "inputs", "neurons", "activation", "bias"],
            layers,
        )
        + details("Every weight", _weights(run))
        + preparation
    )


def _preparation(network: Network) -> str:
    """Say what becomes of a recording before the network sees it."""
    p = network.preparation
    assert p is not None
    parts = []
    if p.window:
        parts.append(
            f"<p>Windows of {p.window} readings, one every {p.hop}; the mean of their answers counts.</p>\n"
        )
    if "raw" in p.inputs:
        steps = f"{p.n_steps} readings of each channel" + (", along straight lines" if p.resample else "")
        rows = list(zip(p.channels, p.offset, p.scale, strict=True))
        caption = f"Raw inputs, {steps}: each is (reading − offset) / scale"
        parts.append(table(caption, ["channel", "offset", "scale"], rows))
    if p.feature_scale:
        names = network.input_names[len(network.input_names) - len(p.feature_scale) :]
        rows = list(zip(names, p.feature_offset, p.feature_scale, strict=True))
        kinds = " and ".join(kind for kind in p.inputs if kind != "raw")
        caption = f"Inputs of the {kinds}: each is (value − offset) / scale"
        parts.append(details(caption, table(caption, ["input", "offset", "scale"], rows)))
    if network.classes is None:
        parts.append(f"<p>The answer is output × {p.answer_scale:.9g} + {p.answer_offset:.9g}.</p>\n")
    elif network.temperature != 1:
        parts.append(
            f"<p>Probabilities are calibrated: in a prediction, the weighted sums before softmax are divided by "
            f"{network.temperature:g}.</p>\n"
        )
    return "".join(parts)


def choice_table(run: Run) -> str:
    """Show what was tried by validation inside the training part, and by how much the best was better."""
    choice = run.choice
    if choice is None:
        return ""
    rows = []
    for candidate in choice.candidates:
        behind = choice.chosen.value - candidate.value
        gap = "chosen" if candidate is choice.chosen else f"{behind:.3f} ± {candidate.error:.3f}"
        altered = " + ".join(candidate.augment) or "none"
        rows.append((" + ".join(candidate.inputs), altered, candidate.value, candidate.loss, gap))
    name = "accuracy" if run.network.classes else "R²"
    kept = "" if choice.grouping == "recording" else f", no {choice.grouping} on both sides"
    words = (
        f"<p>{choice.n_recordings} recordings of the training part were left out in {choice.n_folds} parts"
        f"{text(kept)}; each candidate was trained on the rest. For the score, each of its parts chose anew, "
        "without what it tested.</p>\n"
    )
    if run.network.classes:
        words += (
            f"<p>Their answers also gave the temperature {choice.temperature:g}, by which probabilities are "
            f"calibrated, and the threshold {choice.threshold:.3g}, below which a gesture is <em>unknown</em>: "
            f"{percent(choice.accepted)} of the known ones reach it.</p>\n"
        )
    words = (
        "<p>The last column is how far a candidate stays behind, with its standard error. Other altered copies than "
        "the usual ones are taken only if they are better by more than that.</p>\n"
    ) + words
    return (
        table("What was tried", ["inputs", "altered copies", name, "squared error", "behind"], rows) + words
    )


def _weights(run: Run) -> str:
    network = run.network
    if network.n_weights > MOST_WEIGHTS_LISTED:
        return (
            f"<p>{network.n_weights} weights are too many for a page: see <code>tinyglass show</code>.</p>\n"
        )
    parts, names = [], list(network.input_names)
    for name, layer in zip(network.layer_names, network.layers, strict=True):
        head = ["neuron", *names, *(["bias"] if layer.bias is not None else [])]
        rows = []
        for j, row in enumerate(layer.weights):
            bias = [(str(layer.bias[j]), "number")] if layer.bias is not None else []
            rows.append((f"{name}[{j}]", *((str(weight), "number") for weight in row), *bias))
        parts.append(table(f"Weights of layer {name}: from each column to each row", head, rows))
        names = [f"{name}[{j}]" for j in range(layer.n_outputs)]
    return "".join(parts)


def setting_table(run: Run) -> str:
    """List every setting."""
    rows = [
        (name, show_value(getattr(run.settings, name)), (explain_field(name)[0], "long"))
        for name in Settings.__struct_fields__
    ]
    return details("All settings", table("Settings of this training", ["setting", "value", "meaning"], rows))


def reproduce_lines(run: Run, command: str, sha256: str) -> str:
    """Say how the same network is made again."""
    rows = [("data fingerprint", (run.fingerprint, "long")), ("seed", str(run.settings.seed))]
    if sha256:
        rows.append(("SHA-256 of the model", (sha256, "long")))
    shown = "<p>This command trains the same network again, to the bit:</p>\n"
    if run.outcome == "interrupted":
        shown = (
            f"<p>Training was ended after {run.updates} updates. <code>--resume</code> goes on from there; "
            "this command makes all epochs:</p>\n"
        )
    shown += f"<pre><code>{text(command)}</code></pre>\n"
    return (shown if command else "") + table("What it was made from", [], rows)
