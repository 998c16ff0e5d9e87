from model import CLASSES


def _expected(label):
    if label not in CLASSES:
        raise ValueError("there is no class " + repr(label))
    return [1.0 if name == label else 0.0 for name in CLASSES]
