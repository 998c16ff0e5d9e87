"""The kit's button 2, by which the board is taught."""

import board
import digitalio

second_button = digitalio.DigitalInOut(board.BUTTON2)
second_button.direction = digitalio.Direction.INPUT
second_button.pull = digitalio.Pull.UP


def is_second_pressed():
    return not second_button.value
