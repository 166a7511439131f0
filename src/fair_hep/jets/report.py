"""ParticleNet's interactive parts of the report: the ROC curve with a cut to move, and jets with their edges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..pages.interactive import Part
from ..tagging.roc_part import roc_part, rounded
from ..tagging.two_classes import EFFICIENCIES
from .evaluate import CLASSES
from .features import FEATURES
from .relevances import FILE, JetRelevances, read_relevances

__all__ = ["parts"]

#: Jets of each class.
JETS = 6
#: Edges of a block to draw, from the most relevant down.
EDGES = 150


def parts(evaluation: Path, explanation: Path | None) -> Iterator[Part]:
    """Give the ROC curve, and the first jets of both classes if they were explained."""
    yield roc_part(evaluation, CLASSES, EFFICIENCIES)
    if explanation and (explanation / FILE).is_file():
        found = list(_jets(explanation / FILE))
        yield Part(
            "Jets, and why they were tagged",
            "A disc is a constituent, larger for higher pT. Lines are the edges that carry most of the relevance. The "
            "bars show which features carry it: of the whole jet, or of one constituent, clicked on or typed in.",
            {"jets": found, "features": list(FEATURES)},
            _script("jets.js"),
        )


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
    kind = CLASSES[int(of_jet["jet/label"])]
    taken = ", ".join(f"{name} {of_jet[f'ledger/{name}']:+.2g}" for name in ("bias", "epsilon", "lost"))
    return {
        "name": f"{kind} jet {int(of_jet['jet/index'])} of the test split",
        "account": (
            f"{kind} jet with {int(real.sum())} constituents: explained {of_jet['jet/explained']:+.4f} = "
            f"relevance {of_jet['ledger/inputs']:+.4f} and the ledger ({taken}); error {of_jet['ledger/error']:.0e}."
        ),
        "eta": rounded(angles[:, 0]),
        "phi": rounded(angles[:, 1]),
        "pt": rounded(np.hypot(momentum[:, 1], momentum[:, 2])),
        "subjet": part.values["constituent/subjet"][jet][real].tolist(),
        "relevance": [rounded(row) for row in part.values["constituent/relevance"][jet][real]],
        "edges": [_edges(part, jet, block) for block in range(part.blocks)],
    }


def _edges(part: JetRelevances, jet: int, block: int) -> list[list[float]]:
    """Return (constituent, neighbour, share) of the most relevant edges."""
    neighbour, share, _ = part.edges(block)
    here, slot = np.nonzero(neighbour[jet] >= 0)
    weight = share[jet][here, slot]
    order = np.argsort(-weight)[:EDGES]
    ends = zip(here[order].tolist(), neighbour[jet][here, slot][order].tolist(), rounded(weight[order]), strict=True)
    return [list(edge) for edge in ends]


def _script(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
