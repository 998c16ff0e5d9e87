from math import log


def _loss(outputs, expected):
    loss = 0.0
    for j in range(len(outputs)):
        if expected[j]:
            loss = loss - expected[j] * (log(outputs[j]) if outputs[j] > 1e-37 else -87.3)
    return loss
