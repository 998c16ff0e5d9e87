from math import exp

from model import _TEMPERATURE


def _softmax(sums):
    largest = max(sums)
    powers = [exp((s - largest) / _TEMPERATURE) for s in sums]
    whole = 0.0
    for power in powers:
        whole = whole + power
    return [power / whole for power in powers]
