"""What is said about a prediction."""


def say(label, p):
    """Print a class with its probability; a number, for which there is none, alone."""
    if p is None:
        print(f"Prediction: {label}")
    else:
        print(f"Prediction: {label}, p={p:.2f}")
