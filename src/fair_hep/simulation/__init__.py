"""Generators of jets and events, and a parametrised detector."""
