def _loss(outputs, expected):
    loss = 0.0
    for j in range(len(outputs)):
        loss = loss + (outputs[j] - expected[j]) * (outputs[j] - expected[j])
    return loss / 2
