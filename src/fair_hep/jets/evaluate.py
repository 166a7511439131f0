"""Evaluation of ParticleNet as a top tagger: the measures of a tagger of two classes, and its captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..models.contract import Evaluation
from ..tagging import two_classes

if TYPE_CHECKING:
    from ..models.contract import Arrays

__all__ = ["CLASSES", "evaluate"]

#: Background and signal.
CLASSES = ("QCD", "top")


def evaluate(outputs: Arrays, targets: Arrays, folder: Path) -> Evaluation:
    """Measure logits ``[jets, 2]`` against labels ``[jets]``; write a table of working points and two figures."""
    return two_classes.evaluate(outputs, targets, folder, CLASSES)
