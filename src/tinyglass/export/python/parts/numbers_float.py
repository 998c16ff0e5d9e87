def _whole_numbers(inputs):
    return b""
