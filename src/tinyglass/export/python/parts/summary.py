from math import sqrt

from model import _SUMMARY_OFFSET, _SUMMARY_SCALE, CHANNELS


def _summary(readings, inputs):
    # Of each channel: mean, root of the deviation, minimum, quartiles, maximum and root of the change.
    n = len(readings)
    n_channels = len(CHANNELS)
    begin = len(inputs)
    inputs.extend([0.0] * (8 * n_channels))
    for channel in range(n_channels):
        column = [row[channel] for row in readings]
        mean = column[0]
        change = 0.0
        for t in range(1, n):
            mean = mean + column[t]
            change = change + abs(column[t] - column[t - 1])
        mean = mean / n
        squares = 0.0
        for x in column:
            squares = squares + (x - mean) * (x - mean)
        column.sort()
        values = [mean, sqrt(sqrt(squares / n)), column[0]]
        for quarter in (1, 2, 3):
            place, rest = divmod(quarter * (n - 1), 4)
            share = rest / 4
            values.append(column[place] * (1 - share) + column[min(place + 1, n - 1)] * share)
        values.append(column[-1])
        values.append(sqrt(change / (n - 1)) if n > 1 else 0.0)
        at = channel
        for value in values:
            inputs[begin + at] = (value - _SUMMARY_OFFSET[at]) / _SUMMARY_SCALE[at]
            at += n_channels
