"""The principles as a table: ``principles.yaml``, read and validated."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from ..bundle.strict import Strict, load_yaml, validate

__all__ = ["Principle", "load_principles"]

_TABLE = Path(__file__).with_name("principles.yaml")


class Principle(Strict):
    """One statement of a standard, and how it is checked."""

    id: str
    source: Literal["FAIR4RS", "RDA", "ML"]
    statement: str
    checks: tuple[str, ...] = ()
    exempt: str | None = Field(None, alias="except", description="why the statement doesn't apply")

    @model_validator(mode="after")
    def _checked_or_exempt(self) -> Principle:
        if bool(self.checks) == bool(self.exempt):
            raise ValueError("expected either checks or a reason why there are none")
        return self


class _Table(Strict):
    principles: tuple[Principle, ...] = Field(min_length=1)


def load_principles() -> tuple[Principle, ...]:
    """Read the table.

    Raises
    ------
    ConfigError
        If a row doesn't fit.
    """
    return validate(_Table, load_yaml(_TABLE), _TABLE.name).principles
