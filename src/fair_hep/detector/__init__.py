"""A parametrised detector whose numbers are cards: where particles go, tracks, calorimeters, energy flow."""
