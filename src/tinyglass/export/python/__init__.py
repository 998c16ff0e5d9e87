"""Python for boards: one file that CircuitPython, MicroPython and Python itself import alike."""
