"""Score the examples of a file: what it may be read from, and written to."""
