"""The verb predict: what recordings are, with probabilities."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from ..printing import print_json, print_predictions
from .models import load_model
from .options import AddVerb, add_json, add_model_and_path
from .reading import read_asked

if TYPE_CHECKING:
    from ..network import Network
    from ..prediction import Prediction


def add_verb(add: AddVerb) -> None:
    verb = add("predict", predict_verb, "say what recordings are, with probabilities")
    add_model_and_path(verb)
    verb.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="less sure than this is unknown (default: the network's own)",
    )
    add_json(verb)


def predict_verb(options: argparse.Namespace) -> int:
    """Say what recordings are."""
    from ..prediction import predict

    network, _ = load_model(options.model)
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise ArgumentError(
            f"Expected a number from 0 to 1, found {options.threshold}", "--threshold", "Give such a number"
        )
    recordings = read_asked(options)
    predictions = predict(network, recordings, options.threshold)
    if options.json:
        print_json(
            {
                "predictions": [prediction_facts(p, network) for p in predictions],
                "classes": None if network.classes is None else list(network.classes),
                "threshold": network.threshold if options.threshold is None else options.threshold,
                "sha256": network.digest,
            }
        )
        return 0
    print_predictions(predictions, network)
    return 0


def prediction_facts(prediction: Prediction, network: Network) -> dict[str, Any]:
    facts: dict[str, Any] = {"source": prediction.source, "label": prediction.label}
    if network.classes is None:
        return facts
    by_class = dict(zip(network.classes, prediction.outputs, strict=True))
    return facts | {
        "best": prediction.best,
        "probability": prediction.probability,
        "probabilities": by_class if network.gives_probabilities else None,
        "outputs": by_class,
    }
