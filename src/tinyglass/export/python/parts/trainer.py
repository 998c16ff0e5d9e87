# ruff: noqa: SIM105, SIM115 (contextlib is not on boards)
import os
from array import array

from model import MODEL, answer, prepare
from trainer import (
    _ACTIVATIONS,
    _HAS_BIAS,
    _N_FIXED,
    _N_WEIGHTS,
    _SIZES,
    _SLOPES,
    LEARNING_RATE,
    PART,
    _finished,
    _loss,
    _trained,
    expected_outputs,
)


class Trainer:
    """Weights that learn from one recording at a time.

    They stand in one array, layer by layer: of each neuron its bias, or 0, then its weights.
    """

    def __init__(self):
        self.weights = array("f", range(_N_WEIGHTS))
        self.reset()

    def reset(self):
        """Forget all that was learnt."""
        # The weights of model.py stand at the end of this file, where they take no memory.
        i = 0
        number = bytearray()
        with open(__file__) as lines:
            for line in lines:
                if line[:3] != "#: ":
                    continue
                line = line.strip()
                for place in range(3, len(line), 2):
                    number.append(int(line[place : place + 2], 16))
                    if len(number) == 4:
                        self.weights[i] = array("f", bytes(number))[0]
                        i += 1
                        number = bytearray()

    def predict_raw(self, readings):
        """Return the answer for readings, as `predict_raw` of model.py, with what was learnt."""
        return answer(self.predict(prepare(readings)))

    def predict(self, inputs):
        """Return the outputs for prepared inputs, as `predict` of model.py."""
        return _finished(self._feed(inputs)[-1])

    def learn(self, readings, label, rate=LEARNING_RATE):
        """Go one step towards the label, or the quantity; return the loss before it."""
        return self.step(prepare(readings), expected_outputs(label), rate)

    def step(self, inputs, expected, rate=LEARNING_RATE):
        """Do the same with prepared inputs and expected outputs."""
        signals = self._feed(inputs)
        outputs = _trained(signals[-1])
        slope = _SLOPES[-1]
        deltas = []
        for j in range(len(outputs)):
            delta = outputs[j] - expected[j]
            deltas.append(delta * slope(outputs[j]) if slope else delta)
        begin = _N_WEIGHTS
        for layer in range(len(_SIZES) - 2, -1, -1):
            given = signals[layer]
            begin -= len(deltas) * (len(given) + 1)
            behind = self._passed_back(begin, given, deltas, _SLOPES[layer - 1]) if begin > _N_FIXED else None
            self._update(begin, given, deltas, rate, _HAS_BIAS[layer])
            if behind is None:
                break
            deltas = behind
        return _loss(outputs, expected)

    def _feed(self, x):
        # The outputs of every layer, the inputs first; softmax is left to others.
        weights = self.weights
        signals = [x]
        i = 0
        for layer in range(len(_SIZES) - 1):
            activate = _ACTIVATIONS[layer]
            outputs = []
            for _ in range(_SIZES[layer + 1]):
                total = weights[i]
                for value in x:
                    i += 1
                    total = total + weights[i] * value
                i += 1
                outputs.append(activate(total) if activate else total)
            x = outputs
            signals.append(x)
        return signals

    def _passed_back(self, begin, given, deltas, slope):
        # The deltas of the layer before.
        weights = self.weights
        behind = []
        for i in range(len(given)):
            error = 0.0
            place = begin + 1 + i
            for delta in deltas:
                error = error + weights[place] * delta
                place += len(given) + 1
            behind.append(error * slope(given[i]) if slope else error)
        return behind

    def _update(self, i, given, deltas, rate, has_bias):
        weights = self.weights
        for delta in deltas:
            if has_bias:
                weights[i] = weights[i] - rate * delta
            for value in given:
                i += 1
                weights[i] = weights[i] - rate * (delta * value)
            i += 1

    def save(self, path="trained.bin"):
        """Keep what was learnt: at every time there is a whole file, of this name or with .new behind it."""
        check = 0
        for i in range(_N_FIXED, _N_WEIGHTS, 16):
            check = _checked(check, bytes(memoryview(self.weights)[i : i + 16]))
        with open(path + ".new", "wb") as file:
            file.write(f"{MODEL} {PART} {check}\n".encode())
            file.write(memoryview(self.weights)[_N_FIXED:])
        try:
            os.remove(path)
        except OSError:
            pass
        os.rename(path + ".new", path)

    def load(self, path="trained.bin"):
        """Take up what was learnt; a damaged file, or one of another network, is refused."""
        try:
            file = open(path, "rb")
        except OSError:
            file = open(path + ".new", "rb")
        with file:
            head = file.readline()
            check = n = 0
            piece = file.read(64)
            while piece:
                check = _checked(check, piece)
                n += len(piece)
                piece = file.read(64)
            if head != f"{MODEL} {PART} {check}\n".encode() or n != 4 * (_N_WEIGHTS - _N_FIXED):
                raise ValueError(path + " is not what this network learnt")
            file.seek(len(head))
            for i in range(_N_FIXED, _N_WEIGHTS):
                self.weights[i] = array("f", file.read(4))[0]

    def forget(self, path="trained.bin"):
        """Reset, and remove what was saved."""
        self.reset()
        for name in (path + ".new", path):
            try:
                os.stat(name)
            except OSError:
                continue
            os.remove(name)


def _checked(check, piece):
    # A sum over all bytes so far, in which each has its weight.
    for byte in piece:
        check = (check * 257 + byte + 1) % 65521
    return check
