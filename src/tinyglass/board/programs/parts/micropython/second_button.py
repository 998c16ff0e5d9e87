"""A second button, by which the board is taught."""

from machine import Pin

# The number of its pin: CHANGE IT to that of your board. Where there is none, type on the console.
SECOND_BUTTON = 14

second_button = Pin(SECOND_BUTTON, Pin.IN, Pin.PULL_UP)


def is_second_pressed():
    return not second_button.value()
