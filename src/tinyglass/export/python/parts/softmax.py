from math import exp


def _softmax(sums):
    largest = max(sums)
    powers = [exp(s - largest) for s in sums]
    whole = 0.0
    for power in powers:
        whole = whole + power
    return [power / whole for power in powers]
