"""Deletion and insertion curves: the explained output while the most relevant elements go, or come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.files import new_file
from ..lrp.faithfulness import GRADIENT, RANDOM
from ..pages.figures import COLOURS, figure
from ..pages.measured import measured

__all__ = ["alike", "chosen_curves", "draw_removal"]

#: Curves that are nowhere further apart than this share of their span lie on each other.
WIDTH = 0.01
#: Rules that are drawn however they do, the best that are drawn besides.
PLAIN, BEST = ("epsilon",), 3


def draw_removal(table: Mapping[str, Any], path: Path, *, explained: str, examples: str) -> None:
    """Draw the mean curves of `chosen_curves`; the table has those of every ranking.

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
    rows = {name: table["removal"][name] for name in chosen_curves(table)}
    colours = [colour for name, colour in COLOURS.items() if name != "grey"]
    styles: dict[str, dict[str, Any]] = {
        RANDOM: {"color": COLOURS["grey"], "linestyle": ":"},
        GRADIENT: {"color": "black", "linestyle": "--"},
    }
    groups = alike(rows)
    others = [together[0] for together in groups if together[0] not in styles]
    styles |= {name: {"color": colours[number % len(colours)]} for number, name in enumerate(others)}
    with new_file(path) as name, figure(2, width=7.2, height=4.4) as (picture, axes):
        for panel, kind, what in zip(axes, ("deletion", "insertion"), ("removed", "put in"), strict=True):
            for together in groups:
                row = rows[together[0]]
                fractions = np.linspace(0, 1, len(row[kind]))
                names = [name + " (recommended)" * (name == table["recommended"]) for name in together]
                label = f"{', '.join(names)}: {measured(row['area'], row['area_error'], '.2f')}"
                panel.plot(fractions, row[kind], label=label, **styles[together[0]])
            panel.set(xlabel=f"Fraction {what}, most relevant first", ylabel=f"Mean {explained}", xlim=(0, 1))
        title = f"insertion $-$ deletion area, {examples}"
        handles, labels = axes[0].get_legend_handles_labels()
        picture.legend(handles, labels, title=title, loc="outside right upper", fontsize=10, title_fontsize=10)
        picture.savefig(name)


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
