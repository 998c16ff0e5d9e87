from math import exp


def _sigmoid(x):
    return 1 / (1 + exp(88 if x < -88 else -x))
