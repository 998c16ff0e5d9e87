def _look_up(values, table):
    # Each value's activation, in place.
    for j in range(len(values)):
        values[j] = table[values[j] + 128] - 128
