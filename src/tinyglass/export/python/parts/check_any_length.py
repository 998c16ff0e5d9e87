from model import CHANNELS


def _check(readings):
    if not len(readings) or [row for row in readings if len(row) != len(CHANNELS)]:
        raise ValueError(f"expected rows of length {len(CHANNELS)}")
