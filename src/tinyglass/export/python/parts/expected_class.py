from model import CLASSES


def expected_outputs(label):
    """Return what is expected of the outputs: 1 for the class, 0 for the others."""
    if label not in CLASSES:
        raise ValueError("there is no class " + repr(label))
    return [1.0 if name == label else 0.0 for name in CLASSES]
