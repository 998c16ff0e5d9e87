"""Default settings on public sets of recordings, beside three usual methods on the same inputs.

The sets are not part of the repository; without them nothing is measured. Give names to measure some of them:

    .venv/bin/python benchmarks/sets.py wand_nanguoyu GunPoint
"""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from tinyglass import Settings, prepare, read_recordings, train
from tinyglass.choice import count_copies
from tinyglass.preparation import find_classes, prepare_inputs
from tinyglass.recordings import Recording
from tinyglass.splits import find_split
from tinyglass.units import same_channels, same_units

DATA = Path(__file__).parents[2] / "shared" / "data"
SEEDS = 5
SETS = {
    "wand_nanguoyu": ("wand_nanguoyu/data/train", "wand_nanguoyu/data/test", {}),
    "microbit_createai": ("microbit_createai/wand-data-samples.json", None, {}),
    "BasicMotions": ("ucr/BasicMotions_TRAIN.ts", "ucr/BasicMotions_TEST.ts", {}),
    "GunPoint": ("ucr/GunPoint_TRAIN.ts", "ucr/GunPoint_TEST.ts", {}),
    "PickupGestureWiimoteZ": ("ucr/PickupGestureWiimoteZ_TRAIN.ts", "ucr/PickupGestureWiimoteZ_TEST.ts", {}),
    "ei_exercise": ("ei_exercise/data/training", "ei_exercise/data/testing", {}),
    "ei_xiao": ("ei_xiao", None, {}),
    "ei_lab5_cbor": ("ei_lab5_cbor", None, {}),
    "emlearn_cgestures": ("emlearn_cgestures/raw", None, {}),
    "arduino_imu": ("arduino_imu", None, {"person": r"a\d+"}),
    "ei_esp_motion": ("ei_esp_motion", None, {}),
    "wand_digits": ("wand_digits", None, {}),
    "tinyspark": ("tinyspark", None, {}),
}
ONLY = {"arduino_imu": ("punch", "flex")}


def recordings_of(name: str) -> list[Recording]:
    """Return a set's recordings, those of a test part marked so."""
    path, test, groups = SETS[name]
    data = read_recordings(DATA / path, groups=groups)
    data = replace(data, recordings=tuple(r for r in data if r.label in ONLY.get(name, (r.label,))))
    recordings = list(same_channels(data))
    if test is not None:
        recordings = [replace(r, split="train") for r in recordings]
        recordings += [replace(r, split="test") for r in read_recordings(DATA / test)]
    return same_units(recordings)[0]


def measure(name: str) -> str:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier

    recordings = recordings_of(name)
    classes = find_classes(recordings)
    expected = np.array([classes.index(r.label) for r in recordings])
    split = find_split(recordings, classification=True)
    right: dict[str, np.ndarray] = {
        method: np.zeros((SEEDS, len(recordings)), bool)
        for method in ("tinyglass", "1-NN", "random forest", "MLP")
    }
    slowest = 0.0
    for fold in split.folds:
        part, tested = ([recordings[i] for i in places] for places in (fold.train, fold.test))
        began = time.perf_counter()
        run = train(part, Settings(), classes=classes)
        slowest = max(slowest, time.perf_counter() - began)
        decided = run.settings
        for seed in range(SEEDS):
            settings = msgspec.structs.replace(decided, seed=seed)
            network = run.network if seed == 0 else train(part, settings, classes=classes).network
            copies = count_copies(part, settings, settings.augment)
            examples = prepare(part, network.preparation, classes, settings.augment, copies, seed)
            X, y = examples.X, examples.Y.argmax(axis=1)
            asked = prepare_inputs(tested, network.preparation)
            right["tinyglass"][seed, fold.test] = network.outputs(asked).argmax(axis=1) == expected[fold.test]
            for method, model in {
                "1-NN": KNeighborsClassifier(1),
                "random forest": RandomForestClassifier(100, random_state=seed),
                "MLP": MLPClassifier((32,), random_state=seed, batch_size=min(32, len(X))),
            }.items():
                right[method][seed, fold.test] = model.fit(X, y).predict(asked) == expected[fold.test]
    tested_places = np.concatenate([fold.test for fold in split.folds])
    shown = []
    for own in right.values():
        values = own[:, tested_places].mean(axis=1)
        shown.append(f"{values.mean():.3f} ± {values.std(ddof=1):.3f}")
    return f"| {name} | {split.name} | " + " | ".join(shown) + f" | {slowest:.1f} |"


if __name__ == "__main__":
    if not DATA.exists():
        sys.exit(f"The sets are not here: {DATA}")
    warnings.simplefilter("ignore")
    print("| set | split | tinyglass | 1-NN | random forest | MLP | slowest training, s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for set_name in sys.argv[1:] or SETS:
        print(measure(set_name), flush=True)
