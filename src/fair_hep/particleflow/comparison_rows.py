"""The table of an evaluation: every quantity of the network beside that of the rules, with errors over events."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from .columns import CHARGED, CLASSES
from .comparison import FLOWS, NETWORK, RULES, Comparison
from .event_measures import missing_momentum
from .measures import Measure, efficiency, efficiency_at, fake_rate, jackknife, multiplicities, response, width
from .particles import Particles

__all__ = ["ERRORS", "Bin", "Row", "measured", "rows_of"]

#: A difference of more errors than these counts.
ERRORS = 2.0
#: What single precision can't tell.
_ROUNDING = 1e-5
#: What is measured of particles on whose class generator and both flows agree.
QUANTITIES = ("pt", "energy", "eta", "phi")


@dataclass(frozen=True)
class Bin:
    """A range of |eta| or of the energy in GeV, its upper edge excluded."""

    name: str
    label: str
    quantity: str
    low: float
    high: float

    def holds(self, particles: Particles) -> np.ndarray:
        """Say which particles lie in the bin."""
        values = np.abs(getattr(particles, self.quantity))
        return np.asarray(particles.known & (values >= self.low) & (values < self.high))


@dataclass(frozen=True)
class Row:
    """One line of the table: a quantity of a class, for both flows; of all particles, or of those in a bin."""

    quantity: str
    kind: str
    entries: int
    measures: Mapping[str, Measure | None]
    where: Bin | None = None

    def name(self, flow: str) -> str:
        """Return the name of the metric of a flow, given the flow's own."""
        return "_".join(
            part for part in (flow, self.quantity, self.kind, self.where.name if self.where else "") if part
        )

    def text(self) -> str:
        """Return what is measured, in words."""
        words = f"{self.quantity} {self.kind}".replace("_", " ").strip()
        return f"{words}, {self.where.label}" if self.where else words

    def worse(self) -> bool:
        """Say whether the network is worse than the rules by more than `ERRORS` errors, both errors together.

        Efficiencies and shares are better when high, everything else is better when nearer to 0.
        """
        ours, theirs = (self.measures[flow] for flow in FLOWS)
        if ours is None or theirs is None:
            return False
        if "efficiency" in self.quantity or self.quantity == "charge_right":
            behind = theirs.value - ours.value
        else:
            behind = abs(ours.value) - abs(theirs.value)
        return behind > max(ERRORS * math.hypot(ours.error or 0.0, theirs.error or 0.0), _ROUNDING)


def rows_of(found: Comparison, jets: Mapping[str, Mapping[str, np.ndarray]]) -> list[Row]:
    """Return the whole table: classes, momenta and directions, multiplicities, missing momentum, jets."""
    return [*_classes(found), *_momenta(found), *_counts(found), *_missing(found), *_jets(jets, found.events)]


def _classes(found: Comparison) -> Iterator[Row]:
    """Efficiency, fake rate and charge of every class."""
    confusion = {flow: found.confusions(flow) for flow in FLOWS}
    every = np.arange(found.events)
    for number, kind in enumerate(CLASSES):
        entries = int((found.truth.pid == number).sum())
        if number:
            yield _at_equal_fake_rate(found, number, kind, entries)
        for quantity, statistic in (("efficiency", efficiency), ("fake_rate", fake_rate)):
            measures = {
                flow: jackknife(_of_class(statistic, confusion[flow], number), every, found.events) for flow in FLOWS
            }
            yield Row(quantity, kind, entries, measures)
    for number in CHARGED:
        chosen = found.agreed(number)
        right = {flow: p.charge[chosen] == found.truth.charge[chosen] for flow, p in found.flows.items()}
        event = found.event[chosen]
        measures = {flow: measured(values, event, found.events, np.mean) for flow, values in right.items()}
        yield Row("charge_right", CLASSES[number], len(chosen), measures)


def _of_class(
    statistic: Callable[[np.ndarray], np.ndarray], confusion: np.ndarray, number: int
) -> Callable[[np.ndarray], float]:
    """Return the measure of one class as a function of the events that are chosen."""
    return lambda chosen: float(statistic(confusion[chosen].sum(0))[number])


def _at_equal_fake_rate(found: Comparison, number: int, kind: str, entries: int) -> Row:
    """Efficiency that each flow has at the fake rate of the rules: ours is chosen more or less readily."""
    is_it, rules = found.truth.pid == number, found.flows[RULES].pid == number

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
                    flow: measured(values, found.event[chosen], found.events, statistic)
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
                flow: measured(values, every[some], found.events, statistic) for flow, values in relative.items()
            }
            yield Row(name, kind, int(some.sum()), measures)


def _missing(found: Comparison) -> Iterator[Row]:
    """Both components of the missing transverse momentum, found minus generated, in GeV."""
    truth = missing_momentum(found.truth, found.event, found.events)
    every = np.repeat(np.arange(found.events), 2)
    apart = {flow: (missing_momentum(p, found.event, found.events) - truth).ravel() for flow, p in found.flows.items()}
    for name, statistic in (("met_resolution_gev", np.std), ("met_core_gev", width)):
        measures = {flow: measured(values, every, found.events, statistic) for flow, values in apart.items()}
        yield Row(name, "", found.events, measures)


def _jets(jets: Mapping[str, Mapping[str, np.ndarray]], events: int) -> Iterator[Row]:
    """Share of generated jets that are found, and the response of their pT."""
    matched = {flow: np.isfinite(found["response"]) for flow, found in jets.items()}
    event = jets[NETWORK]["event"]
    measures = {flow: measured(values, event, events, np.mean) for flow, values in matched.items()}
    yield Row("jet_efficiency", "", len(event), measures)
    both = matched[NETWORK] & matched[RULES]
    for name, statistic in (("jet_pt_bias", np.mean), ("jet_pt_resolution", np.std), ("jet_pt_core", width)):
        measures = {
            flow: measured(found["response"][both], event[both], events, statistic) for flow, found in jets.items()
        }
        yield Row(name, "", int(both.sum()), measures)


def measured(
    values: np.ndarray, event: np.ndarray, events: int, statistic: Callable[[np.ndarray], float]
) -> Measure | None:
    """Return a statistic of the finite values ``[entries]`` with its error; None of fewer than two.

    Parameters
    ----------
    values, event
        Each entry and its event ``[entries]``.
    events
        Number of events.
    statistic
        What is measured of some of the values.
    """
    real = np.isfinite(values)
    if real.sum() < 2:
        return None
    return jackknife(
        lambda chosen: statistic(values[chosen & real]) if (chosen & real).any() else np.nan, event, events
    )
