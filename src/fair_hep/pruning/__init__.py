"""Smaller networks: which channels belong together, which matter least, what is left, and what that costs."""
