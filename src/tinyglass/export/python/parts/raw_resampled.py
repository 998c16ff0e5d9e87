from model import _GAPS, _RAW_OFFSET, _RAW_SCALE, _STEPS, CHANNELS


def _raw(readings, inputs):
    # Along straight lines between the readings, so that there are always as many.
    last = len(readings) - 1
    for step in range(_STEPS):
        before, rest = divmod(step * last, _GAPS)
        row = readings[before]
        after = readings[min(before + 1, last)]
        share = rest / _GAPS
        for channel in range(len(CHANNELS)):
            x = row[channel] * (1 - share) + after[channel] * share
            inputs.append((x - _RAW_OFFSET[channel]) / _RAW_SCALE[channel])
