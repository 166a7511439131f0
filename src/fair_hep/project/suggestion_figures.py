"""Figures of suggestions: relevance above, the decisive metric below, against what is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.files import new_file
from ..bundle.symbols import formula
from ..pages.figures import COLOURS, figure

__all__ = ["draw"]

_COLOURS = [colour for name, colour in COLOURS.items() if name != "grey"]
_MARKS = "os^vDPX*"


def draw(told: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Draw one figure for each question that has an answer; give the names of the files.

    Parameters
    ----------
    told
        What `fair_hep.project.suggest` found.
    folder
        Where files go.
    """
    drawn = {"features": _features, "neighbours": _neighbours, "elements": _elements}
    for question, draw_it in drawn.items():
        if "reason" not in told[question]:
            name = f"{question}.png"
            with new_file(folder / name) as path, figure(1, 2, width=6.8, height=3.6) as (picture, axes):
                draw_it(told, told[question], axes)
                picture.savefig(path)
            yield name


def _features(told: Mapping[str, Any], found: Mapping[str, Any], axes: Any) -> None:
    names, share = found["order"], np.array(found["share"])
    above, below = axes
    places = np.arange(1, len(names) + 1)
    above.bar(places, share, width=0.6, color=COLOURS["blue"], label="of this feature")
    above.plot(places, share.cumsum(), "o-", color=COLOURS["orange"], label="of it and all before")
    above.set_xticks(places, names, rotation=30, ha="right", rotation_mode="anchor")
    above.set(ylabel="Share of |R|", ylim=(0, 1.3), xlim=(0.4, len(names) + 0.6))
    above.tick_params(axis="x", length=0)
    above.legend(loc="upper left", ncols=2)
    _metric(told, below, {"": (found["curve"], found["kept"]["kept"])})
    below.set(xlabel="Features kept, those of largest |R| first; the others are 0", xlim=(0.4, len(names) + 0.6))
    below.set_xticks(places)
    for panel in axes:
        panel.xaxis.minorticks_off()


def _neighbours(told: Mapping[str, Any], found: Mapping[str, Any], axes: Any) -> None:
    above, below = axes
    graphs = found["graphs"]
    for number, (name, row) in enumerate(graphs.items()):
        if row["share"] is not None:
            own = [] if row["itself"] is None else [row["itself"]]
            rank = np.arange(1 - len(own), row["k"] + 1)
            above.plot(rank, [*own, *row["share"]], _MARKS[number % 8] + "-", color=_COLOURS[number % 5], label=name)
    largest = max(row["k"] for row in graphs.values())
    if above.lines:
        above.legend(loc="upper left", ncols=3)
    else:
        above.text(0.5, 0.5, "no place has the relevance of messages", ha="center", transform=above.transAxes)
    first = 1 if all(row["itself"] is None for row in graphs.values()) else 0
    note = "" if first else " (0: the element itself)"
    above.set(xlabel=f"Rank of the neighbour, the nearest first{note}", ylabel="Share of |R|")
    above.set(ylim=(0, 1.3 * above.get_ylim()[1]), xlim=(first - 0.4, largest + 0.4))
    above.set_xticks(range(first, largest + 1, 1 + largest // 16))
    above.xaxis.minorticks_off()
    _metric(told, below, {name: (row["curve"], row["alone"]) for name, row in graphs.items()})
    below.set(xlabel="Neighbours in this graph alone")
    _doubling(below, largest)


def _elements(told: Mapping[str, Any], found: Mapping[str, Any], axes: Any) -> None:
    above, below = axes
    names = {"stored": f"the first, {found['order']}", "relevance": "those of largest |R|"}
    for number, (key, name) in enumerate(names.items()):
        curve = found[key]["curve"]
        values = ([point[part] for point in curve] for part in ("kept", "share"))
        above.plot(*values, _MARKS[number] + "-", color=_COLOURS[number], label=name)
    above.set(ylabel="Share of |R| in those kept", ylim=(0, 1.08), xlabel="Elements kept of every example, at most")
    above.legend(loc="lower right")
    _metric(told, below, {name: (found[key]["curve"], found[key]["kept"]["kept"]) for key, name in names.items()})
    below.set(xlabel="Elements kept of every example, at most")
    for panel in axes:
        _doubling(panel, found["largest"])


def _metric(told: Mapping[str, Any], panel: Any, curves: Mapping[str, tuple[Sequence[Mapping[str, Any]], int]]) -> None:
    """Draw the metric of every curve, what it may fall to, and which point is enough."""
    value = told["metric"]["value"]
    low = value - told["may_lose"]["value"]
    panel.axhspan(low, value, color=COLOURS["grey"], alpha=0.2, lw=0, label="may be lost")
    for number, (name, (curve, kept)) in enumerate(curves.items()):
        x, y = (np.array([point[key] for point in curve]) for key in ("kept", "value"))
        error = [point["error"] or 0.0 for point in curve]
        colour = _COLOURS[number % 5]
        panel.errorbar(x, y, error, fmt=_MARKS[number % 8] + "-", color=colour, label=name or None, capsize=2)
        chosen = x == kept
        panel.plot(x[chosen], y[chosen], "o", ms=13, mfc="none", mec=colour, label="" if number else "enough", zorder=5)
    panel.set(ylabel=f"{formula(told['metric']['name'])} (validation)")
    # Curves rise to the right, or are flat: names stand below them.
    bottom, top = panel.get_ylim()
    panel.set_ylim(bottom - 0.4 * (top - bottom), top)
    panel.legend(loc="lower right", ncols=2, title=f"{told['examples']['measured']:,} validation examples")


def _doubling(panel: Any, largest: int) -> None:
    """Let an axis of numbers grow by factors of two."""
    panel.set_xscale("log", base=2)
    # The last power of two has no room where the largest number itself is near.
    ticks = [*(2**power for power in range(largest.bit_length()) if 1.3 * 2**power < largest), largest]
    panel.set_xticks(ticks, [str(tick) for tick in ticks])
    panel.set_xlim(0.8, 1.25 * largest)
    panel.xaxis.minorticks_off()
