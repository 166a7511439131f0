"""Figures of relevance maps: R-maps, histograms of R-scores, relevant elements and neighbours' shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.files import new_file
from ..pages.figures import COLOURS, figure
from .columns import CLASSES
from .labels import CLASS_LABELS, row_labels
from .rmap_averages import BINS, OUTCOMES

__all__ = ["draw_counts", "draw_r_map", "draw_r_maps", "draw_scores"]

_COLOURS = (COLOURS["grey"], COLOURS["blue"], COLOURS["red"], COLOURS["orange"], COLOURS["green"], COLOURS["purple"])
#: Smallest share of |R| with a colour of its own.
_LOWEST = 1e-4


def draw_r_maps(
    cells: Mapping[str, Mapping[str, Any]], kinds: Sequence[str], features: Sequence[str], title: str, path: Path
) -> None:
    """Draw R-maps of one output: a row of panels for each class, correctly and incorrectly classified elements.

    Parameters
    ----------
    cells
        For each class and outcome the entry of `RMapAverages.found`.
    kinds
        Classes to draw.
    features
        Features as formulas, with the units of what they are made from.
    title
        What is explained.
    path
        File to write; its suffix chooses the format.
    """
    rows = max(len(cell["r_map"]["mean"]) for kind in kinds for cell in cells[kind].values() if cell["elements"])
    height = 0.9 + 0.32 * rows + 1.3 / len(kinds)
    with new_file(path) as name, figure(2, len(kinds), width=7.8, height=height) as (picture, axes):
        image = None
        for column, outcome in enumerate(OUTCOMES):
            named = False  # features are named once, below the lowest panels: text is what takes the time
            for panel, kind in zip(np.atleast_2d(axes)[::-1, column], reversed(kinds), strict=True):
                cell = cells[kind][outcome]
                shown = f"{CLASS_LABELS[CLASSES.index(kind)]}, {outcome}ly classified"
                plural = "s" * (cell["elements"] != 1)
                panel.set_title(f"{shown}: {cell['elements']} element{plural}", fontsize=11)
                if cell["elements"]:
                    image = draw_r_map(
                        panel, np.asarray(cell["r_map"]["mean"]), () if named else features, row_labels(cell)
                    )
                else:
                    _draw_nothing(panel, len(features), () if named else features)
                named = True
        if image is not None:
            picture.colorbar(image, ax=axes, label="Share of |R|", pad=0.01, aspect=30, shrink=0.9)
        picture.suptitle(f"Explained: {title}", fontsize=13)
        picture.savefig(name)


def draw_r_map(panel: Any, values: np.ndarray, features: Sequence[str], rows: Sequence[str]) -> Any:
    """Draw one R-map ``[1 + n, features]`` with its values in the cells, in logarithmic colours; return the image.

    ``features`` are named below, if there are any; ``rows`` say what the rows are, beside their sums.
    """
    from matplotlib.colors import LogNorm

    image = panel.imshow(np.maximum(values, _LOWEST), norm=LogNorm(_LOWEST, 1.0), cmap="Blues", aspect="auto")
    for row, column in np.ndindex(*values.shape):
        value = values[row, column]
        if value > 0:
            text = f"{value:.3f}" if value >= 0.0005 else "<.001"
            colour = "white" if value > 0.1 else "black"
            cell = panel.text(column, row, text, ha="center", va="center", fontsize=6.5, color=colour)
            cell.set_in_layout(False)  # a thousand texts would take the layout many seconds
    _name_features(panel, features)
    sums = [f"{total:.3f}" for total in values.sum(1)]
    # The kind on a line of its own: two panels stand side by side.
    parts = [(*row.partition(" ("), total) for row, total in zip(rows, sums, strict=True)]
    texts = [f"{name}  Σ {total}" + (f"\n({kind}" if kind else "") for name, _, kind, total in parts]
    panel.set_yticks(range(len(values)), texts, fontsize=8)
    panel.minorticks_off()
    panel.tick_params(which="both", length=0)
    return image


def _draw_nothing(panel: Any, count: int, features: Sequence[str]) -> None:
    panel.text(0.5, 0.5, "no such element was explained", transform=panel.transAxes, ha="center", va="center")
    panel.set(xlim=(-0.5, count - 0.5), yticks=[], frame_on=False)
    _name_features(panel, features)
    panel.minorticks_off()
    panel.tick_params(which="both", length=0)


def _name_features(panel: Any, features: Sequence[str]) -> None:
    panel.set_xticks(range(len(features)), features, rotation=45, ha="right", fontsize=8)


def draw_scores(cells: Mapping[str, Mapping[str, Any]], features: Sequence[str], path: Path) -> None:
    """Draw histograms of R-scores, one panel for each feature, correctly classified elements of every class."""
    centres = 0.5 * (BINS[1:] + BINS[:-1])
    with new_file(path) as name, figure(4, -(-len(features) // 4), width=3.6, height=3.0) as (picture, axes):
        for panel in axes.flat[len(features) :]:
            panel.remove()
        for feature, (panel, label) in enumerate(zip(axes.flat, features, strict=False)):
            for number, kind in enumerate(CLASSES):
                cell = cells[kind]["correct"]
                if cell["elements"]:
                    counts = np.asarray(cell["r_scores"][feature], float)
                    style = {"where": "mid", "lw": 1.4, "color": _COLOURS[number], "label": CLASS_LABELS[number]}
                    panel.step(centres, counts / counts.sum(), **style)
            reach = _reach([cells[kind]["correct"] for kind in CLASSES], feature)
            panel.set(xlabel="share of Σ|R|, signed", yscale="log", xlim=(-reach, reach), ylim=(3e-3, 2))
            panel.set_title(label, fontsize=11)
        handles, labels = axes.flat[0].get_legend_handles_labels()
        if handles:
            picture.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
        picture.supylabel("Fraction of correctly classified elements", fontsize=12)
        picture.supxlabel("Explained: logit of the true class; right of 0 speaks for it", fontsize=12)
        picture.savefig(name)


def _reach(cells: Sequence[Mapping[str, Any]], feature: int) -> float:
    """Return the largest absolute R-score of a feature, as the edge of a bin; at least two bins."""
    counts = [np.asarray(cell["r_scores"][feature]) for cell in cells if cell["elements"]]
    filled = np.flatnonzero(np.sum(counts, 0)) if counts else np.array([], int)
    edges = [np.abs(BINS[filled]), np.abs(BINS[filled + 1]), [2 * (BINS[1] - BINS[0])]]
    return float(max(np.max(part) for part in edges if len(part)))


def draw_counts(cells: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw, for every class and outcome, how many elements carry 90 % of |R|, and the share of the neighbours."""
    panels = (
        ("relevant_elements", "Elements that carry 90 % of |R|"),
        ("neighbours_share", "Neighbours' share of |R|"),
    )
    with new_file(path) as name, figure(2, width=5.4, height=4.2) as (picture, axes):
        for panel, (key, label) in zip(axes, panels, strict=True):
            for number, outcome in enumerate(OUTCOMES):
                known = [(place, cells[kind][outcome]) for place, kind in enumerate(CLASSES)]
                known = [(place, cell[key]) for place, cell in known if cell["elements"]]
                places = [place + 0.16 * (2 * number - 1) for place, _ in known]
                means = [value["mean"] for _, value in known]
                errors = [value["error"] or 0.0 for _, value in known]
                colour = (COLOURS["blue"], COLOURS["red"])[number]
                style: dict[str, Any] = {"fmt": "os"[number], "ms": 5, "color": colour}
                panel.errorbar(places, means, errors, label=f"{outcome}ly classified", **style)
            panel.set_xticks(range(len(CLASSES)), CLASS_LABELS, rotation=35, ha="right")
            panel.set(ylabel=label, xlim=(-0.6, len(CLASSES) - 0.4))
            # A little below 0, so that points on the axis are seen whole.
            top = 1.05 if key == "neighbours_share" else 1.15 * panel.get_ylim()[1]
            panel.set_ylim(-0.03 * top, top)
            panel.minorticks_off()
        picture.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
        picture.supxlabel("Explained: logit of the true class", fontsize=12)
        picture.savefig(name)
