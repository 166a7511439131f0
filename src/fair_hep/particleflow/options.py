"""What may be chosen about the data: ``data.options`` and ``data.simulation`` of a configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..bundle.strict import Strict

__all__ = ["DataOptions", "SimulationOptions"]


class DataOptions(Strict):
    """How events are given to the network: ``data.options``."""

    target: Literal["gen", "cand"] = Field(
        "gen", description="gen: learn the generated particles; cand: learn what the rules make of the event"
    )
    limit: int = Field(
        0, ge=0, description="largest number of elements that an event may have; 0: any; events are never cut"
    )


class SimulationOptions(Strict):
    """What is simulated: ``data.simulation``."""

    pileup: float = Field(200.0, ge=0, le=1000, description="mean number of pile-up interactions")
