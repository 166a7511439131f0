"""How figures and pages name classes and outputs, and the features of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .columns import CLASSES

__all__ = ["CLASS_LABELS", "OUTPUT_LABELS", "FeatureNames"]

CLASS_LABELS = tuple(name.replace("_", " ") for name in CLASSES)
OUTPUT_LABELS = {
    "class": "logit of the true class",
    "charge": "charge",
    "log_pt": r"$\log\,p_T$",
    "eta": r"$\eta$",
    "sin_phi": r"$\sin\phi$",
    "cos_phi": r"$\cos\phi$",
    "log_energy": r"$\log\,E$",
}


@dataclass(frozen=True)
class FeatureNames:
    """Names of a network's features, in order.

    Parameters
    ----------
    names
        As the specification of the features has them.
    formulas, plain
        As figures and as pages show them: with formulas, and as plain text.
    """

    names: tuple[str, ...]
    formulas: tuple[str, ...]
    plain: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str], labels: Mapping[str, tuple[str, str]]) -> FeatureNames:
        """Take the labels ``(formula, plain)`` that a model gives its features; one without keeps its name."""
        shown = [labels.get(name, (name.replace("_", " "),) * 2) for name in names]
        return cls(tuple(names), tuple(formula for formula, _ in shown), tuple(plain for _, plain in shown))
