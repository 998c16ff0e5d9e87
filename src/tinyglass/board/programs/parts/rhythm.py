"""A steady rhythm: reading i is due at start + i · period, so that no delay adds up."""

from kit import later, left, now, wait


class Rhythm:
    def __init__(self, period_ms):
        self.period_us = int(period_ms * 1000 + 0.5)
        self.due = now()  # when the next reading is due: the moment,
        self.due_ms = 0  # the ms since the first one,
        self.due_us = 0  # and what is missing to that
        self.last_ms = -1

    def late(self):
        """Return how many ms ago the next reading was due; below 0 if it is not yet."""
        late = -left(self.due)
        if self.due_ms + late <= self.last_ms:
            return -1  # no two readings in the same millisecond
        return late

    def start_reading(self):
        """Return the ms since the first reading, and make the next one due a period later."""
        self.last_ms = self.due_ms + self.late()
        self.due_us += self.period_us
        step = self.due_us // 1000
        self.due_us -= 1000 * step
        self.due_ms += step
        self.due = later(self.due, step)
        return self.last_ms

    def wait(self):
        """Wait until a reading is due."""
        late = self.late()
        while late < 0:
            wait(min(-late, 10))
            late = self.late()
