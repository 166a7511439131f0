"""Bring a bundle to a registry, an archive, a hub or a registry of images."""
