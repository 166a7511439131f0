"""Deletion and insertion curves: the explained output while the most relevant elements go, or come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.files import new_file
from ..lrp.faithfulness import GRADIENT, RANDOM
from ..pages.figures import COLOURS, figure
from ..pages.measured import measured

__all__ = ["alike", "chosen_curves", "draw_removal", "panel_rows"]

#: Curves that are nowhere further apart than this share of their span lie on each other.
WIDTH = 0.01
#: Rules that are drawn however they do, the best that are drawn besides.
PLAIN, BEST = ("epsilon",), 3
#: As many classes have panels of their own.
CLASSES = 3


def draw_removal(table: Mapping[str, Any], path: Path, *, explained: str, examples: str) -> None:
    """Draw the mean curves of `chosen_curves`, a row of panels for each class; the table has those of every ranking.

    Parameters
    ----------
    table
        "removal" and "recommended" of `explain.trust.removal_table`.
    path
        File to write.
    explained
        Name of what is explained, for the axis.
    examples
        Number and kind of the examples that were measured.
    """
    removal = {name: table["removal"][name] for name in chosen_curves(table)}
    by_class = panel_rows(removal)
    groups = alike(removal)
    styles = _styles([together[0] for together in groups])
    height = 4.4 if len(by_class) == 1 else 3.4
    with new_file(path) as name, figure(2, len(by_class), width=7.2, height=height) as (picture, axes):
        for row, (kind, curves) in zip(axes.reshape(-1, 2), by_class.items(), strict=True):
            for panel, way, what in zip(row, ("deletion", "insertion"), ("removed", "put in"), strict=True):
                for together in groups:
                    values = curves[together[0]][way]
                    names = [one + " (recommended)" * (one == table["recommended"]) for one in together]
                    area, error = (removal[together[0]][key] for key in ("area", "area_error"))
                    label = f"{', '.join(names)}: {measured(area, error, '.2f')}"
                    panel.plot(np.linspace(0, 1, len(values)), values, label=label, **styles[together[0]])
                of = f", {kind}" if kind else ""
                panel.set(xlabel=f"Fraction {what}, most relevant first", ylabel=f"Mean {explained}{of}", xlim=(0, 1))
        handles, labels = axes.flat[0].get_legend_handles_labels()
        title = f"insertion $-$ deletion area, {examples}"
        picture.legend(handles, labels, title=title, loc="outside right upper", fontsize=10, title_fontsize=10)
        picture.savefig(name)


def panel_rows(removal: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the curves of every ranking by class, or one row of means: without classes, or with too many to show.

    Parameters
    ----------
    removal
        Of every ranking its mean curves and those of "classes".
    """
    classes = next(iter(removal.values())).get("classes", {})
    if not 1 < len(classes) <= CLASSES:
        return {"": dict(removal)}
    return {
        f"{kind} ({found['samples']})": {name: row["classes"][kind] for name, row in removal.items()}
        for kind, found in classes.items()
    }


def _styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return one look for every ranking, the same in all panels."""
    colours = [colour for name, colour in COLOURS.items() if name != "grey"]
    plain: dict[str, dict[str, Any]] = {
        RANDOM: {"color": COLOURS["grey"], "linestyle": ":"},
        GRADIENT: {"color": "black", "linestyle": "--"},
    }
    rules = [name for name in names if name not in plain]
    return plain | {name: {"color": colours[number % len(colours)]} for number, name in enumerate(rules)}


def chosen_curves(table: Mapping[str, Any]) -> list[str]:
    """Return the rankings to draw, the best first: few enough to be told apart.

    These are the best three, the recommended and the plainest rules, gradient x input and the random order.
    """
    order = sorted(table["removal"], key=lambda name: -table["removal"][name]["area"])
    rules = [name for name in order if name not in (RANDOM, GRADIENT)]
    wanted = {*rules[:BEST], table["recommended"], *PLAIN, GRADIENT, RANDOM}
    return [name for name in order if name in wanted]


def alike(rows: Mapping[str, Any]) -> list[list[str]]:
    """Return the rankings in groups whose curves can't be told apart in a figure; rules before other rankings."""
    curves = {name: np.concatenate([row["deletion"], row["insertion"]]) for name, row in rows.items()}
    span = float(np.ptp(np.concatenate(list(curves.values())))) or 1.0
    groups: list[list[str]] = []
    for name in sorted(rows, key=lambda name: name in (RANDOM, GRADIENT)):
        near = (one for one in groups if np.abs(curves[one[0]] - curves[name]).max() < WIDTH * span)
        group = next(near, None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return sorted(groups, key=lambda one: -rows[one[0]]["area"])
