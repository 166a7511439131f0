"""What the edges of a graph network carry: pictures of jets, and how much relevance crosses between constituents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.account import account, probability
from ..bundle.edge_figure import draw_edges
from ..bundle.files import new_file
from ..bundle.quantities import derive, needed
from ..pages.figures import COLOURS, figure
from ..pages.measured import measured
from .case import Case, Study
from .relevances import ELEMENTS, Relevances, read_relevances
from .summary import Summary

__all__ = ["GraphStudy", "LoopTables", "draw_jet", "loops"]

_MOMENTUM = ("px", "py", "pz")


class LoopTables(Summary):
    """What every network's study gathers, and how much of the edges' relevance lies on loops."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        super().__init__(classes)
        self._loops: list[np.ndarray] = []

    def add(self, part: Relevances) -> None:
        """Take examples in."""
        super().add(part)
        shares = []
        for place in range(part.places):
            neighbour, share, _ = part.edges(place)
            own = neighbour == np.arange(neighbour.shape[1])[None, :, None]
            total = share.astype(np.float64)
            shares.append((total * own).sum((1, 2)) / np.maximum(total.sum((1, 2)), 1e-300))
        self._loops.append(np.stack(shares))

    def found(self, *, draws: int = 200) -> dict[str, Any]:
        """Return all that was gathered as JSON values."""
        rows = np.concatenate(self._loops, axis=1)
        return {**super().found(draws=draws), "edges": {"loops": [loops(shares) for shares in rows]}}


class GraphStudy(Study):
    """Where decisions come from, what edges carry, and pictures of jets; the last slot of every element is a loop."""

    def summary(self, case: Case) -> LoopTables:
        """Return tables of features, ranks and loops."""
        return LoopTables(case.classes)

    def draw(self, case: Case, found: Mapping[str, Any], path: Path) -> None:
        """Draw some jets of each class, where the first input says in which direction its elements are."""
        columns = case.model.inputs[0].columns
        if any(needed(name, columns) is None for name in _MOMENTUM):
            return
        left = dict.fromkeys(case.classes, case.config.explain.figures)
        for part in read_relevances(path):
            for number, label in enumerate(part["example/label"]):
                kind = case.classes[int(label)]
                if left[kind]:
                    left[kind] -= 1
                    jet = part.row(number)
                    index = int(jet["example/index"])
                    name = case.figure(f"edges_{kind}_{index}")
                    about = f"{kind} jet {index}"
                    draw_jet(jet, columns, name, about, explained=case.explained, last=case.classes[-1])
            if not any(left.values()):
                break

    def lines(self, case: Case, found: Mapping[str, Any]) -> Iterator[str]:
        """Give how much crosses between constituents in every layer."""
        yield from super().lines(case, found)
        for number, row in enumerate(found["edges"]["loops"]):
            yield (
                f"layer {number + 1}: {measured(1 - row['mean'], row['error'])} of its edges' |R| crosses between "
                "constituents, the rest stays at one"
            )


def loops(shares: np.ndarray) -> dict[str, float | None]:
    """Return the mean of shares ``[jets]`` and its error; None: a single jet has none."""
    error = float(shares.std() / np.sqrt(len(shares))) if len(shares) > 1 else None
    return {"mean": float(shares.mean()), "error": error}


def draw_jet(jet: Relevances, columns: tuple[str, ...], path: Path, title: str, *, explained: str, last: str) -> None:
    """Draw one jet in (delta eta, delta phi), one panel for each layer.

    Parameters
    ----------
    jet
        One row of the file of relevances.
    columns
        Columns of the input.
    path
        File to write; its suffix chooses the format.
    title
        Which jet it is.
    explained, last
        Name of what is explained, and of the last class.
    """
    count = int(jet[ELEMENTS])
    have = {name: jet["element/input"][:count, number].astype(np.float64) for number, name in enumerate(columns)}
    px, py, pz = (derive(name, have) for name in _MOMENTUM)
    pt = np.hypot(px, py)
    eta, axis = np.arcsinh(pz / np.maximum(pt, 1e-8)), np.array([px.sum(), py.sum()])
    around = np.arctan2(axis[0] * py - axis[1] * px, axis[0] * px + axis[1] * py)
    angles = np.stack([eta - np.arcsinh(pz.sum() / max(np.hypot(*axis), 1e-8)), around], 1)
    relevance = jet["element/relevance"][:count].sum(1)
    reach = max(0.4, 1.08 * float(np.abs(angles).max()))
    layers = jet.places
    with new_file(path) as name, figure(layers, width=4.6, height=5.0) as (picture, axes):
        for number, panel in enumerate(np.atleast_1d(axes)):
            neighbour, share, _ = jet.edges(number)
            draw_edges(panel, angles, neighbour[:count], share[:count])
            for sign, colour in ((1, COLOURS["red"]), (-1, COLOURS["blue"])):
                chosen = relevance * sign > 0
                disc = {"color": colour, "alpha": 0.85, "edgecolors": "white", "linewidths": 0.4, "zorder": 2}
                label = f"{'for' if sign > 0 else 'against'} {last}: R = {relevance[chosen].sum():+.2f}"
                panel.scatter(*angles[chosen].T, s=(8 + 700 * pt / pt.sum())[chosen], label=label, **disc)
            panel.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel=r"$\Delta\eta$", aspect="equal")
            panel.set_title(f"Layer {number + 1}", fontsize=13)
        first = np.atleast_1d(axes)[0]
        first.set_ylabel(r"$\Delta\phi$ [rad]")
        handles, labels = first.get_legend_handles_labels()
        place: dict[str, Any] = {"loc": "outside upper center", "ncols": 2, "frameon": False, "fontsize": 11}
        discs: list[Any] = list(picture.legend(handles, labels, **place).legend_handles)
        for disc in discs:
            disc.set_sizes([60])
        picture.supxlabel(
            f"{title}, {count} constituents; probability of {last} {probability(jet)}\n"
            f"{explained} = {account(jet)}\nlines: edges with the most |R|, darker for more",
            fontsize=11,
        )
        picture.savefig(name)
