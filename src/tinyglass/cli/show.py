"""The verb show: a trained network, number by number."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..printing import print_json, print_network
from .models import load_model, path_of_run, same_network
from .options import AddVerb, add_json, add_model
from .reproducing import reproduce


def add_verb(add: AddVerb) -> None:
    verb = add(
        "show", show_verb, "show a trained network: layers, every weight, settings, how to reproduce it"
    )
    add_model(verb)
    add_json(verb)


def show_verb(options: argparse.Namespace) -> int:
    """Show a network: layers, every weight, settings, how to reproduce it."""
    import msgspec

    from ..runs import Run

    network, about = load_model(options.model)
    run_path = path_of_run(options.model)
    run = Run.load(run_path) if run_path.exists() else None
    if run is not None and not same_network(run.network, network):
        print(f"tinyglass: {run_path} is of another training than the model, and not shown.", file=sys.stderr)
        run = None
    folder = run_path.parent
    if options.json:
        facts: dict[str, Any] = {
            "layers": [
                {
                    "name": name,
                    "n_inputs": layer.n_inputs,
                    "n_outputs": layer.n_outputs,
                    "activation": layer.activation,
                    "weights": layer.weights.tolist(),
                    "bias": None if layer.bias is None else layer.bias.tolist(),
                }
                for name, layer in zip(network.layer_names, network.layers, strict=True)
            ],
            "classes": None if network.classes is None else list(network.classes),
            "inputs": list(network.input_names),
            "preparation": None
            if network.preparation is None
            else msgspec.structs.asdict(network.preparation),
            "precision": network.dtype.name,
            "threshold": network.threshold,
            "n_weights": network.n_weights,
            "sha256": network.digest,
            "fingerprint": about.get("fingerprint"),
        }
        if run is not None:
            facts |= {
                "settings": msgspec.structs.asdict(run.settings),
                "epochs": run.epochs,
                "outcome": run.outcome,
                "seconds": run.seconds,
                "reproduce": reproduce(run, folder),
            }
        print_json(facts)
        return 0
    print_network(network, run, "" if run is None else reproduce(run, folder))
    return 0
