"""Evaluation of a network against rule-based particle flow on the same events: every number comes twice."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..bundle.files import new_file
from ..models.contract import Evaluation
from .captions import HEADLINE
from .card_tables import comparison_table
from .comparison import FLOWS, NETWORK, RULES, Comparison, compare
from .comparison_bins import binned_rows
from .comparison_rows import ERRORS, Row, rows_of
from .evaluation_figures import draw
from .event_measures import jet_responses
from .measures import Measure, f1, jackknife

if TYPE_CHECKING:
    from ..models.contract import Arrays

__all__ = ["decisive", "evaluate", "metrics_of", "not_worse"]

#: A class counts in the mean F1 if so many elements have it: fewer decide nothing.
ENOUGH = 30


def decisive(name: str) -> str:
    """Return the name of the metric that decides: the mean F1 of the classes.

    It asks for efficiency and purity at once, and one large class can't hide the others.
    """
    return f"{name}_mean_f1"


def evaluate(
    outputs: Arrays,
    targets: Arrays,
    folder: Path,
    *,
    name: str,
    title: str,
    headline: Mapping[tuple[str, str], str] = HEADLINE,
) -> Evaluation:
    """Measure logits and momenta ``[elements, 6]`` and the rules' candidates against generated particles.

    Writes ``comparison.csv`` and figures.

    Parameters
    ----------
    outputs, targets
        "logits" and "momenta"; "gen", "cand" and "offsets", as `Model.evaluate` gets them.
    folder
        Where files go.
    name, title
        Of the model: its metrics begin with the name, figures and lines say the title.
    headline
        Quantity and class of the rows that get a line for a human, with its words.

    Raises
    ------
    DataError
        If there is no element.
    """
    found = compare(outputs, targets)
    jets = {flow: jet_responses(particles, found.truth, found.offsets) for flow, particles in found.flows.items()}
    rows = [*rows_of(found, jets), *binned_rows(found)]
    metrics = dict(metrics_of(rows, found, name))
    _write(rows, folder / "comparison.csv", name)
    figures = draw(found, jets, folder, title)
    lines = (_worse(rows), _mean_f1_line(metrics, found, name, title), *_headline(rows, headline, title))
    return Evaluation(metrics, decisive(name), ("comparison.csv", *figures), lines, (comparison_table(rows),))


def not_worse(outputs: Arrays, champion: Arrays, targets: Arrays) -> tuple[bool, str]:
    """Compare the mean F1 of two networks on the same events: lower by no more than one error is not worse."""
    confusion = [compare(each, targets).confusions(NETWORK) for each in (outputs, champion)]
    found = jackknife(
        lambda chosen: _mean_f1(confusion[0][chosen]) - _mean_f1(confusion[1][chosen]),
        np.arange(len(confusion[0])),
        len(confusion[0]),
    )
    assert found is not None
    error = found.error or 0.0
    good = found.value >= -error
    verb = "is not worse than" if good else "is worse than"
    return good, f"{verb} the champion: difference of the mean F1 {found.value:+.5f}, error over events {error:.5f}"


def metrics_of(rows: Sequence[Row], found: Comparison, name: str) -> Iterator[tuple[str, float]]:
    """Give every number that can be told, with its error; those of the network begin with the model's name."""
    names = {NETWORK: name, RULES: RULES}
    for row in rows:
        for flow, measure in row.measures.items():
            yield from _named(row.name(names[flow]), measure)
    for flow in FLOWS:
        confusion = found.confusions(flow)
        mean = jackknife(_mean_f1_of(confusion), np.arange(found.events), found.events)
        yield from _named(decisive(names[flow]), mean)


def _named(name: str, measure: Measure | None) -> Iterator[tuple[str, float]]:
    if measure is not None:
        yield name, measure.value
        if measure.error is not None:
            yield f"{name}_error", measure.error


def _mean_f1_of(confusion: np.ndarray) -> Callable[[np.ndarray], float]:
    return lambda chosen: _mean_f1(confusion[chosen])


def _mean_f1(confusion: np.ndarray) -> float:
    """Return the mean F1 of the classes that enough elements have (else of all that occur), from ``[events, 6, 6]``."""
    total = confusion.sum(0)
    counts = total.sum(1)
    return float(f1(total)[counts >= min(ENOUGH, counts.max())].mean())


def _mean_f1_line(metrics: Mapping[str, float], found: Comparison, name: str, title: str) -> str:
    ours, theirs = metrics[decisive(name)], metrics[decisive(RULES)]
    return (
        f"mean F1 of the classes: {title} {ours:.4f}, rules {theirs:.4f} "
        f"on {found.events} events of {len(found.truth) / max(1, found.events):.0f} elements"
    )


def _worse(rows: Sequence[Row]) -> str:
    """Say what the rules do better: the first thing to know of a network."""
    worse = [
        f"{row.text()} {ours.text()} against {theirs.text()}"
        for row in rows
        if row.worse() and (ours := row.measures[NETWORK]) and (theirs := row.measures[RULES])
    ]
    if not worse:
        return f"no row of {len(rows)} is worse than that of rule-based particle flow by more than {ERRORS:g} errors"
    return (
        f"worse than rule-based particle flow by more than {ERRORS:g} errors in {len(worse)} of {len(rows)} rows: "
        f"{'; '.join(worse)}"
    )


def _headline(rows: Sequence[Row], wanted: Mapping[tuple[str, str], str], title: str) -> Iterator[str]:
    """Give the figures that are asked for, both sides in each line."""
    for row in rows:
        ours, theirs = (row.measures[flow] for flow in FLOWS)
        wanted_here = (row.quantity, row.kind) in wanted and (row.where is None or row.where.quantity == "eta")
        if wanted_here and ours is not None and theirs is not None:
            where = f", {row.where.label}" if row.where else ""
            yield f"{wanted[row.quantity, row.kind]}{where}: {title} {ours.text()}, rules {theirs.text()}"
    absent = sorted({row.kind for row in rows if row.quantity == "efficiency" and not row.entries and not row.where})
    if absent:
        yield f"no element of the test events is: {', '.join(absent)}"


def _write(rows: Sequence[Row], path: Path, name: str) -> None:
    with new_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            [
                "quantity",
                "class",
                "bin",
                "entries",
                *(f"{flow}{part}" for flow in (name, RULES) for part in ("", "_error")),
            ]
        )
        for row in rows:
            cells = [_cell(measure) for measure in (row.measures[flow] for flow in FLOWS)]
            where = row.where.label if row.where else ""
            writer.writerow([row.quantity, row.kind, where, row.entries, *(value for pair in cells for value in pair)])


def _cell(measure: Measure | None) -> tuple[str, str]:
    if measure is None:
        return "", ""
    return f"{measure.value:.6g}", "" if measure.error is None else f"{measure.error:.2g}"
