from model import CLASSES, THRESHOLD


def _place(outputs):
    # The place of the class; -1 if the largest output is below the threshold, or there are two.
    largest = max(outputs)
    place = -1
    for j in range(len(outputs)):
        if outputs[j] == largest:
            if place >= 0:
                return -1
            place = j
    return place if largest >= THRESHOLD else -1


def answer(outputs):
    """Return the class, or "unknown", and the largest output."""
    place = _place(outputs)
    return "unknown" if place < 0 else CLASSES[place], max(outputs)
