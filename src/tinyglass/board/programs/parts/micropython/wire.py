"""What the PC sends, line by line."""

import select
import sys

LONGEST = 80  # letters of a line

so_far = ""  # of the line that is being sent
wire = select.poll()
wire.register(sys.stdin, select.POLLIN)


def typed():
    """Return a line that the PC has sent, or None; never wait for one."""
    global so_far
    while wire.poll(0):
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
