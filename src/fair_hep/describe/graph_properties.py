"""What the ONNX graphs say of themselves in ``metadata_props``: fixed at the export, as graphs never change later."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..provenance.project import Project
from .origin import Origin
from .people import authors

if TYPE_CHECKING:
    from ..bundle import TensorSpec
    from ..models.contract import Model

__all__ = ["graph_properties"]


def graph_properties(
    project: Project,
    model: Model,
    inputs: Sequence[TensorSpec],
    *,
    commit: str | None,
    weights: str,
    data: Mapping[str, Mapping[str, str]],
    learned: Origin,
    explanation: str,
) -> dict[str, str]:
    """Return the properties by name; ``model_author`` and ``model_license`` are ONNX's own names.

    Parameters
    ----------
    project, model, inputs
        What the graph is, and what it takes.
    commit
        The code that exported it.
    weights
        SHA-256 checksum of ``weights.safetensors``.
    data
        SHA-256 checksums of the raw files by split and name.
    learned
        Which data it learned from.
    explanation
        The rules of the stored relevances, as JSON. A DOI stands here only if it was reserved before the export.
    """
    licences = project.licenses
    said = {
        "title": project.title,
        "description": project.description,
        "version": project.version,
        "doi": project.doi,
        "model_author": "; ".join(author.name for author in authors(project)),
        "model_license": licences.weights,
        "code_license": licences.code,
        "data_source": learned.source,
        "data_title": learned.title,
        "data_license": learned.license,
        "dataset_doi": learned.doi,
        "data_sha256": json.dumps(data, sort_keys=True) if data else None,
        "git_commit": commit,
        "repository": project.repository,
        "model": model.name,
        "architecture_doi": model.citation.get("doi"),
        "classes": json.dumps({spec.name: list(spec.columns) for spec in model.outputs}),
        "inputs": json.dumps({spec.name: {"columns": list(spec.columns), "unit": spec.unit} for spec in inputs}),
        "weights_sha256": weights,
        "explanation": explanation,
    }
    return {key: value for key, value in said.items() if value}
