"""Taggers without a network: what they cut on is chosen on validation examples, and a network may be worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fair_hep.bundle.errors import DataError
from fair_hep.models.contract import Baseline
from fair_hep.models.specs import particle_set
from fair_hep.tagging import two_classes
from fair_hep.tagging.baselines import CUTS, Observable, Observables, choose_cuts, observed

Values = dict[str, np.ndarray]


def derive(values: np.ndarray, columns: Sequence[str]) -> Mapping[str, np.ndarray]:
    return {"mass": values[:, 0, 0], "shape": values[:, 0, 1]}


PEAK, LOW = Observable("mass", "mass", "GeV", "peak"), Observable("shape", "shape", "", "low")
BOTH = Observables((PEAK, LOW), derive)


def made(size: int, seed: int) -> tuple[Values, np.ndarray]:
    """Return signal at a peak with low shapes, and background spread out; and labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(2, size=size)
    mass = np.where(labels == 1, random.normal(170, 15, size), random.exponential(90, size))
    return {"mass": mass, "shape": random.normal(0.8 - 0.3 * labels, 0.15)}, labels


def chosen(test: Values | None = None) -> dict[str, Baseline]:
    known, labels = made(1000, 1)
    return choose_cuts(BOTH, known, labels, known if test is None else test)


def test_a_window_orders_by_the_distance_from_the_signals_median() -> None:
    (known, labels), (test, _) = made(1000, 1), made(500, 2)
    distance = np.abs(test["mass"] - np.median(known["mass"][labels == 1]))
    score = chosen(test)["mass"].score
    assert np.ptp(score + distance) < 1e-9


@pytest.mark.parametrize("name", ["mass", "shape"])
def test_no_other_cut_has_a_better_accuracy_where_it_was_chosen(name: str) -> None:
    known, labels = made(400, 1)
    score = choose_cuts(BOTH, known, labels, known)[name].score
    found = ((score > 0) == (labels == 1)).mean()
    every = [((score > cut) == (labels == 1)).mean() for cut in (*score, -np.inf, np.inf)]
    assert found == pytest.approx(max(every))


def test_two_cuts_are_nested_and_better_than_each_of_them() -> None:
    known, labels = made(4000, 1)
    test, truth = made(4000, 2)
    found = choose_cuts(BOTH, known, labels, test)
    area = {name: roc_auc_score(truth, one.score) for name, one in found.items()}
    assert set(found) == {"mass", "shape", CUTS}
    assert area[CUTS] > max(area["mass"], area["shape"])
    distance = np.abs(test["mass"] - np.median(known["mass"][labels == 1]))
    for level in np.unique(found[CUTS].score):
        passed = found[CUTS].score >= level
        # What passes is a rectangle: whatever is nearer in both passes too.
        inside = (distance <= distance[passed].max()) & (test["shape"] <= test["shape"][passed].max())
        assert (inside == passed).all()
    assert (found[CUTS].score != 0).all()


def test_cuts_do_not_look_at_what_they_are_measured_on() -> None:
    titles = {name: one.title for name, one in chosen(made(300, 5)[0]).items()}
    assert titles == {name: one.title for name, one in chosen(made(20, 6)[0]).items()}
    assert titles["mass"].startswith("mass within ") and titles["mass"].endswith(" GeV")
    assert titles[CUTS].count(" and ") == 1


def test_where_nothing_tells_classes_apart_the_area_is_a_half() -> None:
    random = np.random.default_rng(3)
    labels = np.arange(4000) % 2
    known, test = ({name: random.normal(size=4000) for name in ("mass", "shape")} for _ in range(2))
    for one in choose_cuts(BOTH, known, labels, test).values():
        assert abs(roc_auc_score(labels, one.score) - 0.5) < 4 * 0.0092


def test_one_observable_has_no_tagger_of_two_cuts() -> None:
    known, labels = made(100, 1)
    assert set(choose_cuts(Observables((LOW,), derive), known, labels, known)) == {"shape"}


def test_bad_input_is_refused() -> None:
    known, labels = made(100, 1)
    with pytest.raises(DataError, match="one class, expected both"):
        choose_cuts(BOTH, known, np.ones_like(labels), known)

    class Jets:
        def __len__(self) -> int:
            return 2

        def __getitems__(self, indices: Sequence[int]) -> dict[str, object]:
            import torch

            return {"particles": torch.full((len(indices), 1, 4), torch.nan), "label": torch.zeros(len(indices))}

    with pytest.raises(DataError, match="baseline mass: got 2 values that aren't finite"):
        observed(Jets(), BOTH, particle_set(), 2)  # type: ignore[arg-type]


def test_a_worse_network_is_told_first_and_a_better_one_is_not(tmp_path: Path) -> None:
    random, labels = np.random.default_rng(0), np.arange(2000) % 2
    good, bad = (random.normal(scale * (2 * labels - 1), 1.0) for scale in (2.0, 0.2))

    def found(network: np.ndarray, other: np.ndarray) -> tuple[list[str], dict[str, float], str]:
        outputs = {"logits": np.stack([-network, network], 1)}
        told = two_classes.evaluate(
            outputs, {"label": labels}, tmp_path, ("QCD", "top"), baselines={"mass": Baseline("a window", other)}
        )
        return list(told.headline), dict(told.metrics), str(told.tables[0].rows)

    lines, metrics, rows = found(bad, good)
    assert lines[0].startswith("worse than what needs no network (a window): AUC by ")
    assert all(word in lines[0] for word in ("accuracy by", "rejection at 30%", "rejection at 90%"))
    assert metrics["baseline_mass_auc"] == pytest.approx(roc_auc_score(labels, good))
    assert {"baseline_mass_accuracy_error", "baseline_mass_rejection_90_limit95"} <= set(metrics)
    assert "a window" in rows and "the network" in rows
    lines, _, _ = found(good, bad)
    assert not any(line.startswith("worse") for line in lines)
    assert lines[1].startswith("best without a network (a window): AUC ")
    # The same scores differ by nothing.
    assert not any(line.startswith("worse") for line in found(good, good)[0])
