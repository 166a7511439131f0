"""The ROC curve of a tagger of two classes as an interactive part of the report, with a cut to move."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..pages.interactive import Widget
from .measures import working_points
from .two_classes import score_of

__all__ = ["roc_widget", "rounded"]

#: Points of the curve, at most.
POINTS = 400


def roc_widget(evaluation: Path, classes: tuple[str, str], efficiencies: Sequence[float]) -> Widget:
    """Return the curve.

    Parameters
    ----------
    evaluation
        Folder of the evaluation, with ``logits`` and ``label`` in ``outputs.npz``.
    classes
        Names of background and signal.
    efficiencies
        Signal efficiencies of the working points.
    """
    with np.load(evaluation / "outputs.npz") as archive:
        score, labels = score_of({"logits": archive["logits"]}), archive["label"]
    return Widget(
        "Where to cut",
        "The background rejection that each signal efficiency costs, on the test split. Move the cut with the slider "
        "or the arrow keys; the sentence under the curve says what passes it.",
        {**_roc(score, labels, efficiencies), "classes": list(classes)},
        (Path(__file__).parent / "roc.js").read_text(encoding="utf-8"),
        logits=("threshold",),
    )


def rounded(values: np.ndarray) -> list[float]:
    """Return values with the five digits that a picture can show."""
    return [float(f"{value:.5g}") for value in values]


def _roc(score: np.ndarray, labels: np.ndarray, efficiencies: Sequence[float]) -> dict[str, Any]:
    """Return the curve from loose to tight, thinned out, with the number of background jets behind each point."""
    order = np.argsort(-score, kind="stable")
    signal, background = np.cumsum(labels[order] == 1), np.cumsum(labels[order] == 0)
    usable = np.flatnonzero((background > 0) & np.append(np.diff(score[order]) != 0, True))
    # Even in signal efficiency, since the eye follows the curve along it.
    wanted = np.linspace(signal[usable[0]], signal[-1], POINTS)
    kept = usable[np.unique(np.searchsorted(signal[usable], wanted))]
    efficiency, passed = signal[kept] / signal[-1], background[kept]
    points = [
        {"signal": point.signal_efficiency, "rejection": point.rejection, "error": point.rejection_error}
        for point in working_points(score, labels, efficiencies)
        if point.rejection is not None
    ]
    return {
        "signal": rounded(efficiency),
        "rejection": rounded(background[-1] / passed),
        "passed": passed.tolist(),
        "threshold": rounded(score[order][kept]),
        "background": int(background[-1]),
        "start": int(np.abs(efficiency - 0.5).argmin()),
        "points": points,
    }
