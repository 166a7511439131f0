"""Two detectors as cards: numbers and tables, no code.

Both are those of Delphes (J. de Favereau et al., arXiv:1307.6346): `CMS` with the resolutions of CMS (tracks:
arXiv:1405.6569, ECAL: arXiv:1306.2016 and arXiv:1502.02701), `ATLAS` as in ``cards/delphes_card_ATLAS.tcl`` of
delphes/delphes at commit 15772b7. There, ATLAS' cells in the ECAL are taken from CMS; releases of Delphes from before
2014 had one calorimeter with the cells of the HCAL for both parts: granularity ``coarse``.

Electrons and photons leave all their energy in the ECAL, K0S and Lambda 30 %, other hadrons nothing; the HCAL gets
the rest; muons and neutrinos leave none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..bundle.errors import ConfigError
from .calorimeter import Calorimeter, Grid, Region, Resolution
from .propagation import Solenoid
from .tracks import Tracking

__all__ = ["ATLAS", "CARDS", "CMS", "GRANULARITIES", "Card", "choose"]


@dataclass(frozen=True)
class Card:
    """One detector.

    Parameters
    ----------
    name
        What it is called.
    solenoid, tracking, ecal, hcal
        Its parts.
    """

    name: str
    solenoid: Solenoid
    tracking: Tracking
    ecal: Calorimeter
    hcal: Calorimeter


_STRANGE = {310: 0.3, 3122: 0.3}
_SHOWERING = (11, 22, 111)
_INVISIBLE = (12, 13, 14, 16)
_ECAL_SHARE = {0: 0.0, **dict.fromkeys(_SHOWERING, 1.0), **_STRANGE}
_HCAL_SHARE = {0: 1.0, **dict.fromkeys((*_SHOWERING, *_INVISIBLE), 0.0), **dict.fromkeys(_STRANGE, 0.7)}

# Delphes has the same tracks in both detectors. For |eta| up to 1.5 and up to 2.5: above 0.1, 1 and 100 GeV of pT; for
# |eta| up to 0.5, 1.5 and 2.5: constant and slope.
_TRACKING = Tracking(
    eta_max=2.5,
    pt_steps=(0.1, 1.0, 100.0),
    efficiency_eta=(1.5,),
    efficiency={
        "hadron": ((0.70, 0.95, 0.95), (0.60, 0.85, 0.85)),
        "electron": ((0.73, 0.95, 0.99), (0.50, 0.83, 0.90)),
        "muon": ((0.75, 0.99, 0.99), (0.70, 0.98, 0.98)),
    },
    resolution_eta=(0.5, 1.5),
    resolution={
        "hadron": ((0.06, 1.3e-3), (0.10, 1.7e-3), (0.25, 3.1e-3)),
        "electron": ((0.03, 1.3e-3), (0.05, 1.7e-3), (0.15, 3.1e-3)),
        "muon": ((0.01, 1.0e-4), (0.015, 1.5e-4), (0.025, 3.5e-4)),
    },
)

_CRYSTAL = 0.0174
_FORWARD = (3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 4.525, 4.7, 5.0)
_ENDCAP = (1.74, 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95, *_FORWARD[:-3])

# 1 degree x 0.0174 up to |eta| = 2.96, 10 degrees x 0.175 up to 5.
_CRYSTALS = Grid([
    ([number * _CRYSTAL for number in range(-85, 87)], 360),
    ([-2.958 + number * _CRYSTAL for number in range(1, 85)], 360),
    ([1.4964 + number * _CRYSTAL for number in range(1, 85)], 360),
    ([*(-edge for edge in _FORWARD), -2.958, *_FORWARD], 36),
])  # fmt: skip

CMS = Card(
    name="CMS",
    solenoid=Solenoid(radius=1.29, half_length=3.0, field=3.8),
    # The MLPF data set's tracks have directions that are good to 0.01.
    tracking=replace(_TRACKING, angle=0.01, muons_fall_from=1000.0),
    ecal=Calorimeter(
        grid=_CRYSTALS,
        share=_ECAL_SHARE,
        # Crystals up to 2.5, the forward calorimeter beyond.
        sigma=Resolution((
            Region(1.5, 0.008, 0.11, 0.40, shape=(1.0, 0.64, 0.0)),
            Region(2.5, 0.008, 0.11, 0.40, shape=(2.16, 5.6, 2.0)),
            Region(5.0, 0.107, 2.08),
        )),
        energy_min=0.5,
    ),
    hcal=Calorimeter(
        # 5 degrees x 0.087 up to |eta| = 1.65, 10 degrees up to 4.5, 20 degrees up to 5.
        grid=Grid([
            ([number * 0.087 for number in range(-18, 20)], 72),
            ([*(-edge for edge in _ENDCAP), -1.653, *_ENDCAP, 4.525], 36),
            ((-5.0, -4.7, -4.525, 4.7, 5.0), 18),
        ]),
        share=_HCAL_SHARE,
        sigma=Resolution((Region(3.0, 0.050, 1.50), Region(5.0, 0.130, 2.70))),
        energy_min=1.0,
    ),
)  # fmt: skip

# 0.1 x 10 degrees up to |eta| = 2.5 or 2.6, about 0.2 x 20 degrees up to 4.9.
_TILES = Grid([
    ((-3.2, *(number / 10 for number in range(-25, 27)), 3.3), 36),
    ((-4.9, -4.7, -4.5, -4.3, -4.1, -3.9, -3.7, -3.5, -3.3, -3.0, -2.8, -2.6), 18),
    ((2.8, 3.0, 3.2, 3.5, 3.7, 3.9, 4.1, 4.3, 4.5, 4.7, 4.9), 18),
])  # fmt: skip

ATLAS = Card(
    name="ATLAS",
    solenoid=Solenoid(radius=1.15, half_length=3.51, field=2.0),
    tracking=_TRACKING,
    ecal=Calorimeter(
        grid=_CRYSTALS,
        share=_ECAL_SHARE,
        sigma=Resolution((Region(3.2, 0.0017, 0.101), Region(4.9, 0.035, 0.285))),
        energy_min=0.5,
    ),
    hcal=Calorimeter(
        grid=_TILES,
        share=_HCAL_SHARE,
        sigma=Resolution((
            Region(1.7, 0.0302, 0.5205, 1.59),
            Region(3.2, 0.05, 0.706),
            Region(4.9, 0.0942, 1.00),
        )),
        energy_min=1.0,
    ),
)  # fmt: skip

#: Cards by name.
CARDS = {card.name: card for card in (CMS, ATLAS)}
#: Cells of the ECAL: its own, or those of the HCAL.
GRANULARITIES = ("fine", "coarse")


def choose(card: str, granularity: str = "fine") -> Card:
    """Return a card by name, with the cells that are asked for.

    Raises
    ------
    ConfigError
        If there is no such card or granularity.
    """
    if card not in CARDS:
        raise ConfigError(f"card: got {card!r}, expected one of {', '.join(CARDS)}")
    if granularity not in GRANULARITIES:
        raise ConfigError(f"granularity: got {granularity!r}, expected one of {', '.join(GRANULARITIES)}")
    chosen = CARDS[card]
    if granularity == "coarse":
        return replace(chosen, ecal=replace(chosen.ecal, grid=chosen.hcal.grid))
    return chosen
