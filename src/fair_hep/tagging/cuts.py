"""Working points as cuts on what a published graph gives: logits or probabilities, also behind a temperature."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..pages.document import Table
from ..pages.measured import measured
from .measures import WorkingPoint

__all__ = ["Cuts", "as_cuts", "cuts_table", "published_cuts"]

#: JSON values, one mapping for each working point.
Cuts = Sequence[Mapping[str, Any]]
#: So near to 1 a probability in single precision has too few digits left to cut on.
_NEAR = 1e-5


def as_cuts(points: Sequence[WorkingPoint], classes: tuple[str, str]) -> tuple[dict[str, Any], ...]:
    """Return working points as JSON values.

    Parameters
    ----------
    points
        Cuts on the score: logit of the signal minus logit of the background.
    classes
        Names of background and signal.

    Returns
    -------
    cuts
        ``signal`` and ``background`` (names of the columns of the outputs), ``logit_difference`` and ``probability``
        (of the signal): an example passes at or above either, which is the same; and what passes, by the names of
        `WorkingPoint`.
    """
    background, signal = classes
    return tuple(
        {
            "signal": signal,
            "background": background,
            "logit_difference": point.threshold,
            "probability": _sigmoid(point.threshold),
            **{name: value for name, value in vars(point).items() if name != "threshold"},
        }
        for point in points
    )


def published_cuts(cuts: Cuts, temperature: float) -> list[dict[str, Any]]:
    """Return the cuts behind a temperature that divides the logits: the same examples pass.

    Examples
    --------
    >>> published_cuts([{"logit_difference": 3.0, "probability": 0.95}], 1.5)[0]["logit_difference"]
    2.0
    """
    found = []
    for cut in cuts:
        difference = cut["logit_difference"] / temperature
        found.append({**cut, "logit_difference": difference, "probability": _sigmoid(difference)})
    return found


def cuts_table(cuts: Cuts) -> Table:
    """Return the working points with their cuts, for the model card."""
    signal, background = cuts[0]["signal"], cuts[0]["background"]
    return Table(
        f"Working points on the test split: a jet passes whose logit of {signal} minus logit of {background}, or (the "
        f"same) whose probability of {signal}, is at least",
        (
            "signal efficiency", "logit difference", "probability", f"{background} jets that pass",
            "background efficiency", "background rejection",
        ),
        tuple(
            (
                measured(cut["signal_efficiency"], cut["signal_error"]),
                f"{cut['logit_difference']:.4g}",
                _probability(cut["probability"]),
                str(cut["background_passed"]),
                measured(cut["background_efficiency"], cut["background_error"], ".1e"),
                _rejection(cut),
            )
            for cut in cuts
        ),
    )  # fmt: skip


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score)) if score >= 0 else math.exp(score) / (1 + math.exp(score))


def _probability(value: float) -> str:
    return f"{value:.5g}" if 1 - value > _NEAR else "too near 1: cut on the logits"


def _rejection(cut: Mapping[str, Any]) -> str:
    values = {name: cut[name] for name in WorkingPoint.__dataclass_fields__ if name != "threshold"}
    return WorkingPoint(threshold=cut["logit_difference"], **values).text().replace("+-", "±")
