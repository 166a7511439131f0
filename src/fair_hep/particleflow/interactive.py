"""Interactive parts of the report: events to click on, and the R-maps of every output and class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.files import read_json
from ..pages.interactive import Widget
from .comparison import RULES, Comparison, compare
from .display import LOWEST, event_widget
from .labels import CLASS_LABELS, output_labels, row_labels

__all__ = ["interactive_widgets"]

#: Points of a curve, at most.
POINTS = 200


def interactive_widgets(evaluation: Path, explanation: Path | None, features: Sequence[str]) -> Iterator[Widget]:
    """Give efficiencies and fake rates; then the displayed events and the mean R-maps, if there are any.

    ``features`` are their plain names.
    """
    with np.load(evaluation / "outputs.npz") as archive:
        arrays = {name: archive[name] for name in ("logits", "momenta", "gen", "cand", "offsets")}
    yield Widget(
        "Efficiency and fake rate",
        "An element gets the class with the largest logit. If a class is given only with some lead over the others, "
        "fewer elements get it, and fewer of them wrongly: move the slider, with the arrow keys too.",
        {"classes": list(_classes(compare(arrays, arrays)))},
        _script("classes.js"),
    )
    if explanation is None:
        return
    events = sorted(explanation.glob("event_*.json"))
    if events:
        yield event_widget([read_json(path) for path in events])
    study = explanation / "study.json"
    if study.is_file():
        yield Widget(
            "R-maps by class",
            "How the absolute relevance of an output is shared out, on average over elements: the first row is the "
            "element itself, the others are the elements that matter most to it.",
            {"features": list(features), "lowest": LOWEST, "outputs": list(_outputs(read_json(study)))},
            _script("rmaps.js"),
        )


def _classes(found: Comparison) -> Iterator[dict[str, Any]]:
    """Give efficiency against fake rate of every class that occurs, from strict to ready."""
    for number, name in enumerate(CLASS_LABELS):
        is_it, rules = found.truth.pid == number, found.flows[RULES].pid == number
        if not is_it.any():
            continue
        margin = found.margins[:, number]
        order = np.argsort(-margin, kind="stable")
        right = np.cumsum(is_it[order])
        efficiency, fake = right / right[-1], 1 - right / np.arange(1, len(right) + 1)
        wanted = np.linspace(0.02, 1, POINTS)
        kept = np.unique(np.searchsorted(efficiency, wanted))
        kept = kept[kept < len(efficiency)]
        yield {
            "name": name,
            "elements": int(is_it.sum()),
            "efficiency": _digits(efficiency[kept]),
            "fake": _digits(fake[kept]),
            "margin": _digits(margin[order][kept]),
            "start": int(np.abs(margin[order][kept]).argmin()),
            "rules": {
                "efficiency": float(rules[is_it].mean()),
                "fake": float((~is_it)[rules].mean()) if rules.any() else 0.0,
            },
        }


def _digits(values: np.ndarray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def _script(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _outputs(study: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    outputs, labels = study["outputs"], output_labels(study.get("corrections", False), plain=True)
    for name in sorted(outputs, key=lambda name: name != "class"):
        cells = [
            {
                "name": f"{kind.replace('_', ' ')}, {outcome}ly classified",
                "elements": cell["elements"],
                "rows": row_labels(cell),
                "mean": _rounded(cell["r_map"]["mean"]),
                "error": _rounded(cell["r_map"]["error"]) if cell["r_map"]["error"] else None,
            }
            for kind, outcomes in outputs[name].items()
            for outcome, cell in outcomes.items()
            if cell["elements"]
        ]
        if cells:
            yield {"name": labels[name], "cells": cells}


def _rounded(rows: Any) -> list[list[float]]:
    return [[round(float(value), 5) for value in row] for row in rows]
