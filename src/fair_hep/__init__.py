"""Publish, run and explain machine-learning models of particle physics."""
