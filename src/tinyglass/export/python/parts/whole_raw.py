from model import CHANNELS, _int8, _whole


def _raw(readings, inputs):
    for row in readings:
        for channel in range(len(CHANNELS)):
            inputs.append(_int8(_whole(row[channel], channel), channel))
