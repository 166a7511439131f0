"""An interactive part of the report: jets with their edges, and the features that carry their relevance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.account import account
from ..bundle.symbols import plain
from ..pages.interactive import Widget
from ..study.relevances import ELEMENTS, FILE, Relevances, read_relevances
from ..tagging.roc_widget import rounded
from .momenta import four_momenta

__all__ = ["jets_widget"]

#: Jets of each class.
JETS = 6
#: Edges of a block to draw, from the most relevant down.
EDGES = 150


def jets_widget(
    explanation: Path,
    classes: Sequence[str],
    columns: Sequence[str],
    features: Sequence[str],
    *,
    place: str = "EdgeConv block",
) -> Iterator[Widget]:
    """Give the first jets of all classes, if they were explained by a `JetStudy`.

    Parameters
    ----------
    explanation
        Folder that the study left its files in.
    classes, columns, features
        Names of the classes, of the columns of the raw input, and of the features.
    place
        What a place with edges is called.
    """
    if (explanation / FILE).is_file():
        yield Widget(
            "Jets, and why they were tagged",
            "A disc is a constituent, larger for higher pT. Lines are the edges that carry most of the relevance. The "
            "bars show which features carry it: of the whole jet, or of one constituent, clicked on or typed in.",
            {
                "jets": list(_jets(explanation / FILE, classes, columns)),
                "features": [plain(name) for name in features],
                "place": place,
            },
            _script("jets.js"),
            logits=(),
        )


def _jets(path: Path, classes: Sequence[str], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Give the first jets of each class, those of the last class first."""
    part = next(read_relevances(path))
    for label in reversed(range(len(classes))):
        for number in np.flatnonzero(part["example/label"] == label)[:JETS]:
            yield _jet(part.row(int(number)), classes[label], columns)


def _jet(jet: Relevances, kind: str, columns: Sequence[str]) -> dict[str, Any]:
    real = slice(int(jet[ELEMENTS]))
    angles, momenta = jet["element/angles"][real], four_momenta(jet["element/input"][real], columns)
    return {
        "name": f"{kind} jet {int(jet['example/index'])} of the test split",
        "account": (
            f"{kind} jet with {len(angles)} constituents: explained {account(jet)}; the ledger's error is "
            f"{jet['ledger/error']:.0e}."
        ),
        "eta": rounded(angles[:, 0]),
        "phi": rounded(angles[:, 1]),
        "pt": rounded(np.hypot(momenta[:, 1], momenta[:, 2])),
        "subjet": jet["element/subjet"][real].tolist(),
        "relevance": [rounded(row) for row in jet["element/relevance"][real]],
        "edges": [_edges(jet, place) for place in range(jet.places)],
    }


def _edges(jet: Relevances, place: int) -> list[list[float]]:
    """Return (constituent, neighbour, share) of the most relevant edges."""
    neighbour, share, _ = jet.edges(place)
    here, slot = np.nonzero(neighbour >= 0)
    weight = share[here, slot]
    order = np.argsort(-weight)[:EDGES]
    ends = zip(here[order].tolist(), neighbour[here, slot][order].tolist(), rounded(weight[order]), strict=True)
    return [list(edge) for edge in ends]


def _script(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
