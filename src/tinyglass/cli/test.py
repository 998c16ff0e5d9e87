"""The verb test: score a trained network on labelled recordings."""

from __future__ import annotations

import argparse
from typing import Any

from ..printing import print_confusion, print_json, print_table, score_rows
from .models import load_model
from .options import AddVerb, add_json, add_model_and_path
from .reading import read_asked


def add_verb(add: AddVerb) -> None:
    verb = add("test", test_verb, "score a trained network on labelled recordings")
    add_model_and_path(verb)
    add_json(verb)


def test_verb(options: argparse.Namespace) -> int:
    """Score a network on labelled recordings."""
    from ..evaluation import score_network

    network, _ = load_model(options.model)
    recordings = read_asked(options)
    score = score_network(network, recordings)
    if options.json:
        facts: dict[str, Any] = {
            score.name: score.value,
            "interval": list(score.interval),
            "n_test": score.n_test,
        }
        if score.classes is not None:
            facts |= {"classes": list(score.classes), "confusion": score.confusion.tolist()}
        else:
            facts["mean_absolute_error"] = score.mean_absolute_error
        print_json(facts | {"sha256": network.digest})
        return 0
    print_table(score_rows(score, len(recordings)), f"{options.model} on {options.path}")
    if score.classes is not None:
        print_confusion(score)
    return 0
