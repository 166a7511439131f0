"""Particle flow: readers, measures, and relevance maps of whole events."""
