# Ask the model beside this file about every reading in the file "readings", and print each answer in a line:
# the outputs as float64 in hexadecimal, the place of the class, and in int8 the sums of the last layer.
from struct import pack, unpack

import model


def hexadecimal(x):
    return "".join(["%02x" % byte for byte in pack("<d", x)])


with open("readings", "rb") as file:
    while True:
        shape = file.read(8)
        if not shape:
            break
        n_readings, n_channels = unpack("<2i", shape)
        readings = [list(unpack("<%df" % n_channels, file.read(4 * n_channels))) for _ in range(n_readings)]
        inputs = model.prepare(readings)
        outputs = model.predict(inputs)
        place = 0 if model.CLASSES is None else model._place(outputs)
        words = [hexadecimal(x) for x in outputs] + [str(place)]
        if model.PRECISION == "int8":
            words += [str(s) for s in model.sums(inputs)]
        print(" ".join(words))
