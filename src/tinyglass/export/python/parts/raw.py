from model import _RAW_OFFSET, _RAW_SCALE, CHANNELS


def _raw(readings, inputs):
    for row in readings:
        for channel in range(len(CHANNELS)):
            inputs.append((row[channel] - _RAW_OFFSET[channel]) / _RAW_SCALE[channel])
