"""An ONNX graph of others, published as it is: no source, no weights apart from it, no explanation."""
