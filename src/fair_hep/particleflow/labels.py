"""How figures and pages name classes and outputs, and the features of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .columns import CLASSES

__all__ = ["CLASS_LABELS", "OUTPUT_LABELS", "FeatureNames", "output_labels", "row_labels", "stage_label"]

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
#: What is explained instead where momenta correct what was measured (m).
_CORRECTIONS = {
    "log_pt": r"$\log\,(p_T\,/\,p_T^{\,m})$ (m: as measured)",
    "eta": r"$\eta - \eta^{\,m}$ (m: as measured)",
    "sin_phi": r"$\sin(\phi - \phi^{\,m})$ (m: as measured)",
    "cos_phi": r"$\cos(\phi - \phi^{\,m}) - 1$ (m: as measured)",
    "log_energy": r"$\log\,(E\,/\,E^{\,m})$ (m: as measured)",
}
_PLAIN = {
    "class": "logit of the true class",
    "charge": "charge",
    "log_pt": "log pT",
    "eta": "η",
    "sin_phi": "sin φ",
    "cos_phi": "cos φ",
    "log_energy": "log E",
}
_PLAIN_CORRECTIONS = {
    "log_pt": "log(pT / measured)",
    "eta": "η - measured",
    "sin_phi": "sin(φ - measured)",
    "cos_phi": "cos(φ - measured) - 1",
    "log_energy": "log(E / measured)",
}
_STAGES = {"classify": "class head", "regress": "momentum head", "embed": "embedding"}


def output_labels(corrects: bool, *, plain: bool = False) -> Mapping[str, str]:
    """Return what is explained in words, by output.

    Parameters
    ----------
    corrects
        Whether the network's momenta correct what was measured: then the corrections are explained.
    plain
        As plain text, for pages; otherwise with formulas, for figures.
    """
    if plain:
        return {**_PLAIN, **_PLAIN_CORRECTIONS} if corrects else _PLAIN
    return {**OUTPUT_LABELS, **_CORRECTIONS} if corrects else OUTPUT_LABELS


def stage_label(name: str) -> str:
    """Return what a part of the network is called in a table, given its module.

    Examples
    --------
    >>> stage_label("convolutions.1")
    'convolution 2'
    """
    part, _, number = name.partition(".")
    return f"convolution {int(number) + 1}" if number else _STAGES.get(part, part)


def row_labels(cell: Mapping[str, Any]) -> list[str]:
    """Return what the rows of an R-map are: the element itself, then the others and which kind they mostly are.

    Parameters
    ----------
    cell
        Entry of `RMapAverages.found` with at least one element.

    Examples
    --------
    >>> row_labels({"others": [{"track": 3, "ECAL tower": 1, "HCAL tower": 0}]})
    ['the element itself', 'most relevant other (75 % track)']
    """
    rows = ["the element itself"]
    for number, kinds in enumerate(cell["others"], start=1):
        name = f"{_ordinal(number)} most relevant other" if number > 1 else "most relevant other"
        kind, total = max(kinds, key=lambda kind: kinds[kind]), sum(kinds.values())
        rows.append(f"{name} ({100 * kinds[kind] / total:.0f} % {kind})" if total else name)
    return rows


def _ordinal(number: int) -> str:
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number, 'th') }"


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
