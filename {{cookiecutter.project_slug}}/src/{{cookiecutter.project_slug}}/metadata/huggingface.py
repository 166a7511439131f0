"""The YAML head of the model card, as the Hugging Face Hub reads it."""

from __future__ import annotations

from ..project import Project
from .people import as_yaml

__all__ = ["front_matter"]


def front_matter(project: Project, tags: list[str]) -> str:
    """Return the head of the card, between its two lines of dashes."""
    head = {"license": project.licenses.weights.lower(), "library_name": "onnx", "tags": tags}
    return f"---\n{as_yaml(head)}---\n"
