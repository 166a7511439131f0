"""What relevances of jets say on average: edges between prongs, their reach and mass, and where relevance lies.

After Mokhtar, Kansal and Duarte, arXiv:2211.09912. Tables of one network have errors over its jets; their `average`
over several networks has errors that are the spread of the networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..study.averages import by_class, finite
from ..study.relevances import Relevances
from ..study.summary import Summary, over_networks
from .edges import angle_and_mass, between
from .momenta import four_momenta
from .shown import SHARE, softest_share
from .subjets import NONE, SUBJETS
from .truth import sides
from .truth_tables import TruthTables

__all__ = ["BINS", "SPECTRA", "EdgeTables", "spectrum"]

#: Edges of the histograms of R-scores: a feature's signed part of a jet's sum of |R|.
BINS = np.linspace(-1.0, 1.0, 41)
#: Edges of the histograms of Delta R, and of invariant masses in GeV. A jet is 1.6 wide.
SPECTRA: Mapping[str, np.ndarray] = {"delta_r": np.linspace(0, 1.6, 33), "mass": np.linspace(0, 120, 31)}


class EdgeTables(Summary):
    """What is known of the jets that one network explained, gathered part by part.

    Parameters
    ----------
    classes
        Names of the classes; the last one is told from the others by what its edges are like.
    columns, features
        Columns of the raw input, and names of the features.
    places
        Number of places with edges, such as EdgeConv blocks.
    top_edges
        Most relevant edges of a jet to look at, at most.
    heavy_edges
        Most relevant edges whose Delta R and mass are measured.
    """

    def __init__(
        self,
        classes: Sequence[str],
        columns: Sequence[str],
        features: Sequence[str],
        places: int,
        *,
        top_edges: int,
        heavy_edges: int,
    ) -> None:
        super().__init__(classes)
        self.columns, self.places, self.top, self.heavy = tuple(columns), places, top_edges, heavy_edges
        self.declustered: list[np.ndarray] = []
        self.pronged: list[np.ndarray] = []
        self.fractions: dict[str, list[list[np.ndarray]]] = {}
        self.angles: list[list[np.ndarray]] = [[] for _ in range(places)]
        self.masses: list[list[np.ndarray]] = [[] for _ in range(places)]
        self.shares["subjet"] = []
        self.truth = TruthTables(self.classes, places)
        self.signed: list[np.ndarray] = []
        self.scores = {name: np.zeros((len(features), len(BINS) - 1)) for name in self.classes}

    def add(self, part: Relevances) -> None:
        """Take jets in."""
        super().add(part)
        subjet = part["element/subjet"]
        self.declustered.append(subjet[:, 0] != NONE)
        momenta = four_momenta(part["element/input"].astype(np.float64), self.columns)
        self.pronged.append(softest_share(part, momenta) >= SHARE)
        self.truth.add(part, momenta)
        for kind, rows in _sides(part).items():
            gathered = self.fractions.setdefault(kind, [[] for _ in range(self.places)])
            for place in range(self.places):
                gathered[place].append(between(part, place, rows, self.top))
        for place in range(self.places):
            angle, mass = angle_and_mass(part, place, momenta, self.heavy)
            self.angles[place].append(angle)
            self.masses[place].append(mass)
        relevance = part["element/relevance"].astype(np.float64)
        size = np.abs(relevance).sum(2)
        self.signed.append(relevance.sum(1))
        signed = self.shares["signed"][-1]
        for number, name in enumerate(self.classes):
            chosen = signed[part["example/label"] == number]
            self.scores[name] += np.stack([np.histogram(column, BINS)[0] for column in chosen.T])
        parts = [np.where(subjet == number, size, 0.0).sum(1) for number in range(SUBJETS)]
        share = np.stack(parts, 1) / np.maximum(size.sum(1), 1e-300)[:, None]
        self.shares["subjet"].append(np.where((subjet[:, 0] != NONE)[:, None], share, np.nan))

    def found(self, *, draws: int = 200) -> dict[str, Any]:
        """Return the tables as JSON values; areas have bootstrap errors of so many draws (0: none)."""
        found, chosen = super().found(draws=draws), self.chosen()
        declustered, pronged = np.concatenate(self.declustered), np.concatenate(self.pronged)
        found["examples"]["three_subjets"] = {name: int(pronged[rows].sum()) for name, rows in chosen.items()}
        found["examples"]["not_declustered"] = {name: int((~declustered[rows]).sum()) for name, rows in chosen.items()}
        return {
            **found,
            **self.truth.found(chosen, draws=draws),
            "fractions": {
                kind: [by_class(np.concatenate(rows), chosen) for rows in places]
                for kind, places in self.fractions.items()
            },
            "areas": {
                name: [self._area(np.concatenate(values[place]), chosen, draws) for place in range(self.places)]
                for name, values in (("delta_r", self.angles), ("mass", self.masses))
            },
            "spectra": {
                name: {kind: _spectrum(values[rows], SPECTRA[name]) for kind, rows in chosen.items()}
                for name, values in self._last_place()
            },
            "signed": by_class(np.concatenate(self.signed), chosen),
            "r_scores": {"bins": BINS.tolist(), **{name: rows.tolist() for name, rows in self.scores.items()}},
        }

    def average(self, tables: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the mean of what several networks found, with their spread as its error.

        Returns
        -------
        found
            JSON values as `found` has them: "shares", "fractions", "areas", "picking" and "spectra".
        """
        return {
            **super().average(tables),
            **self.truth.average(tables),
            "fractions": {
                kind: [
                    {
                        name: over_networks([table["fractions"][kind][place][name]["mean"] for table in tables])
                        for name in self.classes
                    }
                    for place in range(self.places)
                ]
                for kind in tables[0]["fractions"]
            },
            "areas": {
                name: [
                    _mean_area([table["areas"][name][place]["auc"] for table in tables]) for place in range(self.places)
                ]
                for name in SPECTRA
            },
            "spectra": {
                name: {
                    kind: over_networks([table["spectra"][name][kind]["mean"] for table in tables])
                    for kind in self.classes
                }
                for name in SPECTRA
            },
        }

    def _last_place(self) -> list[tuple[str, np.ndarray]]:
        return [("delta_r", np.concatenate(self.angles[-1])), ("mass", np.concatenate(self.masses[-1]))]

    def _area(self, rows: np.ndarray, chosen: Mapping[str, np.ndarray], draws: int) -> dict[str, float | None]:
        """Return the area under the ROC curve of every edge's value, with a bootstrap error over jets."""
        *others, last = (rows[chosen[name]] for name in self.classes)
        kinds = (last, np.concatenate(others))
        if any(not np.isfinite(values).any() for values in kinds):
            return {"auc": None, "error": None}
        generator = np.random.default_rng(0)
        area = _rank_area(*kinds)
        if not draws:
            return {"auc": area, "error": None}
        drawn = [
            _rank_area(*(values[generator.integers(len(values), size=len(values))] for values in kinds))
            for _ in range(draws)
        ]
        return {"auc": area, "error": float(np.nanstd(drawn, ddof=1))}


def _sides(part: Relevances) -> dict[str, np.ndarray]:
    """Return what constituents belong to, in every way that is known of these jets."""
    origin = {"quarks": sides(part["element/origin"])} if "element/origin" in part else {}
    return {"subjets": part["element/subjet"], "prongs": part["element/prong"], **origin}


def _mean_area(areas: Sequence[float | None]) -> dict[str, float | None]:
    row = over_networks([[area] for area in areas])
    return {"auc": row["mean"][0], "error": row["error"][0]}


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


def _rank_area(signal: np.ndarray, background: np.ndarray) -> float:
    """Return the probability that a signal value is above a background value; ties count half."""
    first, second = (np.sort(values[np.isfinite(values)]) for values in (signal, background))
    if len(first) == 0 or len(second) == 0:
        return float("nan")
    below, up_to = np.searchsorted(second, first, "left"), np.searchsorted(second, first, "right")
    return float((below + up_to).mean() / (2 * len(second)))
