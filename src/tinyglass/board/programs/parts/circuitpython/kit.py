"""The TinySpark kit under CircuitPython: button, LED and clock."""

import time

import board
import digitalio
import supervisor

CLOCK = 2**29  # ms after which the board's clock starts anew

button = digitalio.DigitalInOut(board.BUTTON1)
button.direction = digitalio.Direction.INPUT
button.pull = digitalio.Pull.UP
led = digitalio.DigitalInOut(board.LED)
led.direction = digitalio.Direction.OUTPUT


def is_pressed():
    return not button.value


def light(on):
    led.value = on


def wait(ms):
    time.sleep(ms / 1000)


def now():
    """Return the moment, in ms."""
    return supervisor.ticks_ms()


def later(moment, ms):
    return (moment + ms) % CLOCK


def left(moment):
    """Return the ms from now to a moment; below 0 if it has passed."""
    return (moment - now() + CLOCK // 2) % CLOCK - CLOCK // 2
