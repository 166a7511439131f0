"""What a check is given, what it raises, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..bundle.errors import ModelError, ProjectError
from ..models.building import build
from ..models.explaining import rules_of
from ..provenance.configuration import Config, ExplainRules

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..models.contract import Model

__all__ = ["SEED", "TOLERANCE", "Broken", "Check", "NotPossible", "Outcome", "Trial", "difference", "promise"]

SEED = 7
#: Largest difference of outputs in float64 between inputs that must give the same answer.
TOLERANCE = 1e-9


class Broken(ModelError):  # noqa: N818 - it is raised by checks and read by people: a promise is broken
    """A promise that isn't kept: what was seen, and what to do if the check itself doesn't say it well enough."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}; {remedy}" if remedy else reason)
        self.reason, self.remedy = reason, remedy


class NotPossible(ModelError):  # noqa: N818 - a verdict, no error
    """Something that the contract doesn't promise of every network isn't possible for this one; the text says why."""


@dataclass(frozen=True)
class Outcome:
    """The verdict of one check.

    Parameters
    ----------
    name, promise
        Which check it is, and what it tries.
    verdict
        "not possible" is no failure: the chain does without, or another check names the cause.
    reason, remedy
        What was seen and what to do; empty if it passed.
    seconds
        How long it took.
    """

    name: str
    promise: str
    verdict: Literal["passed", "failed", "not possible"]
    reason: str
    remedy: str
    seconds: float


@dataclass(frozen=True)
class Trial:
    """A model with a configuration of it, and the small things that checks do with them.

    Parameters
    ----------
    model, config
        What is tried.
    sample
        Folder of raw files that ship with the model, if there are any.
    """

    model: Model
    config: Config
    sample: Path | None = None

    def network(self, *, seed: int = SEED) -> Any:
        """Build the network with the random weights of a seed, in evaluation mode."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network: nn.Module = build(self.model, self.config.model)
        return network.eval()

    def batch(self, size: int, *, double: bool = False) -> dict[str, Tensor]:
        """Return the example batch, in double precision if asked for."""
        batch = self.model.example(size, SEED)
        return {k: v.double() if double and v.is_floating_point() else v for k, v in batch.items()}

    def inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the network takes of a batch."""
        return {spec.name: batch[spec.name] for spec in self.model.inputs if spec.name in batch}

    def outputs(self, network: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Run the network."""
        values = network(**self.inputs(batch))
        return values if isinstance(values, tuple) else (values,)

    def features(self, network: Any, batch: Mapping[str, Tensor]) -> tuple[Any, ...]:
        """Compute the features."""
        values = network.features(**self.inputs(batch))
        return values if isinstance(values, tuple) else (values,)

    def lengths(self, batch: Mapping[str, Tensor]) -> dict[str, int]:
        """Return the length of every axis of the inputs in a batch."""
        return {
            axis: size
            for spec in self.model.inputs
            if spec.name in batch
            for axis, size in zip(spec.axes, batch[spec.name].shape, strict=True)
        }

    def rules(self) -> ExplainRules:
        """Return what is explained, and by which rules."""
        return rules_of(self.model, self.config.explain)


@dataclass(frozen=True)
class Check:
    """One promise: what is promised, how it is tried, and what to do if it is broken."""

    name: str
    promise: str
    remedy: str
    attempt: Callable[[Trial], None]

    def __call__(self, model: Model, hyperparameters: Mapping[str, Any], sample: Path | None = None) -> None:
        """Try the promise with hyperparameters and nothing else chosen; ``sample`` as for `Trial`.

        Raises
        ------
        Broken
            If it is broken.
        NotPossible
            If the network is one that can't do it, and needn't.
        """
        self.attempt(Trial(model, Config(name="check", model=dict(hyperparameters)), sample))

    def outcome(self, trial: Trial) -> Outcome:
        """Try the promise; whatever is raised becomes a verdict."""
        begun = time.perf_counter()
        verdict, reason, remedy = self._verdict(trial)
        return Outcome(self.name, self.promise, verdict, reason, remedy, round(time.perf_counter() - begun, 3))

    def untried(self, reason: str) -> Outcome:
        """Return that it wasn't tried, and why."""
        return Outcome(self.name, self.promise, "not possible", reason, "", 0.0)

    def _verdict(self, trial: Trial) -> tuple[Literal["passed", "failed", "not possible"], str, str]:
        try:
            self.attempt(trial)
        except NotPossible as error:
            return "not possible", str(error), ""
        except Broken as error:
            return "failed", error.reason, error.remedy or self.remedy
        except ProjectError as error:
            return "failed", str(error), self.remedy
        except Exception as error:  # a broken model may raise anything; the user wants to see every verdict
            text = " ".join(str(error).split())
            return "failed", f"raised {type(error).__name__}: {text[:300] or 'without a word'}", self.remedy
        return "passed", "", ""


def promise(remedy: str) -> Callable[[Callable[[Trial], None]], Check]:
    """Make a check of a function: its name, the first line of its docstring, and what to do if it fails."""

    def decorate(attempt: Callable[[Trial], None]) -> Check:
        first = (attempt.__doc__ or "").strip().splitlines()[0]
        return Check(attempt.__name__, first, remedy, attempt)

    return decorate


def difference(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> float:
    """Return the largest difference of outputs; infinite where one of them isn't a number."""
    apart = max(float((a - b).detach().abs().max()) for a, b in zip(first, second, strict=True))
    return apart if apart == apart else float("inf")  # noqa: PLR0124 - NaN isn't itself
