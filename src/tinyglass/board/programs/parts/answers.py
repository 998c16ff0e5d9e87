"""What is said about a prediction."""


def spoken(label, p):
    """Return a class with its probability; a number, for which there is none, alone."""
    return f"{label}" if p is None else f"{label}, p={p:.2f}"


def say(label, p):
    print("Prediction: " + spoken(label, p))
