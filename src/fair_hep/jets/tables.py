"""What relevances of jets say on average: edges between subjets, their reach and mass, and where relevance lies.

After Mokhtar, Kansal and Duarte, arXiv:2211.09912. Tables of one network have errors over its jets; `average` turns
the tables of several networks into one whose errors are the spread of the networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..study.averages import by_class, finite, spread
from .edges import angle_and_mass, between_subjets
from .features import FEATURES
from .relevances import JetRelevances
from .subjets import NONE

__all__ = ["BINS", "CLASSES", "SPECTRA", "Tables", "average", "spectrum"]

CLASSES = ("QCD", "top")
_RANKS = 40
#: Edges of the histograms of R-scores: a feature's signed part of a jet's sum of |R|.
BINS = np.linspace(-1.0, 1.0, 41)
#: Edges of the histograms of Delta R, and of invariant masses in GeV. A jet is 1.6 wide.
SPECTRA: Mapping[str, np.ndarray] = {"delta_r": np.linspace(0, 1.6, 33), "mass": np.linspace(0, 120, 31)}


class Tables:
    """What is known of the jets that one network explained, gathered part by part.

    Parameters
    ----------
    blocks
        Number of EdgeConv blocks.
    top_edges
        Most relevant edges of a jet to look at, at most.
    heavy_edges
        Most relevant edges whose Delta R and mass are measured.
    """

    def __init__(self, blocks: int, *, top_edges: int, heavy_edges: int) -> None:
        self.blocks, self.top, self.heavy = blocks, top_edges, heavy_edges
        self.labels: list[np.ndarray] = []
        self.errors: list[np.ndarray] = []
        self.declustered: list[np.ndarray] = []
        self.fractions: list[list[np.ndarray]] = [[] for _ in range(blocks)]
        self.angles: list[list[np.ndarray]] = [[] for _ in range(blocks)]
        self.masses: list[list[np.ndarray]] = [[] for _ in range(blocks)]
        self.shares: dict[str, list[np.ndarray]] = {"feature": [], "rank": [], "subjet": []}
        self.signed: list[np.ndarray] = []
        self.scores = {name: np.zeros((len(FEATURES), len(BINS) - 1)) for name in CLASSES}

    @property
    def error(self) -> float:
        """Largest error of a jet's ledger."""
        return float(max(errors.max() for errors in self.errors))

    def add(self, part: JetRelevances) -> None:
        """Take jets in."""
        self.labels.append(part.values["jet/label"])
        self.errors.append(part.values["ledger/error"])
        subjet = part.values["constituent/subjet"]
        self.declustered.append(subjet[:, 0] != NONE)
        for block in range(self.blocks):
            self.fractions[block].append(between_subjets(part, block, self.top))
            angle, mass = angle_and_mass(part, block, self.heavy)
            self.angles[block].append(angle)
            self.masses[block].append(mass)
        relevance = part.values["constituent/relevance"].astype(np.float64)
        size = np.abs(relevance)
        total = np.maximum(size.sum((1, 2)), 1e-300)[:, None]
        self.signed.append(relevance.sum(1))
        share = relevance.sum(1) / total
        for number, name in enumerate(CLASSES):
            chosen = share[part.values["jet/label"] == number]
            self.scores[name] += np.stack([np.histogram(column, BINS)[0] for column in chosen.T])
        self.shares["feature"].append(size.sum(1) / total)
        ranks = size.sum(2)[:, :_RANKS]
        self.shares["rank"].append(np.pad(ranks, [(0, 0), (0, _RANKS - ranks.shape[1])]) / total)
        parts = [np.where(subjet == number, size.sum(2), 0.0).sum(1) for number in range(3)]
        share = np.stack(parts, 1) / total
        self.shares["subjet"].append(np.where((subjet[:, 0] != NONE)[:, None], share, np.nan))

    def above(self, tolerance: float) -> int:
        """Return how many jets have a ledger that is open by more than this."""
        return sum(int((errors > tolerance).sum()) for errors in self.errors)

    def _last_block(self) -> list[tuple[str, np.ndarray]]:
        return [("delta_r", np.concatenate(self.angles[-1])), ("mass", np.concatenate(self.masses[-1]))]

    def classes(self) -> dict[str, np.ndarray]:
        """Return which jets are of which class."""
        labels = np.concatenate(self.labels)
        return {name: labels == number for number, name in enumerate(CLASSES)}

    def found(self, *, draws: int = 200) -> dict[str, Any]:
        """Return the tables as JSON values; areas have bootstrap errors of so many draws (0: none)."""
        chosen = self.classes()
        declustered = np.concatenate(self.declustered)
        errors = np.concatenate(self.errors)
        by_block = [by_class(np.concatenate(self.fractions[block]), chosen) for block in range(self.blocks)]
        return {
            "jets": {
                **{name: int(rows.sum()) for name, rows in chosen.items()},
                "not_declustered": {name: int((~declustered[rows]).sum()) for name, rows in chosen.items()},
            },
            "ledger": {"largest_error": float(errors.max()), "median_error": float(np.median(errors))},
            "fractions": {"trained": by_block[-1], "blocks": by_block},
            "areas": {
                name: [_area(np.concatenate(values[block]), chosen, draws) for block in range(self.blocks)]
                for name, values in (("delta_r", self.angles), ("mass", self.masses))
            },
            "spectra": {
                name: {kind: _spectrum(values[rows], SPECTRA[name]) for kind, rows in chosen.items()}
                for name, values in self._last_block()
            },
            "shares": {name: by_class(np.concatenate(rows), chosen) for name, rows in self.shares.items()},
            "signed": by_class(np.concatenate(self.signed), chosen),
            "r_scores": {"bins": BINS.tolist(), **{name: rows.tolist() for name, rows in self.scores.items()}},
        }


def average(tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean of what several networks found (`Tables.found`), with their spread as its error.

    Returns
    -------
    found
        JSON values: "fractions" and "shares" and "spectra" by class, "areas" of the last block.
    """

    def over(pick: Any) -> dict[str, Any]:
        rows = np.array([pick(table) for table in tables], np.float64)
        return {"mean": finite(rows.mean(0)), "error": finite(spread(rows))}

    areas = {}
    for name in SPECTRA:
        row = over(lambda table, name=name: [table["areas"][name][-1]["auc"]])
        areas[name] = {"auc": row["mean"][0], "error": row["error"][0]}
    return {
        "fractions": {kind: over(lambda t, kind=kind: t["fractions"]["trained"][kind]["mean"]) for kind in CLASSES},
        "areas": areas,
        "spectra": {
            name: {kind: over(lambda t, name=name, kind=kind: t["spectra"][name][kind]["mean"]) for kind in CLASSES}
            for name in SPECTRA
        },
        "shares": {
            name: {kind: over(lambda t, name=name, kind=kind: t["shares"][name][kind]["mean"]) for kind in CLASSES}
            for name in ("feature", "rank", "subjet")
        },
    }


def spectrum(values: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the fraction of edges in every bin, and its error over jets: edges of one jet go together.

    Parameters
    ----------
    values
        ``[jets, count]``; NaN: no such edge.
    edges
        Edges of the bins; the last bin holds all that lies above, too.
    """
    exists = np.isfinite(values)
    place = np.clip(np.digitize(values, edges) - 1, 0, len(edges) - 2)
    counts = np.stack([((place == number) & exists).sum(1) for number in range(len(edges) - 1)], 1).astype(np.float64)
    number, jets = exists.sum(1), len(values)
    if not number.sum():
        return np.full(len(edges) - 1, np.nan), np.full(len(edges) - 1, np.nan)
    fraction = counts.sum(0) / number.sum()
    apart = counts - number[:, None] * fraction
    return fraction, np.sqrt((apart**2).sum(0) * jets / max(1, jets - 1)) / number.sum()


def _spectrum(values: np.ndarray, edges: np.ndarray) -> dict[str, Any]:
    mean, error = spectrum(values, edges)
    return {"mean": finite(mean), "error": finite(error)}


def _area(rows: np.ndarray, chosen: Mapping[str, np.ndarray], draws: int) -> dict[str, float | None]:
    """Return the area under the ROC curve of every edge's value, with a bootstrap error over jets."""
    jets = {name: rows[which] for name, which in chosen.items()}
    if any(not np.isfinite(values).any() for values in jets.values()):
        return {"auc": None, "error": None}
    generator = np.random.default_rng(0)
    area = _rank_area(jets["top"], jets["QCD"])
    if not draws:
        return {"auc": area, "error": None}
    drawn = [
        _rank_area(*(jets[name][generator.integers(len(jets[name]), size=len(jets[name]))] for name in ("top", "QCD")))
        for _ in range(draws)
    ]
    return {"auc": area, "error": float(np.nanstd(drawn, ddof=1))}


def _rank_area(signal: np.ndarray, background: np.ndarray) -> float:
    """Return the probability that a signal value is above a background value; ties count half."""
    first, second = (np.sort(values[np.isfinite(values)]) for values in (signal, background))
    if len(first) == 0 or len(second) == 0:
        return float("nan")
    below, up_to = np.searchsorted(second, first, "left"), np.searchsorted(second, first, "right")
    return float((below + up_to).mean() / (2 * len(second)))
