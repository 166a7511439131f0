"""Existing weights: read from a file that isn't trusted, named as ours are, and recorded as trained elsewhere."""
