"""ParticleNet's interactive parts of the report: the ROC curve with a cut to move, and jets with their edges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import Part
from ..tagging import working_points
from .evaluate import EFFICIENCIES, score_of
from .features import FEATURES
from .relevances import FILE, JetRelevances, read_relevances

__all__ = ["parts"]

#: Points of the ROC curve, at most, and jets of each class.
POINTS = 400
JETS = 6
#: Edges of a block to draw, from the most relevant down.
EDGES = 150
_CLASSES = ("QCD", "top")


def parts(evaluation: Path, explanation: Path | None) -> Iterator[Part]:
    """Give the ROC curve, and the first jets of both classes if they were explained."""
    with np.load(evaluation / "outputs.npz") as archive:
        score, labels = score_of({"logits": archive["logits"]}), archive["label"]
    yield Part(
        "Where to cut",
        "The background rejection that each signal efficiency costs, on the test split. Move the cut with the slider "
        "or the arrow keys; the sentence under the curve says what passes it.",
        _roc(score, labels),
        _script("roc.js"),
    )
    if explanation and (explanation / FILE).is_file():
        found = list(_jets(explanation / FILE))
        yield Part(
            "Jets, and why they were tagged",
            "A disc is a constituent, larger for higher pT. Lines are the edges that carry most of the relevance. The "
            "bars show which features carry it: of the whole jet, or of one constituent, clicked on or typed in.",
            {"jets": found, "features": list(FEATURES)},
            _script("jets.js"),
        )


def _roc(score: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
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
        for point in working_points(score, labels, EFFICIENCIES)
        if point.rejection is not None
    ]
    return {
        "signal": _round(efficiency),
        "rejection": _round(background[-1] / passed),
        "passed": passed.tolist(),
        "threshold": _round(score[order][kept]),
        "background": int(background[-1]),
        "start": int(np.abs(efficiency - 0.5).argmin()),
        "points": points,
    }


def _jets(path: Path) -> Iterator[dict[str, Any]]:
    """Give the first jets of each class, those of tops first."""
    part = next(read_relevances(path))
    for label in (1, 0):
        for jet in np.flatnonzero(part.values["jet/label"] == label)[:JETS]:
            yield _jet(part, int(jet))


def _jet(part: JetRelevances, jet: int) -> dict[str, Any]:
    real = part.mask[jet]
    of_jet = {name: values[jet] for name, values in part.values.items() if name.startswith(("jet/", "ledger/"))}
    angles, momentum = part.values["constituent/angles"][jet][real], part.values["constituent/momentum"][jet][real]
    kind = _CLASSES[int(of_jet["jet/label"])]
    taken = ", ".join(f"{name} {of_jet[f'ledger/{name}']:+.2g}" for name in ("bias", "epsilon", "lost"))
    return {
        "name": f"{kind} jet {int(of_jet['jet/index'])} of the test split",
        "account": (
            f"{kind} jet with {int(real.sum())} constituents: explained {of_jet['jet/explained']:+.4f} = "
            f"relevance {of_jet['ledger/inputs']:+.4f} and the ledger ({taken}); error {of_jet['ledger/error']:.0e}."
        ),
        "eta": _round(angles[:, 0]),
        "phi": _round(angles[:, 1]),
        "pt": _round(np.hypot(momentum[:, 1], momentum[:, 2])),
        "subjet": part.values["constituent/subjet"][jet][real].tolist(),
        "relevance": [_round(row) for row in part.values["constituent/relevance"][jet][real]],
        "edges": [_edges(part, jet, block) for block in range(part.blocks)],
    }


def _edges(part: JetRelevances, jet: int, block: int) -> list[list[float]]:
    """Return (constituent, neighbour, share) of the most relevant edges."""
    neighbour, share, _ = part.edges(block)
    here, slot = np.nonzero(neighbour[jet] >= 0)
    weight = share[jet][here, slot]
    order = np.argsort(-weight)[:EDGES]
    ends = zip(here[order].tolist(), neighbour[jet][here, slot][order].tolist(), _round(weight[order]), strict=True)
    return [list(edge) for edge in ends]


def _round(values: np.ndarray) -> list[float]:
    """Return values with the five digits that a picture can show."""
    return [float(f"{value:.5g}") for value in values]


def _script(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
