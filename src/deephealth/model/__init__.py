"""The model file: one ONNX graph from a film's pixels to the answer, with everything about it in its metadata."""
