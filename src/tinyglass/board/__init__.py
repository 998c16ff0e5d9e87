"""Boards on the wire.

============== ============================================================================================
`ports`        what is plugged in, and opening it; `wire` takes lines from it, `reading` readings from them
`sources`      what a board may be running, and how it is asked for readings; `finding` tells which it is
`recording`    guided recording into a folder (`recording_folder`), of `takes`
`listening`    what a network says about the readings as they come
`repl`         the raw REPL of CircuitPython and MicroPython; ``deployment`` puts networks on boards
`programs`     what runs on a board, put together from parts; ``simulated`` is a kit without a kit
============== ============================================================================================
"""
