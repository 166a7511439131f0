"""Evaluation of MLPF against rule-based particle flow on the same events: every number comes twice."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..bundle.errors import DataError
from ..bundle.files import new_file
from ..models.contract import Evaluation
from .card import comparison_table
from .comparison import (
    Measure,
    confusions,
    efficiency,
    efficiency_at,
    f1,
    fake_rate,
    jackknife,
    margins,
    multiplicities,
    response,
    width,
)
from .events import jet_responses, missing_momentum
from .four_momenta import Particles, by_event, learned, read_rows
from .particles import CHARGED, CLASSES

if TYPE_CHECKING:
    from ..models.contract import Arrays

__all__ = ["DECISIVE", "FLOWS", "Comparison", "Row", "compare", "evaluate", "measure", "metrics_of", "not_worse"]

#: The two that are compared, in this order everywhere.
FLOWS = ("mlpf", "rules")
#: Mean F1 of the classes: it asks for efficiency and purity at once, and one large class can't hide the others.
DECISIVE = "mlpf_mean_f1"
#: A class counts in that mean if so many elements have it: fewer decide nothing.
ENOUGH = 30
#: What is measured of particles on whose class generator and both flows agree.
QUANTITIES = ("pt", "energy", "eta", "phi")


@dataclass(frozen=True)
class Comparison:
    """Events as generated and as both flows give them, element by element.

    ``margins`` ``[elements, 6]`` say by how much the logit of a class exceeds the largest of the others.
    """

    truth: Particles
    flows: Mapping[str, Particles]
    offsets: np.ndarray
    margins: np.ndarray

    @property
    def event(self) -> np.ndarray:
        """The event of every element."""
        return by_event(self.offsets)

    @property
    def events(self) -> int:
        """The number of events."""
        return len(self.offsets) - 1

    def confusions(self, flow: str) -> np.ndarray:
        """Return the confusion of classes in every event ``[events, 6, 6]``."""
        return confusions(self.truth.pid, self.flows[flow].pid, self.event, self.events)

    def agreed(self, kind: int) -> np.ndarray:
        """Return the elements of a class on which generator and both flows agree, momenta known."""
        chosen = (self.truth.pid == kind) & self.truth.known
        for particles in self.flows.values():
            chosen = chosen & (particles.pid == kind) & particles.known
        return np.flatnonzero(chosen)


@dataclass(frozen=True)
class Row:
    """One line of the table: a quantity of a class, for both flows."""

    quantity: str
    kind: str
    entries: int
    measures: Mapping[str, Measure | None]

    def name(self, flow: str) -> str:
        """Return the name of the metric."""
        return "_".join(part for part in (flow, self.quantity, self.kind) if part)


def evaluate(outputs: Arrays, targets: Arrays, folder: Path) -> Evaluation:
    """Measure logits and momenta ``[elements, 6]`` and the rules' candidates against generated particles.

    Writes ``comparison.csv`` and figures.

    Raises
    ------
    DataError
        If there is no element.
    """
    from . import evaluation_figures

    found = compare(outputs, targets)
    jets = {flow: jet_responses(particles, found.truth, found.offsets) for flow, particles in found.flows.items()}
    rows = measure(found, jets)
    metrics = dict(metrics_of(rows, found))
    _write(rows, folder / "comparison.csv")
    figures = evaluation_figures.draw(found, jets, folder)
    headline = tuple(_headline(rows, metrics, found))
    return Evaluation(metrics, DECISIVE, ("comparison.csv", *figures), headline, (comparison_table(rows),))


def measure(found: Comparison, jets: Mapping[str, Mapping[str, np.ndarray]]) -> list[Row]:
    """Return the whole table: classes, momenta and directions, multiplicities, missing momentum, jets."""
    return [*_classes(found), *_momenta(found), *_counts(found), *_missing(found), *_jets(jets, found.events)]


def not_worse(outputs: Arrays, champion: Arrays, targets: Arrays) -> tuple[bool, str]:
    """Compare the mean F1 of two networks on the same events: lower by no more than one error is not worse."""
    confusion = [compare(each, targets).confusions("mlpf") for each in (outputs, champion)]
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


def compare(outputs: Arrays, targets: Arrays) -> Comparison:
    """Turn raw outputs and targets into particles.

    Raises
    ------
    DataError
        If there is no element.
    """
    if not len(targets["gen"]):
        raise DataError("evaluate: got no elements; the test split needs events")
    flows = {"mlpf": learned(outputs["logits"], outputs["momenta"]), "rules": read_rows(targets["cand"])}
    offsets = np.asarray(targets["offsets"], np.int64)
    return Comparison(read_rows(targets["gen"]), flows, offsets, margins(outputs["logits"]))


# -- rows of the table -------------------------------------------------------------------------------------------------
def _classes(found: Comparison) -> Iterator[Row]:
    """Efficiency, fake rate and charge of every class."""
    confusion = {flow: found.confusions(flow) for flow in FLOWS}
    every = np.arange(found.events)
    for number, kind in enumerate(CLASSES):
        entries = int((found.truth.pid == number).sum())
        if number:
            yield _at_equal_fake_rate(found, number, kind, entries)
        for quantity, measure in (("efficiency", efficiency), ("fake_rate", fake_rate)):
            measures = {
                flow: jackknife(_of_class(measure, confusion[flow], number), every, found.events) for flow in FLOWS
            }
            yield Row(quantity, kind, entries, measures)
    for number in CHARGED:
        chosen = found.agreed(number)
        right = {flow: p.charge[chosen] == found.truth.charge[chosen] for flow, p in found.flows.items()}
        event = found.event[chosen]
        measures = {flow: _measured(values, event, found.events, np.mean) for flow, values in right.items()}
        yield Row("charge_right", CLASSES[number], len(chosen), measures)


def _of_class(
    measure: Callable[[np.ndarray], np.ndarray], confusion: np.ndarray, number: int
) -> Callable[[np.ndarray], float]:
    """Return the measure of one class as a function of the events that are chosen."""
    return lambda chosen: float(measure(confusion[chosen].sum(0))[number])


def _at_equal_fake_rate(found: Comparison, number: int, kind: str, entries: int) -> Row:
    """Efficiency that each flow has at the fake rate of the rules: MLPF's class is chosen more or less readily."""
    is_it, rules = found.truth.pid == number, found.flows["rules"].pid == number

    def ours(chosen: np.ndarray) -> float:
        fakes = (~is_it & rules & chosen).sum() / max(1, (rules & chosen).sum())
        return efficiency_at(found.margins[chosen, number], is_it[chosen], float(fakes))

    def theirs(chosen: np.ndarray) -> float:
        return float(rules[chosen & is_it].mean()) if (chosen & is_it).any() else float("nan")

    measures = {
        flow: jackknife(each, found.event, found.events) for flow, each in zip(FLOWS, (ours, theirs), strict=True)
    }
    return Row("efficiency_at_equal_fake_rate", kind, entries, measures)


def _momenta(found: Comparison) -> Iterator[Row]:
    """Bias, resolution and width of the core of momenta and directions."""
    for number, kind in enumerate(CLASSES[1:], start=1):
        chosen = found.agreed(number)
        for quantity in QUANTITIES:
            responses = {
                flow: response(particles[chosen], found.truth[chosen], quantity)
                for flow, particles in found.flows.items()
            }
            for name, statistic in (("bias", np.mean), ("resolution", np.std), ("core", width)):
                measures = {
                    flow: _measured(values, found.event[chosen], found.events, statistic)
                    for flow, values in responses.items()
                }
                yield Row(f"{quantity}_{name}", kind, len(chosen), measures)


def _counts(found: Comparison) -> Iterator[Row]:
    """How many particles of a class an event seems to have, relative to how many there are."""
    every = np.arange(found.events)
    for number, kind in enumerate(CLASSES[1:], start=1):
        truth = multiplicities(found.truth.pid, [number], found.event, found.events)
        some = truth > 0
        relative = {
            flow: multiplicities(p.pid, [number], found.event, found.events)[some] / truth[some] - 1
            for flow, p in found.flows.items()
        }
        for name, statistic in (("multiplicity_bias", np.mean), ("multiplicity_resolution", np.std)):
            measures = {
                flow: _measured(values, every[some], found.events, statistic) for flow, values in relative.items()
            }
            yield Row(name, kind, int(some.sum()), measures)


def _missing(found: Comparison) -> Iterator[Row]:
    """Both components of the missing transverse momentum, found minus generated, in GeV."""
    truth = missing_momentum(found.truth, found.event, found.events)
    every = np.repeat(np.arange(found.events), 2)
    apart = {flow: (missing_momentum(p, found.event, found.events) - truth).ravel() for flow, p in found.flows.items()}
    for name, statistic in (("met_resolution_gev", np.std), ("met_core_gev", width)):
        measures = {flow: _measured(values, every, found.events, statistic) for flow, values in apart.items()}
        yield Row(name, "", found.events, measures)


def _jets(jets: Mapping[str, Mapping[str, np.ndarray]], events: int) -> Iterator[Row]:
    """Share of generated jets that are found, and the response of their pT."""
    matched = {flow: np.isfinite(found["response"]) for flow, found in jets.items()}
    event = jets["mlpf"]["event"]
    measures = {flow: _measured(values, event, events, np.mean) for flow, values in matched.items()}
    yield Row("jet_efficiency", "", len(event), measures)
    both = matched["mlpf"] & matched["rules"]
    for name, statistic in (("jet_pt_bias", np.mean), ("jet_pt_resolution", np.std), ("jet_pt_core", width)):
        measures = {
            flow: _measured(found["response"][both], event[both], events, statistic) for flow, found in jets.items()
        }
        yield Row(name, "", int(both.sum()), measures)


def _measured(
    values: np.ndarray, event: np.ndarray, events: int, statistic: Callable[[np.ndarray], float]
) -> Measure | None:
    real = np.isfinite(values)
    if real.sum() < 2:
        return None
    return jackknife(
        lambda chosen: statistic(values[chosen & real]) if (chosen & real).any() else np.nan, event, events
    )


# -- results -----------------------------------------------------------------------------------------------------------
def metrics_of(rows: Sequence[Row], found: Comparison) -> Iterator[tuple[str, float]]:
    """Give every number that can be told, with its error."""
    for row in rows:
        for flow, measure in row.measures.items():
            yield from _named(row.name(flow), measure)
    for flow in FLOWS:
        confusion = found.confusions(flow)
        yield from _named(f"{flow}_mean_f1", jackknife(_mean_f1_of(confusion), np.arange(found.events), found.events))


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


def _headline(rows: Sequence[Row], metrics: Mapping[str, float], found: Comparison) -> Iterator[str]:
    """Give the figures that were asked of particle flow, both sides in each line."""
    yield (
        f"mean F1 of the classes: MLPF {metrics[DECISIVE]:.4f}, rules {metrics['rules_mean_f1']:.4f} "
        f"on {found.events} events of {len(found.truth) / max(1, found.events):.0f} elements"
    )
    wanted = {
        ("efficiency_at_equal_fake_rate", "neutral_hadron"): "neutral hadrons: efficiency at the rules' fake rate",
        ("efficiency", "neutral_hadron"): "neutral hadrons: efficiency",
        ("fake_rate", "neutral_hadron"): "neutral hadrons: fake rate",
        ("pt_resolution", "charged_hadron"): "charged hadrons: resolution of pT",
        ("energy_resolution", "neutral_hadron"): "neutral hadrons: resolution of E",
        ("jet_pt_resolution", ""): "jets: resolution of pT",
        ("jet_efficiency", ""): "jets: share found",
        ("met_resolution_gev", ""): "missing transverse momentum: resolution in GeV",
    }
    for row in rows:
        ours, theirs = (row.measures[flow] for flow in FLOWS)
        if (row.quantity, row.kind) in wanted and ours is not None and theirs is not None:
            yield f"{wanted[row.quantity, row.kind]}: MLPF {ours.text()}, rules {theirs.text()}"
    absent = sorted({row.kind for row in rows if row.quantity == "efficiency" and not row.entries})
    if absent:
        yield f"no element of the test events is: {', '.join(absent)}"


def _write(rows: Sequence[Row], path: Path) -> None:
    with new_file(path) as name, name.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["quantity", "class", "entries", *(f"{flow}{part}" for flow in FLOWS for part in ("", "_error"))]
        )
        for row in rows:
            cells = [_cell(measure) for measure in (row.measures[flow] for flow in FLOWS)]
            writer.writerow([row.quantity, row.kind, row.entries, *(value for pair in cells for value in pair)])


def _cell(measure: Measure | None) -> tuple[str, str]:
    if measure is None:
        return "", ""
    return f"{measure.value:.6g}", "" if measure.error is None else f"{measure.error:.2g}"
