"""Deletion and insertion curves: the explained output while the most relevant elements go, or come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.files import new_file
from ..lrp.faithfulness import GRADIENT, RANDOM
from ..pages.figures import COLOURS, figure

__all__ = ["draw_removal"]


def draw_removal(table: Mapping[str, Any], path: Path, *, explained: str, examples: str) -> None:
    """Draw the mean curves of every ranking.

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
    rows = table["removal"]
    colours = [colour for name, colour in COLOURS.items() if name != "grey"]
    styles: dict[str, dict[str, Any]] = {
        RANDOM: {"color": COLOURS["grey"], "linestyle": ":"},
        GRADIENT: {"color": "black", "linestyle": "--"},
    }
    others = [name for name in rows if name not in styles]
    for number, name in enumerate(others):
        late = number >= len(colours)
        styles[name] = {"color": colours[number % len(colours)], "linestyle": "-." if late else "-"}
    with new_file(path) as name, figure(2, width=7.2, height=4.4) as (picture, axes):
        for panel, kind, what in zip(axes, ("deletion", "insertion"), ("removed", "put in"), strict=True):
            for ranking, row in rows.items():
                fractions = np.linspace(0, 1, len(row[kind]))
                best = " (recommended)" if ranking == table["recommended"] else ""
                label = f"{ranking}{best}: {row['area']:.2f} ± {row['area_error']:.2f}"
                panel.plot(fractions, row[kind], label=label, **styles[ranking])
            panel.set(xlabel=f"Fraction {what}, most relevant first", ylabel=f"Mean {explained}", xlim=(0, 1))
        title = f"insertion $-$ deletion area, {examples}"
        handles, labels = axes[0].get_legend_handles_labels()
        picture.legend(handles, labels, title=title, loc="outside right upper", fontsize=10, title_fontsize=10)
        picture.savefig(name)
