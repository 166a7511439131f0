"""Explanations against the truth: how well relevances pick the constituents and the edges of the decay.

For top jets, whose decay is known. Beside the relevance stand orders that know nothing of the network: random, by pT
and by Delta R; a measure on which they did as well would say nothing of an explanation. Compare arXiv:2604.25885.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..bundle.quantities import difference_in_phi
from ..pages.document import Table
from ..pages.measured import measured
from ..study.averages import by_class
from ..study.picking import picked
from ..study.relevances import ELEMENTS, Relevances
from ..study.summary import over_networks
from .correlation import correlations
from .subjets import NONE
from .truth import judged, of_decay, sides

__all__ = ["BASELINES", "TruthTables", "baselines", "picking_table"]

#: Orders that know nothing of the network.
RANDOM, BY_PT, BY_DISTANCE = "random order", "pT order", "Delta R order"
BASELINES = (RANDOM, BY_PT, BY_DISTANCE)
#: Bins of equal numbers of jets in pT and in multiplicity.
BINS = 3
#: What relevances are ranked by: their value (what speaks for the signal), and their size.
SIGNED, SIZE = "relevance", "|relevance|"


def baselines(momenta: np.ndarray, angles: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Return rankings of constituents ``[jets, constituents]`` that need no network: the highest comes first.

    Parameters
    ----------
    momenta
        E, px, py, pz ``[jets, constituents, 4]``.
    angles
        Where they are as seen from the axis ``[jets, constituents, 2]``; the nearest comes first.
    seed
        Seed of the random order.
    """
    random = np.random.default_rng(seed).random(momenta.shape[:2])
    return {
        RANDOM: random,
        BY_PT: np.hypot(momenta[..., 1], momenta[..., 2]),
        BY_DISTANCE: -np.hypot(*np.moveaxis(angles.astype(np.float64), -1, 0)),
    }


class TruthTables:
    """What is known of how well one network's relevances fit the truth, gathered part by part.

    Parameters
    ----------
    classes
        Names of the classes.
    places
        Number of places with edges.
    """

    def __init__(self, classes: Sequence[str], places: int) -> None:
        self.classes, self.places = tuple(classes), places
        self._elements: dict[str, list[np.ndarray]] = {}
        self._edges: list[dict[str, list[np.ndarray]]] = [{} for _ in range(places)]
        self._jets: dict[str, list[np.ndarray]] = {}

    def add(self, part: Relevances, momenta: np.ndarray) -> None:
        """Take jets in, with the four-momenta of their constituents."""
        axis = part["example/axis"].astype(np.float64)
        pt = np.hypot(axis[:, 1], axis[:, 2])
        mass = np.sqrt(np.maximum(axis[:, 0] ** 2 - (axis[:, 1:] ** 2).sum(1), 0.0))
        known = {"summed": part["ledger/inputs"], "pt": pt, "mass": mass, "multiplicity": part[ELEMENTS]}
        known |= {name: part[f"example/{name}"] for name in ("tau21", "tau32") if f"example/{name}" in part}
        _append(self._jets, known)
        if "element/origin" not in part:
            return
        origin, mask, seed = part["element/origin"], part.mask, int(part["example/index"][0])
        relevance = part["element/relevance"].astype(np.float64)
        rankings = {SIGNED: relevance.sum(2), SIZE: np.abs(relevance).sum(2)}
        rankings |= baselines(momenta, part["element/angles"], seed)
        truth, counts = of_decay(origin), judged(origin, mask)
        _append(self._elements, {name: picked(rows, truth, counts) for name, rows in rankings.items()})
        for place in range(self.places):
            _append(self._edges[place], _edges(part, place, momenta, seed))

    def found(self, chosen: Mapping[str, np.ndarray], *, draws: int) -> dict[str, Any]:
        """Return JSON values: "picking" if the truth is known, and "correlations" of summed relevance.

        Parameters
        ----------
        chosen
            Which jets are of which class.
        draws
            Draws of the bootstrap for the errors of correlations; 0: none.
        """
        jets = {name: np.concatenate(rows) for name, rows in self._jets.items()}
        result: dict[str, Any] = {"correlations": correlations(jets, chosen, draws)}
        if not self._elements:
            return result
        elements = {name: np.concatenate(rows) for name, rows in self._elements.items()}
        usable = np.isfinite(elements[SIGNED])
        result["picking"] = {
            "jets": int(usable.sum()),
            "elements": _means(elements),
            "edges": [_means({name: np.concatenate(rows) for name, rows in place.items()}) for place in self._edges],
            "bins": {name: _binned(elements, jets[name], usable) for name in ("pt", "multiplicity")},
        }
        return result

    def average(self, tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the mean of what several networks found, with their spread as its error."""
        if "picking" not in tables[0]:
            return {}
        found = [table["picking"] for table in tables]
        return {
            "picking": {
                "jets": found[0]["jets"],
                "elements": _over([one["elements"] for one in found]),
                "edges": [_over([one["edges"][place] for one in found]) for place in range(self.places)],
            }
        }


def picking_table(picking: Mapping[str, Any], place: str) -> Table:
    """Return how well relevance and the baselines pick the decay, for the card."""

    def cell(row: Mapping[str, Any]) -> str:
        return measured(row["mean"], row["error"])

    places = picking["edges"]
    bins = [
        (f"{name} {row['low']:.0f} to {row['high']:.0f}", row["areas"])
        for name, unit in (("pt", "pT [GeV]"), ("multiplicity", "constituents"))
        for name, row in ((unit, row) for row in picking["bins"][name])
    ]
    return Table(
        "Area under precision-recall for constituents of a quark of the top's decay, and for edges between two such "
        f"quarks ({picking['jets']} test jets); the random order shows their share",
        ("ranking by", "constituents", *(f"edges, {place} {n + 1}" for n in range(len(places))), *(n for n, _ in bins)),
        tuple(
            (
                name,
                cell(row),
                *(cell(one[name]) for one in places),
                *(cell(areas[name]) for _, areas in bins),
            )
            for name, row in picking["elements"].items()
        ),
    )


def _edges(part: Relevances, place: int, momenta: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return how well edges between two quarks of the decay are picked, by every ranking ``[jets]``."""
    origin, mask = part["element/origin"], part.mask
    neighbour, share, signed = part.edges(place)
    jets, elements, k = neighbour.shape
    there = np.maximum(neighbour, 0).reshape(jets, -1)

    def ends(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.repeat(rows, k, axis=1), np.take_along_axis(rows, there, 1)

    counts = judged(origin, mask)
    one, other = ends(counts)
    exists = (neighbour >= 0).reshape(jets, -1) & one & other
    side = np.where(of_decay(origin), sides(origin), NONE)
    one, other = ends(side)
    truth = (one != other) & (one != NONE) & (other != NONE)
    first, second = ends(np.hypot(momenta[..., 1], momenta[..., 2]))
    angles = part["element/angles"].astype(np.float64)
    eta, phi = np.subtract(*ends(angles[..., 0])), difference_in_phi(*ends(angles[..., 1]))
    rankings = {
        SIGNED: signed.reshape(jets, -1),
        SIZE: share.reshape(jets, -1),
        RANDOM: np.random.default_rng(seed).random((jets, elements * k)),
        BY_PT: np.minimum(first, second),
        BY_DISTANCE: np.hypot(eta, phi),
    }
    return {name: picked(rows, truth, exists) for name, rows in rankings.items()}


def _append(lists: dict[str, list[np.ndarray]], rows: Mapping[str, np.ndarray]) -> None:
    for name, values in rows.items():
        lists.setdefault(name, []).append(values)


def _means(areas: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return mean and error over jets, and how much relevance is above the random order in the same jets."""
    everything = {name: np.column_stack([rows, rows - areas[RANDOM]]) for name, rows in areas.items()}
    jets = {"all": np.ones(len(areas[RANDOM]), bool)}
    found = {}
    for name, rows in everything.items():
        row = by_class(rows, jets)["all"]
        (mean, above), (error, above_error) = row["mean"], row["error"]
        found[name] = {"mean": mean, "error": error, "above_random": above, "above_random_error": above_error}
    return found


def _binned(areas: Mapping[str, np.ndarray], values: np.ndarray, usable: np.ndarray) -> list[dict[str, Any]]:
    """Return the same in bins that hold equally many jets each."""
    if not usable.any():
        return []
    edges = np.unique(np.quantile(values[usable], np.linspace(0, 1, BINS + 1)))
    if len(edges) == 1:
        edges = np.repeat(edges, 2)
    found = []
    for number, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = usable & (values >= low) & ((values < high) | (number == len(edges) - 2))
        if inside.any():
            rows = _means({name: area[inside] for name, area in areas.items()})
            found.append({"low": float(low), "high": float(high), "jets": int(inside.sum()), "areas": rows})
    return found


def _over(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    result = {}
    for name in found[0]:
        row = over_networks([[one[name]["mean"]] for one in found])
        result[name] = {"mean": row["mean"][0], "error": row["error"][0]}
    return result
