"""What may be chosen about events and study: ``data.options`` and ``explain.options`` of a configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..bundle.strict import Strict

__all__ = ["DataOptions", "EventStudyOptions"]


class DataOptions(Strict):
    """How events are given to the network: ``data.options``."""

    target: Literal["gen", "cand"] = Field(
        "gen", description="gen: learn the generated particles; cand: learn what the rules make of the event"
    )
    limit: int = Field(
        0, ge=0, description="largest number of elements that an event may have; 0: any; events are never cut"
    )


class EventStudyOptions(Strict):
    """What the study does: ``explain.options`` of the configuration."""

    elements: int = Field(
        100, ge=1, description="elements of each class to explain, correctly and incorrectly classified ones each"
    )
    others: int = Field(5, ge=1, le=20, description="rows of an R-map below the element itself")
    trust: int = Field(60, ge=0, description="elements to compare with networks of random weights; 0: none")
    removal: int = Field(
        2, ge=0, description="elements of each class and outcome of the validation split to remove others for; 0: none"
    )
    removal_steps: int = Field(4, ge=2, description="steps in which others are removed")
    interactive: bool = Field(True, description="also make event displays to click on, with plotly")
    format: str = Field("png", pattern="^(png|pdf|svg)$", description="format of the figures")
