from math import exp


def _tanh(x):
    x = -9 if x < -9 else 9 if x > 9 else x
    return 1 - 2 / (exp(x + x) + 1)
