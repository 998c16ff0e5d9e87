"""What a network costs on a board, beside emlearn and TFLite Micro: ``python -m benchmarks.devices``.

Nothing is timed: flash, RAM, stack, instructions and cycles are counted, and are the same on every PC
that has the same compilers.

networks      what is put on boards: three networks, trained here on gestures drawn from a seed
code          each of them as C: ours, and emlearn's
programs      compile that, run it on simulated chips, and count
tflite        the same networks as TFLite Micro has them
agreement     how often int8 chooses the class that float32 chooses
measuring     all of it in one run
goals         what is wanted of the figures, and what they are
page          the figures as text, and as tables of docs/devices.md
"""
