"""What goes into the network and comes out of it, with units and ranges, and what a user must know of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fair_hep import TensorSpec
from fair_hep.particleflow.columns import CLASSES, MOMENTA, PARTICLE

__all__ = ["CITATION", "FEATURES", "INPUTS", "LIMITS", "OUTPUTS", "SUMMARY", "TARGETS", "TITLE"]

TITLE = "MLPF"
SUMMARY = "Reconstructs the particles of an event from its tracks and calorimeter towers."
CITATION: Mapping[str, str] = {
    "title": "MLPF: efficient machine-learned particle-flow reconstruction using graph neural networks",
    "authors": "Joosep Pata, Javier Duarte, Jean-Roch Vlimant, Maurizio Pierini and Maria Spiropulu",
    "doi": "10.1140/epjc/s10052-021-09158-w",
    "arxiv": "2101.08578",
}
#: What a user must know before trusting an answer: for the model card.
LIMITS = (
    "`is_gen_muon` and `is_gen_electron` come from generator truth: no detector knows them, so electrons and "
    "muons are found better than they would be in data.",
    "The sample has no pile-up: ttbar events train, QCD events above 100 GeV of pT-hat test.",
    "The preset corrections knows the cells of the CMS card's hadron calorimeter, and of no other detector.",
    "An element gets at most one particle: where two share a tower, one of them is lost.",
    "Made for a parametrised detector in the manner of Delphes' CMS card, at the pile-up that it was trained with.",
)

_EITHER = "1 (tracks) or GeV (towers)"
#: No momentum and no energy is above that of the collisions: who has MeV is.
_LARGEST = 14_000.0
#: Columns of an element: unit, lowest and highest value. Of a track | of a tower, the columns are
#: type 2 | 1, pT | ET, eta, sin phi, cos phi, p | E, eta at the outer radius | E in the ECAL, sin phi there | E in the
#: HCAL, cos phi there | 0, charge | 0, whether it is a muon | 0, whether it is an electron | 0.
_ELEMENT: Mapping[str, tuple[str, float, float]] = {
    "type": ("1", 0.0, 2.0),
    "pt_or_et": ("GeV", 0.0, _LARGEST),
    "eta": ("1", -10.0, 10.0),
    "sin_phi": ("1", -1.0, 1.0),
    "cos_phi": ("1", -1.0, 1.0),
    "p_or_energy": ("GeV", 0.0, _LARGEST),
    "eta_outer_or_ecal": (_EITHER, -10.0, _LARGEST),
    "sin_phi_outer_or_hcal": (_EITHER, -1.0, _LARGEST),
    "cos_phi_outer": ("1", -1.0, 1.0),
    "charge": ("e", -1.0, 1.0),
    "is_gen_muon": ("1", 0.0, 1.0),
    "is_gen_electron": ("1", 0.0, 1.0),
}


def _of_elements(name: str, column: str, columns: tuple[str, ...], meaning: str, **options: Any) -> TensorSpec:
    """Specify a row of so many columns for every element of every event, float32."""
    return TensorSpec(
        name=name,
        axes=("events", "elements", column),
        dynamic=("events", "elements"),
        sizes={column: len(columns)},
        dtype="float32",
        meaning=meaning,
        columns=columns,
        **options,
    )


INPUTS = (
    _of_elements(
        "elements",
        "column",
        tuple(_ELEMENT),
        "tracks (type 2) and towers (type 1) in any order, zero-padded; a column may mean one thing for a "
        "track and another for a tower; is_gen_muon and is_gen_electron come from the generator",
        unit="GeV",
        units={name: unit for name, (unit, _, _) in _ELEMENT.items() if unit != "GeV"},
        ranges=tuple((low, high) for _, low, high in _ELEMENT.values()),
        positive=("type",),
        allowed={"type": (1.0, 2.0)},
        # The graph compares all elements with each other: memory grows with the square.
        limits={"elements": 10_000},
    ),
)
OUTPUTS = (
    _of_elements(
        "logits",
        "class",
        CLASSES,
        "unnormalised log-probabilities of the classes of every element; 0 for padding",
    ),
    _of_elements(
        "momenta",
        "component",
        MOMENTA,
        "the particle of every element, where its class isn't none: charge, natural logarithms of pT and E "
        "in GeV, direction; 0 for padding",
    ),
)
#: What the data set tells besides.
TARGETS = (
    INPUTS[0],
    _of_elements("gen", "component", PARTICLE, "the generated particle behind every element", unit="GeV"),
    _of_elements("cand", "component", PARTICLE, "what rule-based particle flow makes of every element", unit="GeV"),
)
#: Where relevance lives: every column makes one feature, see ``network.py``.
FEATURES = _of_elements(
    "features",
    "feature",
    tuple(_ELEMENT),
    "features of the elements, normalised by fixed constants: where relevance lives",
    ranges=((-5.0, 5.0),) * len(_ELEMENT),
)
