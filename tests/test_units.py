"""Recordings are brought to one unit where both sides are known, and it is told."""

import numpy as np
import pytest

from tinyglass import DataSet, Recording, Settings, evaluate, predict, same_channels, same_units, train
from tinyglass.units import GRAVITY, convert_units

AXES = ("aX", "aY", "aZ")


def still(size: float, n: int = 40, seed: int = 0, **facts: object) -> Recording:
    """A board that is held, and moved a little: gravity along z."""
    random = np.random.default_rng(seed)
    signal = size * (np.array([0.0, 0.0, 1.0]) + 0.2 * random.normal(size=(n, 3)))
    return Recording(signal, AXES, **facts)


def test_declared_units_are_converted_to_the_commonest():
    recordings = [still(1.0, seed=i, units=("g",) * 3, source=f"{i}.csv") for i in range(3)]
    recordings.append(still(GRAVITY, seed=0, units=("m/s2",) * 3, source="3.csv"))
    converted, repairs = same_units(recordings)
    assert {r.units for r in converted} == {("g",) * 3}
    np.testing.assert_allclose(converted[3].signal, recordings[0].signal, rtol=1e-12)
    assert [(r.where, r.count) for r in repairs] == [("3.csv", 1)]
    assert "m/s2" in repairs[0].what


@pytest.mark.parametrize("most", [1.0, GRAVITY])
def test_gravity_tells_the_unit_that_is_not_declared(most):
    other = 1.0 if most != 1.0 else GRAVITY
    recordings = [still(most, seed=i, source=f"a{i}.csv, line 2") for i in range(4)]
    recordings += [still(other, seed=i, source=f"b.csv, line {i}") for i in range(2)]
    converted, repairs = same_units(recordings)
    for before, after in zip(recordings[:4], converted[:4], strict=True):
        assert after.signal.tobytes() == before.signal.tobytes()
    np.testing.assert_allclose(converted[4].signal, recordings[4].signal * most / other, rtol=1e-12)
    assert [(r.where, r.count) for r in repairs] == [("b.csv", 2)]


def test_what_gravity_does_not_tell_is_left_alone():
    unclear = [still(1.0, seed=i, source=f"{i}.csv") for i in range(3)]
    unclear.append(still(4.0, seed=9, source="9.csv"))  # neither
    assert same_units(unclear)[1] == []
    rotation = [
        Recording(r.signal * k, ("gX", "gY", "gZ")) for k, r in ((1.0, unclear[0]), (GRAVITY, unclear[1]))
    ]
    assert same_units(rotation)[1] == []
    alone = [still(GRAVITY, seed=i, source=f"{i}.csv") for i in range(3)]  # all alike: nothing to convert
    assert same_units(alone)[0] == alone


def test_units_of_different_quantities_are_never_converted():
    recording = still(1.0, units=("counts",) * 3)
    assert convert_units(recording, AXES, ("g",) * 3) is recording
    assert convert_units(recording, AXES, ("counts",) * 3) is recording


def gestures(factor: float, source: str, units: tuple[str, ...] = ()) -> list[Recording]:
    recordings = []
    for i in range(8):
        random = np.random.default_rng([i, *source.encode()])
        signal = np.array([0.0, 0.0, 1.0]) + 0.1 * random.normal(size=(40, 3))
        signal[:, i % 2] += 0.5 * np.sin(np.arange(40) / 3)
        facts = {"label": "ab"[i % 2], "source": f"{source}, line {i + 2}", "person": source}
        recordings.append(Recording(signal * factor, AXES, units, **facts))
    return recordings


def test_training_evaluation_and_prediction_convert():
    settings = Settings(inputs=("raw",), augment=(), threshold=0.0, temperature=1.0, epochs=60)
    mixed = [*gestures(1.0, "a.csv"), *gestures(1.0, "b.csv"), *gestures(GRAVITY, "c.csv")]
    run = train(mixed, settings)
    assert [told["where"] for told in run.about["converted"]] == ["c.csv"]
    score = evaluate(mixed, settings)
    assert (score.grouping, score.value) == ("person", 1.0)
    declared = train(gestures(1.0, "a.csv", ("g",) * 3), settings)
    asked = gestures(GRAVITY, "d.csv", ("m/s²",) * 3)
    assert [p.label for p in predict(declared.network, asked)] == [r.label for r in asked]


def test_recordings_with_other_channels_are_named_as_dropped():
    data = DataSet(
        (still(1.0), still(1.0, seed=1), Recording(np.zeros((5, 2)), ("x", "y"), source="other.csv"))
    )
    kept = same_channels(data)
    assert len(kept) == 2
    assert [(d.where, d.n_readings) for d in kept.dropped] == [("other.csv", 5)]
    assert same_channels(kept) is kept
