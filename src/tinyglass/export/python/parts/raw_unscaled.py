def _raw(readings, inputs):
    for row in readings:
        inputs.extend(row)
