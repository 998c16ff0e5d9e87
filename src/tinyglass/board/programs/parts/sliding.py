"""Says all the time what is happening: each prediction is about the last model.READINGS readings."""

import model
from answers import say
from kit import light, wait
from matching import columns, period_ms
from predictor import attend, predict
from rhythm import Rhythm
from sensor import read

window = [[0.0] * len(columns) for _ in range(model.READINGS)]  # the oldest reading first
missing = model.READINGS  # readings until the next prediction
rhythm = Rhythm(period_ms)
light(True)
while True:
    took_time = attend()
    late = rhythm.late()
    if late < 0 and not took_time:
        wait(min(-late, 10))
        continue
    if late > period_ms or took_time:
        if not took_time:
            print(f"> Too slow by {late} ms: the window begins anew")
        rhythm = Rhythm(period_ms)
        missing = model.READINGS
        light(True)
    rhythm.start_reading()
    values = read()
    row = window.pop(0)  # rows are used again, so that nothing needs to be thrown away
    for place, column in enumerate(columns):
        row[place] = values[column]
    window.append(row)
    missing -= 1
    if missing == 0:
        missing = model.HOP or model.READINGS
        say(*predict(window))
