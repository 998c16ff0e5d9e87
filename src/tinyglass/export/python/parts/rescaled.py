def _rescaled(whole, multiplier, shift):
    # (whole * multiplier + 2^(shift - 1)) >> shift, in parts that fit a board's small integers.
    low = ((whole & 255) * multiplier + (1 << (shift - 1))) >> 8
    return ((whole >> 8) * multiplier + low) >> (shift - 8)
