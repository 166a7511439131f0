"""Measures of a tagger in bins of what is derived of a jet: where it works better and where worse, with errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..bundle.files import new_file
from ..bundle.symbols import in_formulas
from ..pages.document import Table
from ..pages.figures import COLOURS, figure
from ..pages.measured import measured
from .measures import area, working_point

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..bundle.domain import Quantity
    from ..models.contract import Arrays

__all__ = ["DERIVED", "Binned", "in_bins"]

#: In front of a quantity's name among the targets of an evaluation.
DERIVED = "domain_"
#: Bins of equally many examples; classes with fewer examples in one aren't measured there.
BINS, FEW = 4, 10
#: Signal efficiency of the whole range at which the cut stands, with two classes.
_EFFICIENCY = 0.5


@dataclass(frozen=True)
class _Bin:
    """One bin of one quantity: its edges, its examples, and measures with their errors by name."""

    low: float
    high: float
    count: int
    found: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Binned:
    """What an evaluation in bins found, as parts of an `Evaluation`."""

    metrics: Mapping[str, float]
    tables: tuple[Table, ...] = ()
    files: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()


def in_bins(logits: NDArray[np.floating], targets: Arrays, quantities: Sequence[Quantity], folder: Path) -> Binned:
    """Measure a tagger in quarters of the test set by each quantity that the targets hold.

    Two classes: the area, and what passes the one cut that keeps half of all signal. More: the accuracy.

    Parameters
    ----------
    logits
        ``[examples, classes]``; with two, the first is the background.
    targets
        ``label`` ``[examples]``, and values of quantities ``[examples]`` under `DERIVED` and their names.
    quantities
        What may be there.
    folder
        Where the figure goes.
    """
    values = np.asarray(logits, np.float64)
    found: list[tuple[Quantity, list[_Bin]]] = []
    for quantity in quantities:
        if (key := DERIVED + quantity.name) in targets:
            bins = _bins(values, targets["label"], np.asarray(targets[key]))
            if any(one.found for one in bins):
                found.append((quantity, bins))
    if not found:
        return Binned({})
    main = "auc" if values.shape[1] == 2 else "accuracy"
    _draw(found, main, folder / "bins.png")
    table = Table(
        "In quarters of the test split by what is derived of an example"
        + (f"; efficiencies at the one cut that keeps {_EFFICIENCY:.0%} of all signal" if main == "auc" else ""),
        ("quantity", "range", "examples", *(name.replace("_", " ") for name in _names(found))),
        tuple(_row(quantity, one, _names(found)) for quantity, bins in found for one in bins),
    )
    return Binned(_metrics(found), (table,), ("bins.png",), tuple(_factor(q, b, main) for q, b in found))


def _bins(logits: NDArray[np.float64], labels: NDArray[np.integer], values: NDArray[np.floating]) -> list[_Bin]:
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)))
    if len(edges) < 3:
        return []
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    cut = None
    if logits.shape[1] == 2:
        cut = working_point(logits[:, 1] - logits[:, 0], labels, _EFFICIENCY).threshold
    bins = []
    for number in range(len(edges) - 1):
        inside = place == number
        measured = (
            _two(logits[inside], labels[inside], cut) if cut is not None else _many(logits[inside], labels[inside])
        )
        bins.append(_Bin(float(edges[number]), float(edges[number + 1]), int(inside.sum()), measured))
    return bins


def _two(logits: NDArray[np.float64], labels: NDArray[np.integer], cut: float) -> Mapping[str, tuple[float, float]]:
    score = logits[:, 1] - logits[:, 0]
    if min((labels == 1).sum(), (labels == 0).sum()) < FEW:
        return {}
    return {
        "auc": area(score, labels),
        "signal_efficiency": _share(score[labels == 1] >= cut),
        "background_efficiency": _share(score[labels == 0] >= cut),
    }


def _many(logits: NDArray[np.float64], labels: NDArray[np.integer]) -> Mapping[str, tuple[float, float]]:
    return {"accuracy": _share(logits.argmax(1) == labels)} if len(labels) >= FEW else {}


def _share(passed: NDArray[np.bool_]) -> tuple[float, float]:
    """Return a share with its binomial error, which isn't 0 where none or all pass."""
    share, size = float(passed.mean()), len(passed)
    return share, float(np.sqrt(max(share * (1 - share), 1 / size) / size))


def _names(found: Sequence[tuple[Quantity, Sequence[_Bin]]]) -> list[str]:
    return list(next(one.found for _, bins in found for one in bins if one.found))


def _metrics(found: Sequence[tuple[Quantity, Sequence[_Bin]]]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for quantity, bins in found:
        for number, one in enumerate(bins, start=1):
            for name, (value, error) in one.found.items():
                key = f"{name}_{quantity.name}_bin{number}"
                metrics |= {key: value, f"{key}_error": error}
    return metrics


def _unit(quantity: Quantity) -> str:
    return "" if quantity.unit == "1" else f" {quantity.unit}"


def _row(quantity: Quantity, one: _Bin, names: Sequence[str]) -> tuple[str, ...]:
    cells = (measured(*one.found[name], ".4f") if one.found else "too few" for name in names)
    return (quantity.title, f"{one.low:.4g} to {one.high:.4g}{_unit(quantity)}", str(one.count), *cells)


def _factor(quantity: Quantity, bins: Sequence[_Bin], main: str) -> str:
    seen = [one for one in bins if one.found]
    worst, best = (choose(seen, key=lambda one: one.found[main][0]) for choose in (min, max))
    name = "AUC" if main == "auc" else main

    def told(one: _Bin) -> str:
        return f"{measured(*one.found[main], '.4f')} ({one.low:.4g} to {one.high:.4g}{_unit(quantity)})"

    title = quantity.title[0].upper() + quantity.title[1:]
    if len(seen) == 1:
        return f"{title}: measured apart where both classes are; {name} {told(best)}."
    return f"{title}: measured apart; {name} from {told(worst)} to {told(best)}."


def _draw(found: Sequence[tuple[Quantity, Sequence[_Bin]]], main: str, path: Path) -> None:
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    with new_file(path) as name, figure(columns, rows, width=4.4, height=3.6) as (picture, axes):
        panels = np.atleast_1d(axes).ravel()
        for panel, (quantity, bins) in zip(panels, found, strict=False):
            seen = [one for one in bins if one.found]
            middle = np.array([(one.low + one.high) / 2 for one in seen])
            half = np.array([(one.high - one.low) / 2 for one in seen])
            value, error = np.array([one.found[main] for one in seen]).T
            panel.errorbar(middle, value, xerr=half, yerr=error, fmt="o", color=COLOURS["blue"])
            unit = "" if quantity.unit == "1" else f" [{quantity.unit}]"
            panel.set(xlabel=in_formulas(quantity.title) + unit, ylabel="AUC" if main == "auc" else "Accuracy")
        for panel in panels[len(found) :]:
            panel.set_visible(False)
        picture.savefig(name)
