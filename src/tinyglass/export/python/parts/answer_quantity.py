def _place(outputs):
    return 0


def answer(outputs):
    """Return the quantity, and None."""
    return outputs[0], None
