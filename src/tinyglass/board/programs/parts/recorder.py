"""Takes readings for tinyglass on the PC, which sends commands line by line.

    ?                    says which sensor this is
    record N PERIOD_MS   takes N readings; so does button 1, as many as the last time
    stream PERIOD_MS     takes readings until the PC sends: stop

A reading is a line of numbers: milliseconds since the first one, then one number a channel. All
other lines begin with #.
"""

import json

from kit import is_pressed, light, wait
from rhythm import Rhythm
from sensor import CHANNELS, SENSOR, UNITS, read
from wire import typed


def announce():
    about = (("sensor", SENSOR), ("channels", list(CHANNELS)), ("units", list(UNITS)))
    parts = [json.dumps(name) + ": " + json.dumps(what) for name, what in about]
    print("# tinyglass recorder 1 {" + ", ".join(parts) + "}")


def understand(line):
    """Return the command as (word, number of readings or None, ms), or None if it makes no sense."""
    words = line.split()
    try:
        if not words:
            return None
        if words == ["?"] or words == ["stop"]:
            return words[0], 0, 0
        if words[0] == "record" and len(words) == 3:
            count, period = int(words[1]), float(words[2])
            if 1 <= count <= 1000000 and 1 <= period <= 3600000:
                return "record", count, period
        elif words[0] == "stream" and len(words) == 2:
            period = float(words[1])
            if 1 <= period <= 3600000:
                return "stream", None, period
        else:
            print("# error unknown command " + repr(line))
            return None
    except ValueError:
        pass
    print("# error expected 1 to 1000000 readings and 1 to 3600000 ms, found " + repr(line))
    return None


def take(count, period):
    """Take readings and print them; with None, or until the PC wants something else, which is returned."""
    rhythm = Rhythm(period)
    taken = 0
    while taken != count:
        line = typed()
        command = understand(line) if line else None
        if command and command[0] == "?":
            announce()
        elif command:
            print("# stopped")
            return command
        late = rhythm.late()
        if late < 0:
            wait(min(-late, 5))
            continue
        ms = rhythm.start_reading()
        values = read()
        if len(values) != len(CHANNELS):
            raise ValueError(f"CHANNELS names {len(CHANNELS)}, and read() gave {len(values)}")
        print(str(ms) + "," + ",".join([str(value) for value in values]))
        taken += 1
    print("# done")
    return None


def obey(command):
    """Do a command, and then those that interrupted it."""
    global recording
    while command:
        word, count, period = command
        if word == "record":
            recording = command
        command = None
        if word == "?":
            announce()
        elif word == "stop":
            print("# stopped")
        else:
            print("# recording" if word == "record" else "# streaming")
            light(True)
            try:
                command = take(count, period)
                if command and command[0] == "stop":
                    command = None
            except Exception as error:  # of the sensor
                print(f"# error {type(error).__name__}: {error}".replace("\n", " "))
            light(False)


recording = ("record", 3, 250)  # the last, which the button repeats
was_pressed = False
announce()
while True:
    line = typed()
    command = understand(line) if line else None
    pressed = is_pressed()
    if pressed and not was_pressed:
        print("# button")
        command = recording
    was_pressed = pressed
    obey(command)
    wait(5)
