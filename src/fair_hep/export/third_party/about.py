"""What the user knows of a third-party graph; what isn't known stays unknown."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, FiniteFloat

from ...bundle import UNKNOWN
from ...bundle.strict import Strict, load_yaml, validate
from ...provenance.about import About as Training

__all__ = ["About", "Notes", "load_about"]


class Notes(Strict):
    """What the user knows of one input or output."""

    meaning: str = Field(UNKNOWN, min_length=1)
    unit: str = Field(UNKNOWN, min_length=1, description="1: no dimension")
    axes: list[str] = Field([], description="names of the axes in order; the first one counts the examples")
    columns: list[str] = Field([], description="meaning of the entries along the last axis")
    units: dict[str, str] = Field({}, description="units of columns that have another one than `unit`")
    range: tuple[float | None, float | None] = (None, None)


class About(Strict):
    """What is known of a graph (``--about``); everything may be left out."""

    title: str | None = Field(None, min_length=1)
    summary: str | None = Field(None, min_length=1, description="what it does, in one sentence")
    license: str | None = Field(None, min_length=1, description="under which the file came, an SPDX identifier")
    doi: str | None = Field(None, pattern=r"^10\.\d{4,9}(\.\d+)*/\S+$", description="what to cite with it")
    limits: list[str] = Field([], description="what a user must know before trusting an answer")
    inputs: dict[str, Notes] = Field({}, description="what is known of each, by name")
    outputs: dict[str, Notes] = Field({}, description="the same")
    metrics: dict[str, FiniteFloat] = Field({}, description="figures that others measured, by name")
    measured_on: str | None = Field(None, min_length=1, description="the data that these figures are of")
    training: Training = Training()


def load_about(path: Path | None) -> About:
    """Read what is known from a YAML file; nothing without one.

    Raises
    ------
    ConfigError
        If the file is missing or doesn't fit; the line names what and the nearest known key.
    """
    return validate(About, {} if path is None else load_yaml(path), str(path))
