"""What may be chosen about a study; a recipe adds its own options by a subclass."""

from __future__ import annotations

from pydantic import Field

from ..bundle.cores import cores
from ..bundle.strict import Strict

__all__ = ["StudyOptions"]

#: From so many examples on it pays to start a process for each core: starting takes seconds.
MANY = 1000


def _all_composites() -> list[str]:
    from ..lrp import COMPOSITES

    return list(COMPOSITES)


class StudyOptions(Strict):
    """What the study does besides explaining: ``explain.options`` of the configuration."""

    processes: int = Field(0, ge=0, description="processes that explain; 0: one per core from a thousand examples on")
    controls: int = Field(0, ge=0, description="untrained networks to compare with")
    control_size: int = Field(
        0, ge=0, description="examples that each of them explains; 0: up to 1000 of the explained examples"
    )
    trust: int = Field(
        50, ge=0, description="validation examples to measure on how far explanations can be trusted; 0: none"
    )
    trust_steps: int = Field(5, ge=2, description="steps in which elements are removed")
    trust_composites: list[str] = Field(
        default_factory=_all_composites,
        description="composites to compare, the simplest first; all there are by default",
    )
    format: str = Field("png", pattern="^(png|pdf|svg)$", description="format of the figures")

    def share(self, examples: int) -> int:
        """Return the number of processes for so many examples."""
        return self.processes or (cores() if examples >= MANY else 1)
