"""Weights that exist already: read without trust, renamed, and compared with the network."""
