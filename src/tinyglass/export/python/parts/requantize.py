from model import _rescaled


def _requantize(sums, multipliers, shifts, zero, lowest):
    # The sums of a layer become the int8 inputs of the next one, in place.
    for j in range(len(sums)):
        q = zero + _rescaled(sums[j], multipliers[j], shifts[j])
        sums[j] = lowest if q < lowest else 127 if q > 127 else q
