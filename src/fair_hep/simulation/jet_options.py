"""What may be chosen about simulated jets: ``data.simulation`` in a configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..bundle.strict import Strict
from ..detector.cards import Card, choose

__all__ = ["SHOWERS", "JetOptions"]

#: What Pythia is told for each shower. Dire was the third; Pythia 8.3 gave it up.
SHOWERS = {"default": (), "vincia": ("PartonShowers:model = 2",)}


class JetOptions(Strict):
    """How jets are simulated."""

    level: Literal["detector", "particle"] = Field(
        "detector", description="jets of what a detector measures, or of the visible particles themselves"
    )
    card: Literal["ATLAS", "CMS"] = Field("ATLAS", description="which detector")
    granularity: Literal["fine", "coarse"] = Field(
        "coarse",
        description="cells of the electromagnetic calorimeter: its own, or those of the hadronic one, as in older "
        "releases of Delphes",
    )
    shower: Literal["default", "vincia"] = Field("default", description="Pythia's own parton shower, or Vincia")

    def detector(self) -> Card | None:
        """Return the detector; None at particle level."""
        return choose(self.card, self.granularity) if self.level == "detector" else None
