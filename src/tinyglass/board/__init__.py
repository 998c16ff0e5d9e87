"""Boards on the wire.

============== ============================================================================================
`ports`        what is plugged in, and opening it; `wire` takes lines from it, `reading` readings from them
`sources`      what a board may be running, and how it is asked for readings; `finding` tells which it is;
               `python_board` gives it a program
``recording``  guided recording: a session, what it says to a person, what it keeps, and the folder for it
`listening`    what a network says about the readings as they come, in `windows`
`repl`         the raw REPL of CircuitPython and MicroPython; ``deployment`` puts networks on boards
`programs`     what runs on a board, put together from parts; ``simulated`` is a kit without a kit
============== ============================================================================================
"""
