"""The same comparison in bins of pseudorapidity and energy: an average can hide where nothing is found.

Regions follow the detector: the central part, the endcaps as far as tracks reach, and the forward part without tracks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .columns import CLASSES
from .comparison import FLOWS, Comparison
from .comparison_rows import Bin, Row, measured
from .measures import response

__all__ = ["BINS", "FEWEST", "binned_rows"]

#: A bin of fewer particles isn't measured, and neither is the fake rate where fewer were found: the jackknife of three
#: fakes has no spread.
FEWEST = 20
#: The classes that are measured in bins, and the quantity whose resolution is.
_RESOLUTION = {"charged_hadron": "pt", "neutral_hadron": "energy", "photon": "energy"}


BINS = (
    Bin("central", "|eta| < 1.5", "eta", 0.0, 1.5),
    Bin("endcap", "1.5 <= |eta| < 2.5", "eta", 1.5, 2.5),
    Bin("forward", "|eta| >= 2.5", "eta", 2.5, np.inf),
    Bin("below_10_gev", "E < 10 GeV", "energy", 0.0, 10.0),
    Bin("10_to_30_gev", "10 <= E < 30 GeV", "energy", 10.0, 30.0),
    Bin("from_30_gev", "E >= 30 GeV", "energy", 30.0, np.inf),
)


def binned_rows(found: Comparison) -> Iterator[Row]:
    """Give efficiency (against the generated quantity), fake rate (against the found one) and resolution by bin."""
    for kind, quantity in _RESOLUTION.items():
        number = CLASSES.index(kind)
        is_it = found.truth.pid == number
        agreed = found.agreed(number)
        for where in BINS:
            inside = is_it & where.holds(found.truth)
            if inside.sum() < FEWEST:
                continue
            right = {flow: particles.pid[inside] == number for flow, particles in found.flows.items()}
            event = found.event[inside]
            measures = {flow: measured(right[flow], event, found.events, np.mean) for flow in FLOWS}
            yield Row("efficiency", kind, int(inside.sum()), measures, where)
            measures = {}
            for flow, particles in found.flows.items():
                got = (particles.pid == number) & where.holds(particles)
                enough = got.sum() >= FEWEST
                measures[flow] = measured(~is_it[got], found.event[got], found.events, np.mean) if enough else None
            yield Row("fake_rate", kind, int(inside.sum()), measures, where)
            both = agreed[where.holds(found.truth[agreed])]
            measures = {
                flow: measured(
                    response(particles[both], found.truth[both], quantity), found.event[both], found.events, np.std
                )
                for flow, particles in found.flows.items()
            }
            yield Row(f"{quantity}_resolution", kind, len(both), measures, where)
