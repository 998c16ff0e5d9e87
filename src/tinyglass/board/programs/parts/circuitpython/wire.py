"""What the PC sends, line by line."""

import sys

import supervisor

LONGEST = 80  # letters of a line

so_far = ""  # of the line that is being sent


def typed():
    """Return a line that the PC has sent, or None; never wait for one."""
    global so_far
    while supervisor.runtime.serial_bytes_available:
        try:
            letter = sys.stdin.read(1)
        except UnicodeError:
            letter = "?"
        if not letter:
            return None  # nobody can send anything
        if letter in "\r\n":
            sent, so_far = so_far, ""
            if sent:
                return sent
        elif len(so_far) < LONGEST:
            so_far += letter
    return None
