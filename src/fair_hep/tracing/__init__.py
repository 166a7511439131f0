"""Networks as ONNX graphs: recorded with their outputs, and with their explanation."""
