from model import answer, predict, prepare


def predict_raw(readings):
    """Return the answer for readings."""
    return answer(predict(prepare(readings)))
