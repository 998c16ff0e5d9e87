"""What the model says."""

import model

predict = model.predict_raw


def attend():
    """Do what else is asked of the board, which is nothing; return whether it took time."""
    return False
