"""A network leaves for the board: in float32 or int8, as C, Python or ONNX, and is verified there."""
