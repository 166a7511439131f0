"""How relevance is shared among features, ranks and whatever else, class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.files import new_file
from ..pages.figures import COLOURS, figure

__all__ = ["Panel", "draw_shares"]

#: Key of the table, label of the axis, and names of the entries; None: they are counted.
Panel = tuple[str, str, Sequence[str] | None]


def draw_shares(
    tables: Mapping[str, Any], path: Path, panels: Sequence[Panel], classes: Sequence[str], *, explained: str = ""
) -> None:
    """Draw one panel for each table, with the mean share of |R| of every class and its error.

    Parameters
    ----------
    tables
        By key, for each class ``{"mean", "error"}``.
    path
        File to write; its suffix chooses the format.
    panels
        What to draw.
    classes
        Names of the classes, in the order of their colours.
    explained
        Name of what is explained, for the axis.
    """
    colours = [colour for name, colour in COLOURS.items() if name != "grey"]
    with new_file(path) as name, figure(len(panels), width=5.2, height=4.4) as (picture, axes):
        for panel, (key, label, names) in zip(np.atleast_1d(axes), panels, strict=True):
            for number, kind in enumerate(classes):
                row = tables[key][kind]
                mean, error = (np.array(row[part], np.float64) for part in ("mean", "error"))
                shift = 0.0 if names is None else 0.24 * (number - (len(classes) - 1) / 2) / max(1, len(classes) / 2)
                panel.errorbar(
                    np.arange(len(mean)) + 1 + shift, mean, error, fmt="os^vDPX*"[number % 8], ms=4, lw=1.2,
                    color=colours[number % len(colours)], label=kind,
                )  # fmt: skip
            if names is not None:
                long = max(len(entry) for entry in names) > 3
                turned: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if long else {}
                panel.set_xticks(np.arange(len(names)) + 1, names, **turned)
                panel.minorticks_off()
            panel.set(xlabel=label, ylabel=f"Share of |R|{explained and f' of {explained}'}", ylim=(0, None))
            # Shares fall with rank and are of any size by feature: names stand above the data.
            panel.set_ylim(0, 1.18 * panel.get_ylim()[1])
            panel.legend(ncols=len(classes), loc="upper right")
        picture.savefig(name)
