from model import CHANNELS, READINGS


def _check(readings):
    n = len(readings)
    if n != READINGS or [row for row in readings if len(row) != len(CHANNELS)]:
        raise ValueError("expected %d readings of %d numbers" % (READINGS, len(CHANNELS)))
