"""How fast tinyglass is, beside what one would use instead: ``python -m benchmarks``, run by `make bench`.

cells         networks, batches, examples, and the plain float64 training that every other one is held to
peers · ours  the contestants: each trains a cell, given its starting weights
measuring     slices of all contestants in turn; medians; the peak of one core
speed         every network and batch; a million epochs; instruction sets; many networks; growth
commands      whole runs from the command line; imports; sizes
goals         what is wanted of the figures, and what they are
devices       flash, RAM, stack and instructions on boards, beside emlearn and TFLite Micro: `make bench-devices`
board_python  the Python on a board, beside the course's style of code
drawing · page · printing  the same results as pictures, as docs/speed.md, as text
"""
