"""Relevances against the truth: what is planted is found, what is random isn't, and what isn't known says so."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from fair_hep.data.toptag import ORIGINS
from fair_hep.jets.correlation import spearman
from fair_hep.jets.subjets import NONE
from fair_hep.jets.truth import judged, of_decay, sides
from fair_hep.jets.truth_tables import BASELINES, RANDOM, SIGNED, SIZE, TruthTables
from fair_hep.study.picking import picked
from fair_hep.study.relevances import Relevances

CLASSES = ("QCD", "top")


def test_average_precision_is_that_of_a_peer_also_with_equal_values() -> None:
    from sklearn.metrics import average_precision_score

    generator = np.random.default_rng(0)
    ranking = generator.integers(0, 6, (40, 17)).astype(float)
    truth, exists = generator.random((40, 17)) < 0.4, generator.random((40, 17)) < 0.8
    found = picked(ranking, truth, exists)
    for number, area in enumerate(found):
        real = exists[number]
        if truth[number, real].any() and not truth[number, real].all():
            assert area == pytest.approx(average_precision_score(truth[number, real], ranking[number, real]))
        else:
            assert np.isnan(area)


def test_what_is_all_true_or_all_false_can_not_be_picked() -> None:
    exists = np.ones((3, 4), bool)
    truth = np.array([[False] * 4, [True] * 4, [True, False, False, False]])
    assert np.isnan(picked(np.zeros((3, 4)), truth, exists)).tolist() == [True, True, False]
    assert picked(np.zeros((0, 4)), truth[:0], exists[:0]).shape == (0,)


def test_sides_of_top_and_qcd() -> None:
    codes = np.array(list(ORIGINS.values()), np.int8)
    assert dict(zip(ORIGINS, sides(codes).tolist(), strict=True)) == {
        "none": NONE, "b": 0, "q": 1, "q'": 2, "shared": NONE, "first side": 0, "second side": 1,
    }  # fmt: skip
    assert of_decay(codes).tolist() == [False, True, True, True, False, False, False]
    # The ambiguous are neither right nor wrong, and QCD jets have no decay.
    jets = np.array([[1, 4, 0], [5, 6, 0]])
    assert judged(jets, np.ones((2, 3), bool)).tolist() == [[True, False, True], [False] * 3]


def jets(kind: str, count: int = 60, elements: int = 12, seed: int = 0) -> tuple[Relevances, np.ndarray]:
    """Return top jets whose relevance is planted: "perfect", "random" or "opposite"."""
    generator = np.random.default_rng(seed)
    origin = generator.integers(0, 5, (count, elements)).astype(np.int8)
    noise = generator.random((count, elements))
    quality = {"perfect": 1.0, "random": 0.0, "opposite": -1.0}[kind]
    relevance = 0.4 * noise + quality * of_decay(origin)
    neighbour = (np.arange(elements)[:, None] + np.arange(1, 4)) % elements
    neighbour = np.broadcast_to(neighbour, (count, elements, 3)).copy()
    side = np.where(of_decay(origin), sides(origin), NONE)
    there = np.take_along_axis(side, neighbour.reshape(count, -1), 1).reshape(neighbour.shape)
    joins = (side[..., None] != there) & (side[..., None] != NONE) & (there != NONE)
    edges = 0.4 * generator.random(neighbour.shape) + quality * joins
    momenta = np.abs(generator.normal(size=(count, elements, 4))) + np.array([5.0, 0.0, 0.0, 0.0])
    part: dict[str, Any] = {
        "example/index": np.arange(count),
        "example/label": np.ones(count, int),
        "example/elements": np.full(count, elements),
        "example/axis": momenta.sum(1),
        "ledger/inputs": relevance.sum(1),
        "element/relevance": relevance[..., None],
        "element/angles": generator.normal(size=(count, elements, 2)),
        "element/origin": origin,
        "edge0/neighbour": neighbour,
        "edge0/share": edges,
        "edge0/relevance": edges,
    }
    return Relevances(part), momenta


def measured(kind: str) -> dict[str, Any]:
    tables = TruthTables(CLASSES, 1)
    part, momenta = jets(kind)
    tables.add(part, momenta)
    label = part["example/label"]
    return tables.found({name: label == number for number, name in enumerate(CLASSES)}, draws=20)


@pytest.mark.parametrize("kind", ["elements", "edges"])
def test_a_planted_explanation_ranks_first_and_a_random_one_like_random(kind: str) -> None:
    def areas(planted: str) -> dict[str, Any]:
        picking = measured(planted)["picking"]
        rows: dict[str, Any] = picking["elements"] if kind == "elements" else picking["edges"][0]
        return rows

    perfect, random, opposite = areas("perfect"), areas("random"), areas("opposite")
    assert perfect[SIGNED]["mean"] == pytest.approx(1.0)
    assert max(perfect, key=lambda name: float(perfect[name]["mean"])) in (SIGNED, SIZE)
    for name in BASELINES:
        assert perfect[SIGNED]["mean"] > perfect[name]["mean"] + 10 * perfect[name]["error"]
    assert abs(random[SIGNED]["above_random"]) < 3 * random[SIGNED]["above_random_error"]
    assert min(opposite, key=lambda name: float(opposite[name]["mean"])) == SIGNED
    assert opposite[SIGNED]["above_random"] < -3 * opposite[SIGNED]["above_random_error"]
    assert perfect[RANDOM]["above_random"] == 0.0


def test_bins_hold_all_jets_once() -> None:
    picking = measured("perfect")["picking"]
    for name in ("pt", "multiplicity"):
        assert sum(row["jets"] for row in picking["bins"][name]) == picking["jets"] > 50
    edges = [(row["low"], row["high"]) for row in picking["bins"]["pt"]]
    assert all(first[1] == second[0] for first, second in itertools.pairwise(edges))


def test_without_origins_nothing_is_said_of_picking() -> None:
    part, momenta = jets("perfect", 8)
    del part["element/origin"]
    tables = TruthTables(CLASSES, 1)
    tables.add(part, momenta)
    found = tables.found({"QCD": np.zeros(8, bool), "top": np.ones(8, bool)}, draws=0)
    assert "picking" not in found
    assert found["correlations"]["mass"]["QCD"] == {"mean": None, "error": None}


def test_rank_correlation_is_that_of_a_peer() -> None:
    from scipy.stats import spearmanr

    generator = np.random.default_rng(1)
    first, second = generator.integers(0, 9, 50), generator.normal(size=50)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert np.isnan(spearman(np.ones(4), np.arange(4)))
