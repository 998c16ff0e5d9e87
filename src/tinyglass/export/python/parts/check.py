from model import CHANNELS, READINGS


def _check(readings):
    if len(readings) != READINGS or [row for row in readings if len(row) != len(CHANNELS)]:
        raise ValueError(f"expected rows of length {len(CHANNELS)}, and {READINGS} of them")
