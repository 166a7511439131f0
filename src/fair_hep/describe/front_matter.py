"""The YAML head of the model card, as the Hugging Face Hub reads it (model card metadata, ``model-index``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..bundle.symbols import plain
from .facts import Facts
from .people import as_yaml, known

__all__ = ["front_matter"]

#: The nearest of the Hub's tasks: both networks pass messages along the edges of a graph.
TASK = "graph-ml"
#: How metrics are named that are in bins of a quantity, or those of something else than the model.
_OTHERS = re.compile(r"_bin\d+$|^baseline_")
TAGS = ("onnx", "layer-wise-relevance-propagation")


def front_matter(facts: Facts, tags: Sequence[str]) -> str:
    """Return the head of the card, between its two lines of dashes.

    Parameters
    ----------
    facts
        What is known of the model; its figures stand in the ``model-index``.
    tags
        Words to find it by.
    """
    measured = _measured(facts)
    head = {
        "license": facts.project.licenses.weights.lower(),
        "library_name": "onnx",
        "pipeline_tag": TASK if facts.model else None,
        "tags": [*tags, *(TAGS if facts.model else TAGS[:1])],
        "datasets": [facts.learned_from] if facts.learned_from else None,
        "metrics": list(measured),
        "model-index": [_index(facts, measured)] if measured else None,
    }
    return f"---\n{as_yaml(head)}---\n"


def _measured(facts: Facts) -> dict[str, float]:
    """Return the model's metrics on the whole test split; their errors stand in the names of the results.

    Those in bins of a quantity, hundreds of them, would stand before the title; they are in ``metrics.json``.
    """
    found = facts.metrics.get("metrics", {})
    return {name: value for name, value in found.items() if not name.endswith("_error") and not _OTHERS.search(name)}


def _index(facts: Facts, measured: dict[str, float]) -> dict[str, Any]:
    data = {"type": facts.data.doi or facts.data.source, "name": facts.data.title, "split": "test"}
    errors = facts.metrics["metrics"]
    result = {
        "task": {"type": TASK},
        "dataset": data,
        "metrics": [_metric(name, value, errors.get(f"{name}_error")) for name, value in measured.items()],
    }
    return {"name": facts.project.title, "results": [result]}


def _metric(name: str, value: float, error: float | None) -> dict[str, Any]:
    shown = plain(name)
    return known({"type": name, "name": f"{shown} (error {error:.2g})" if error is not None else shown, "value": value})
