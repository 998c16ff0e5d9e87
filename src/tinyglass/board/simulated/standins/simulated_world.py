"""What the simulated kit's sensors see and its buttons feel. Runs in MicroPython and in CPython.

The PC appends events to a file; every look at a sensor or a button first reads the new ones::

    boot                 a board starts here: presses before it are forgotten
    press 1 0.1          button 1 is held down for 0.1 s from when a program first looks at it
    hand closer 7        a hand or the board moves; the number is the seed of the noise
    play 3               readings come from the files 3.proximity, 3.acceleration, 3.gyro
"""

import math
import os
import time

GRAVITY = 9.80665  # m/s²
LARGEST = 127.875  # of the proximity sensor: 1023 / 8
GESTURE = 0.5  # seconds that a hand moves
EVERY = 2.0  # seconds from one gesture to the next, while readings are taken without a pause
PAUSE = 1.0  # seconds without a reading after which a gesture begins anew


def _opener():
    """Return a function that opens a file of the world, wherever the root of the file system is."""
    folder = os.getenv("TINYGLASS_WORLD")
    try:
        import vfs
    except ImportError:  # CPython
        return lambda name: open(folder + "/" + name)
    files = vfs.VfsPosix(folder)
    return lambda name: files.open("/" + name, "r")


def _seconds():
    return time.ticks_ms() / 1000 if hasattr(time, "ticks_ms") else time.monotonic()


class Noise:
    """Numbers from -1 to 1 that only the seed decides, on every interpreter."""

    def __init__(self, seed):
        self.state = (seed * 2654435761 + 12345) % 2**31

    def __call__(self):
        self.state = (self.state * 1103515245 + 12345) % 2**31
        return (self.state >> 8) / 2**22 - 1


class Hand:
    """A hand that comes closer or moves away, or a board that is waved or lies still."""

    def __init__(self, motion, seed):
        self.motion = motion
        self.noise = Noise(seed)
        self.last = -PAUSE
        self.begin()

    def begin(self):
        """Begin a gesture: no two are alike."""
        self.start = _seconds()
        self.length = GESTURE * (1 + 0.15 * self.noise())
        self.delay = 0.05 * (1 + self.noise())

    def passed(self):
        """Return the seconds since the gesture began."""
        now = _seconds()
        if now - self.last >= PAUSE or now - self.start >= EVERY:
            self.begin()
        self.last = now
        return now - self.start

    def proximity(self):
        share = min(max((self.passed() - self.delay) / self.length, 0), 1)
        near = share * share * (3 - 2 * share)
        if self.motion == "away":
            near = 1 - near
        elif self.motion != "closer" or self.last - self.start > GESTURE + PAUSE:
            near = 0  # nobody is there
        value = 135 * near + 1.5 * self.noise()
        return min(max(round(value * 8), 0), 1023) / 8

    def acceleration(self):
        turn = 2 * math.pi * self.passed() / self.length
        wide = self.motion == "wave"
        return (
            6 * math.sin(turn) * wide + 0.05 * self.noise(),
            1.5 * math.cos(turn) * wide + 0.05 * self.noise(),
            GRAVITY + 0.05 * self.noise(),
        )

    def gyro(self):
        turn = 2 * math.pi * self.passed() / self.length
        wide = self.motion == "wave"
        return (
            0.4 * math.cos(turn) * wide + 0.01 * self.noise(),
            0.01 * self.noise(),
            2.5 * math.sin(turn) * wide + 0.01 * self.noise(),
        )


class Track:
    """The readings of one sensor, recording by recording, each look the next one, and round again."""

    def __init__(self, file):
        self.file = file
        self.inside = False  # a recording

    def line(self):
        line = self.file.readline()
        if not line:
            self.file.seek(0)
        self.inside = bool(line.strip())
        return line

    def next(self):
        line = self.line()
        while not self.inside:
            line = self.line()
        return line

    def begin(self):
        """Go to the next recording, unless one is about to begin."""
        while self.inside:
            self.line()


class World:
    def __init__(self):
        self.open = _opener()
        self.events = self.open("events")
        self.hand = Hand("still", 0)
        self.tracks = {}
        self.presses = {}
        self.lit = False

    def update(self):
        """Read what has happened since the last look."""
        line = self.events.readline()
        while line:
            kind, *words = line.split()
            if kind == "boot":
                self.presses = {}
            elif kind == "press":
                self.presses.setdefault(int(words[0]), []).append([float(words[1]), None])
            elif kind == "hand":
                self.hand, self.tracks = Hand(words[0], int(words[1])), {}
            elif kind == "play":
                self.tracks = {}
                for sensor in words[1:]:
                    self.tracks[sensor] = Track(self.open(words[0] + "." + sensor))
            line = self.events.readline()

    def is_pressed(self, button):
        """Tell whether the button is held down; each press is seen, and released before the next."""
        self.update()
        presses = self.presses.get(button)
        if not presses:
            return False
        held, since = presses[0]
        if since is None:
            presses[0][1] = _seconds()
            return True
        if _seconds() - since < held:
            return True
        presses.pop(0)
        return False

    def light(self, on):
        """A recording begins when the LED goes on."""
        self.update()
        if on and not self.lit:
            self.hand.begin()
            for track in self.tracks.values():
                track.begin()
        self.lit = on

    def sense(self, sensor):
        """Return what the sensor sees now: a tuple of numbers."""
        self.update()
        if sensor in self.tracks:
            return tuple([float(number) for number in self.tracks[sensor].next().split()])
        seen = getattr(self.hand, sensor)()
        return seen if isinstance(seen, tuple) else (seen,)


world = World()
