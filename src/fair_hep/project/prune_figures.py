"""What a study of pruning found, drawn: how good networks are, and whether they look at the same, by what they cost."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..bundle.files import new_file
from ..bundle.symbols import formula
from ..pages.figures import COLOURS, figure

__all__ = ["draw_study", "mean_and_error"]

#: By criterion its colour, marker and name.
_STYLES = {
    "relevance": ("blue", "o", "relevance"),
    "magnitude": ("orange", "s", "magnitude"),
    "taylor": ("green", "^", "gradient times weight"),
    "random": ("grey", "D", "random"),
}


#: Distance between criteria, as a fraction of the share.
_APART = 0.025


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of several trainings and its error, NaN for a single one.

    Examples
    --------
    >>> mean_and_error([1.0, 2.0, 3.0])
    (2.0, 0.5773502691896258)
    """
    spread = statistics.stdev(values) if len(values) > 1 else math.nan
    return statistics.fmean(values), spread / math.sqrt(len(values))


def draw_study(found: Mapping[str, Any], folder: Path, title: str) -> list[str]:
    """Draw the decisive metric, and the agreement of explanations, over the share of multiply-adds that is left.

    Returns
    -------
    files
        Names of the files in ``folder``.
    """
    name, rows = found["decisive"], found["rows"]
    before = mean_and_error([one["metrics"][name] for one in found["before"]])
    drawn = ["prune_metric.png"]
    _draw(folder / drawn[0], rows, lambda row: row["metrics"][name], (f"{formula(name)} (test)", title), before)
    if all("rank_correlation" in row["explanations"] for row in rows):
        drawn.append("prune_explanations.png")
        label = "Rank correlation of elements' relevance"
        _draw(folder / drawn[1], rows, lambda row: row["explanations"]["rank_correlation"], (label, title), (1.0, 0.0))
    return drawn


def _draw(path: Path, rows: Sequence[Mapping[str, Any]], value: Any, labels: tuple[str, str], before: Any) -> None:
    with new_file(path) as file, figure() as (picture, axes):
        for number, criterion in enumerate(dict.fromkeys(row["criterion"] for row in rows)):
            colour, marker, named = _STYLES[criterion]
            points = [(1.0, *before), *_points([row for row in rows if row["criterion"] == criterion], value)]
            left, means, errors = zip(*points, strict=True)
            # A little apart, so that no error hides another.
            left = tuple(share * (1 + _APART * number) for share in left)
            axes.errorbar(
                left, means, errors, color=COLOURS[colour], marker=marker, capsize=3, markersize=5, label=named
            )
        axes.set(xscale="log", xlabel="Share of the multiply-adds", ylabel=labels[0])
        shares = sorted({round(row["budget"], 3) for row in rows} | {1.0})
        axes.set_xticks(shares, [f"{share:g}" for share in shares])
        axes.minorticks_off()
        axes.invert_xaxis()
        trainings = len({row["training"] for row in rows})
        axes.legend(title=f"{labels[1]}\n{trainings} trainings, mean and its error", loc="lower left")
        picture.savefig(file)


def _points(rows: Sequence[Mapping[str, Any]], value: Any) -> list[tuple[float, float, float]]:
    points = []
    for budget in sorted({row["budget"] for row in rows}, reverse=True):
        same = [row for row in rows if row["budget"] == budget]
        share = statistics.fmean(row["macs"] for row in same)
        points.append((share, *mean_and_error([value(row) for row in same])))
    return points
