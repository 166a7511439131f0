"""Generators of jets and events, seen by a parametrised detector."""
