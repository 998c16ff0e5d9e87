"""Says all the time what is happening: each prediction is about the last model.READINGS readings."""

import model
from answers import say
from kit import light
from matching import columns, period_ms
from rhythm import Rhythm
from sensor import read

window = [[0.0] * len(columns) for _ in range(model.READINGS)]  # the oldest reading first
missing = model.READINGS  # readings until the next prediction
rhythm = Rhythm(period_ms)
light(True)
while True:
    rhythm.wait()
    if rhythm.late() > period_ms:
        print(f"> Too slow by {rhythm.late()} ms: the window begins anew")
        rhythm = Rhythm(period_ms)
        missing = model.READINGS
    rhythm.start_reading()
    values = read()
    row = window.pop(0)  # rows are used again, so that nothing needs to be thrown away
    for place, column in enumerate(columns):
        row[place] = values[column]
    window.append(row)
    missing -= 1
    if missing == 0:
        missing = model.HOP or model.READINGS
        say(*model.predict_raw(window))
