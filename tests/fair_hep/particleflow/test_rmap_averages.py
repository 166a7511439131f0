"""Averages of relevance maps, by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fair_hep.particleflow.columns import ELEMENT, KINDS, kinds_of
from fair_hep.particleflow.labels import row_labels
from fair_hep.particleflow.relevances import ElementRelevance
from fair_hep.particleflow.rmap_averages import BINS, RMapAverages, r_map, relevant_elements


def test_r_map_keeps_every_element_and_counts_none_twice() -> None:
    # Published code lost node 0 and doubled the own row: here the own one is neither first nor last, and 0 is relevant.
    relevance = np.zeros((4, 12))
    relevance[0, 3], relevance[1, 0], relevance[2, 5], relevance[3, 5] = -4.0, 1.0, 2.0, 3.0
    mapped = r_map(relevance, own=2, rows=3)
    assert mapped.sum() == pytest.approx(1.0)
    assert mapped.sum(1) == pytest.approx([0.2, 0.4, 0.3, 0.1])
    assert mapped[1, 3] == pytest.approx(0.4)
    assert r_map(relevance, own=2, rows=1).sum() == pytest.approx(0.6)


def test_r_map_of_few_elements_ends_in_zeros() -> None:
    mapped = r_map(np.full((1, 12), -2.0), own=0, rows=5)
    assert mapped.shape == (6, 12)
    assert mapped[0] == pytest.approx(np.full(12, 1 / 12))
    assert not mapped[1:].any()
    assert not r_map(np.zeros((2, 12)), own=1, rows=2).any()


@pytest.mark.parametrize(
    ("sizes", "count"),
    [([1.0], 1), ([0.9, 0.1], 1), ([0.89, 0.11], 2), ([0.25] * 4, 4), ([0.0, 0.0], 0), ([1.0] + [0.0] * 9, 1)],
)
def test_relevant_elements_carry_nine_tenths(sizes: list[float], count: int) -> None:
    relevance = np.zeros((len(sizes), 12))
    relevance[:, 7] = -np.array(sizes)
    assert relevant_elements(relevance) == count


def test_each_class_and_outcome_is_averaged_apart() -> None:
    averages = RMapAverages(rows=2, features=12)
    one, two = np.zeros((2, 7, 12), np.float32), np.zeros((2, 7, 12), np.float32)
    one[0], two[1] = 1.0, -1.0
    errors = np.zeros(7)
    kind = np.array([0, 2])
    averages.add(ElementRelevance(1, 1, 0, kind, one, errors))
    averages.add(ElementRelevance(1, 1, 0, kind, two, errors))
    averages.add(ElementRelevance(1, 2, 0, kind, two, errors + 3e-9))
    found = averages.found()
    cell = found["class"]["charged_hadron"]["correct"]
    assert cell["elements"] == 2
    assert cell["neighbours_share"]["mean"] == pytest.approx(0.5)
    assert cell["neighbours_share"]["error"] == pytest.approx(0.5)
    assert np.sum(cell["r_map"]["mean"]) == pytest.approx(1.0)
    assert np.sum(cell["r_scores"]) == 2 * 12
    nothing = dict.fromkeys(KINDS, 0)
    assert cell["others"] == [{**nothing, "HCAL tower": 2}, nothing]
    assert row_labels(cell) == [
        "the element itself", "most relevant other (100 % HCAL tower)", "2nd most relevant other"
    ]  # fmt: skip
    assert cell["signed_share"]["mean"] == pytest.approx([0.0] * 12)
    assert found["log_pt"]["charged_hadron"]["incorrect"]["neighbours_share"] == {"mean": 1.0, "error": None}
    assert found["class"]["muon"]["correct"] == {"elements": 0, "without_relevance": 0}
    assert max(averages.errors) == 3e-9
    json.dumps(found, allow_nan=False)


def test_others_are_named_by_what_they_are_in_the_order_of_the_map() -> None:
    relevance = np.zeros((4, 7, 12), np.float32)
    relevance[:, 0, 5] = 3.0, 1.0, 2.0, 9.0
    averages = RMapAverages(rows=2, features=12)
    averages.add(ElementRelevance(3, 3, 3, np.array([0, 2, 1, 1]), relevance, np.zeros(7)))
    first, second = averages.found()["class"]["photon"]["correct"]["others"]
    assert (first["track"], second["ECAL tower"]) == (1, 1)
    assert sum(first.values()) == sum(second.values()) == 1


def test_elements_are_tracks_or_towers_of_either_calorimeter() -> None:
    elements = np.zeros((3, len(ELEMENT)))
    # A track's columns 6 and 7 are a direction.
    elements[:, 0], elements[:, 6], elements[:, 7] = (2, 1, 1), (-1.0, 3.0, 0.0), (0.5, 0.0, 4.0)
    assert [KINDS[kind] for kind in kinds_of(elements)] == ["track", "ECAL tower", "HCAL tower"]


def test_r_scores_of_one_and_minus_one_have_a_bin() -> None:
    averages = RMapAverages(rows=1, features=12)
    for sign in (1.0, -1.0):
        relevance = np.zeros((1, 7, 12), np.float32)
        relevance[..., 4] = sign
        averages.add(ElementRelevance(3, 3, 0, np.zeros(1, int), relevance, np.zeros(7)))
    scores = np.array(averages.found()["class"]["photon"]["correct"]["r_scores"])
    assert scores[4, 0] == scores[4, -1] == 1
    assert scores.sum() == 2 * 12
    assert scores.shape == (12, len(BINS) - 1)
