"""Does a bundle give its stored answers? PyTorch, ONNX Runtime, a running server and an image are asked."""
