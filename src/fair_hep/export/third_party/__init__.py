"""A third-party ONNX graph, published as it is: no source, no weights apart from it, no explanation."""
