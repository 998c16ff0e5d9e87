from model import _GAPS, _STEPS, CHANNELS, _int8, _whole


def _raw(readings, inputs):
    # Along straight lines between the readings, so that there are always as many.
    last = len(readings) - 1
    for step in range(_STEPS):
        before, rest = divmod(step * last, _GAPS)
        row = readings[before]
        after = readings[min(before + 1, last)]
        for channel in range(len(CHANNELS)):
            whole = _whole(row[channel], channel) * (_GAPS - rest) + _whole(after[channel], channel) * rest
            inputs.append(_int8(whole // _GAPS, channel))
