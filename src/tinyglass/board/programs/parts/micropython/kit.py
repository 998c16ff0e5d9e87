"""The TinySpark kit under MicroPython: button, LED and clock."""

import time

from machine import Pin

# The numbers of the pins: check them on your board, they are not known for the kit.
BUTTON = 0
LED = 2

button = Pin(BUTTON, Pin.IN, Pin.PULL_UP)
led = Pin(LED, Pin.OUT)


def is_pressed():
    return not button.value()


def light(on):
    led.value(on)


def wait(ms):
    time.sleep_ms(ms)


def now():
    """Return the moment, in ms."""
    return time.ticks_ms()


def later(moment, ms):
    return time.ticks_add(moment, ms)


def left(moment):
    """Return the ms from now to a moment; below 0 if it has passed."""
    return time.ticks_diff(moment, time.ticks_ms())
