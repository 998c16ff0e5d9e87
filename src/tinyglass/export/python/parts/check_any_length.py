from model import CHANNELS


def _check(readings):
    if not len(readings) or [row for row in readings if len(row) != len(CHANNELS)]:
        raise ValueError("expected readings of %d numbers" % len(CHANNELS))
