"""Press button 1, wait a second, move your hand: the board says which gesture it was."""

import model
from answers import say
from kit import is_pressed, light, wait
from matching import columns, period_ms
from predictor import attend, predict
from rhythm import Rhythm
from sensor import CHANNELS, read


def record():
    """Return model.READINGS readings of the model's channels, and print them."""
    readings = []
    rhythm = Rhythm(period_ms)
    latest = 0
    for _ in range(model.READINGS):
        rhythm.wait()
        latest = max(latest, rhythm.late())
        rhythm.start_reading()
        values = read()
        reading = [values[column] for column in columns]
        print(", ".join([f"{CHANNELS[column]}={values[column]}" for column in columns]))
        readings.append(reading)
    if latest > period_ms:
        print(f"> Too slow: a reading was {latest} ms late")
    return readings


print("> Press button 1")
while True:
    while not is_pressed():
        attend()
        wait(10)
    print("> Starting recording in 1sec")
    wait(1000)
    light(True)
    readings = record()
    light(False)
    print("> Stopped recording")
    say(*predict(readings))
    while is_pressed():
        wait(10)
