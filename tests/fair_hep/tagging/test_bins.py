"""Measures in bins of what is derived of a jet: as if each bin were a test set of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fair_hep.bundle.domain import jet_quantities
from fair_hep.tagging.bins import in_bins
from fair_hep.tagging.measures import area, working_point

QUANTITIES = jet_quantities()


def _targets(size: int = 800, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    draw = np.random.default_rng(seed)
    label, pt = draw.integers(2, size=size), draw.uniform(550, 650, size)
    score = label * (pt - 540) / 40 + draw.normal(size=size)
    return np.stack([-score, score], 1), {"label": label, "domain_jet_pt": pt}


def test_each_quarter_is_measured_like_a_test_set(tmp_path: Path) -> None:
    logits, targets = _targets()
    found = in_bins(logits, targets, QUANTITIES, tmp_path)
    score, pt = logits[:, 1] - logits[:, 0], targets["domain_jet_pt"]
    cut = working_point(score, targets["label"], 0.5).threshold
    for number, chosen in enumerate(np.array_split(np.argsort(pt), 4), start=1):
        value, error = area(score[chosen], targets["label"][chosen])
        assert found.metrics[f"auc_jet_pt_bin{number}"] == pytest.approx(value, abs=0.01)
        assert found.metrics[f"auc_jet_pt_bin{number}_error"] == pytest.approx(error, rel=0.1)
        passed = score[chosen][targets["label"][chosen] == 0] >= cut
        assert found.metrics[f"background_efficiency_jet_pt_bin{number}"] == pytest.approx(passed.mean(), abs=0.02)
    # It was made to work better at high pT.
    assert found.metrics["auc_jet_pt_bin4"] > found.metrics["auc_jet_pt_bin1"] + 0.05
    assert found.factors[0].startswith("Jet pT: measured apart; AUC from ")
    assert len(found.tables[0].rows) == 4
    assert (tmp_path / "bins.png").read_bytes().startswith(b"\x89PNG")


def test_more_classes_have_their_accuracy(tmp_path: Path) -> None:
    _, targets = _targets()
    logits = np.eye(3)[targets["label"] + 1] + np.random.default_rng(1).normal(size=(800, 3))
    found = in_bins(logits, {**targets, "label": targets["label"] + 1}, QUANTITIES, tmp_path)
    assert set(found.metrics) == {f"accuracy_jet_pt_bin{n}{end}" for n in range(1, 5) for end in ("", "_error")}


def test_where_there_is_too_little_nothing_is_measured(tmp_path: Path) -> None:
    logits, targets = _targets()
    one_class = {**targets, "domain_jet_mass": np.where(targets["label"] == 1, 170.0, 30.0) + np.arange(800) * 1e-3}
    found = in_bins(logits, one_class, QUANTITIES, tmp_path)
    assert not [name for name in found.metrics if "jet_mass_bin1" in name or "jet_mass_bin4" in name]
    assert in_bins(logits[:30], {k: v[:30] for k, v in targets.items()}, QUANTITIES, tmp_path).metrics == {}
    assert in_bins(logits, {"label": targets["label"]}, QUANTITIES, tmp_path).files == ()
    same = {**targets, "domain_jet_pt": np.full(800, 600.0)}
    assert in_bins(logits, same, QUANTITIES, tmp_path).factors == ()


def test_few_of_a_class_in_some_bins_are_told(tmp_path: Path) -> None:
    logits, targets = _targets()
    targets["label"] = np.where(targets["domain_jet_pt"] < 575, 0, targets["label"])
    found = in_bins(logits, targets, QUANTITIES, tmp_path)
    assert "too few" in found.tables[0].rows[0]
    assert "auc_jet_pt_bin1" not in found.metrics
    assert "auc_jet_pt_bin4" in found.metrics
