# Let the trainer beside this file learn every reading in the file "readings", one step each, and print all weights
# that learn, as float32 in hexadecimal, after each.
from struct import unpack

import model
from trainer import _N_FIXED, Trainer

trainer = Trainer()
with open("readings", "rb") as file:
    while True:
        head = file.read(12)
        if not head:
            break
        n_readings, n_channels, expected = unpack("<2if", head)
        readings = [list(unpack("<%df" % n_channels, file.read(4 * n_channels))) for _ in range(n_readings)]
        trainer.learn(readings, expected if model.CLASSES is None else model.CLASSES[int(expected)])
        print("".join(["%02x" % byte for byte in bytes(trainer.weights[_N_FIXED:])]))
