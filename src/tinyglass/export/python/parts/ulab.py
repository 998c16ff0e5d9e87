from struct import unpack_from

from model import _BLOCK

try:
    from ulab import numpy as ulab
except ImportError:
    ulab = None


def _matrix(weights, biases):
    # A row for each neuron: its bias, which is the weight of an input 1, and its weights.
    if ulab is None:
        return None
    rows = [[bias] for bias in unpack_from(biases, weights)]
    place = 4 * len(rows)
    while place < len(weights):
        for row in rows:
            row.extend(unpack_from(f"<{_BLOCK}f", weights, place))
            place += 4 * _BLOCK
    return ulab.array(rows)


def _product(matrix, x):
    column = [1.0]
    column.extend(x)
    while len(column) < matrix.shape[1]:
        column.append(0.0)
    column = ulab.array(column).reshape((len(column), 1))
    return list(ulab.dot(matrix, column).flatten())
