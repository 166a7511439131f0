"""A network of MLPF gives way only to one that isn't worse, and is never compared on nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fair_hep.bundle.errors import DataError
from support.recipes import model as model_named

MODEL = model_named("mlpf")
EVENTS, ELEMENTS = 20, 60


def _targets() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    gen = np.zeros((EVENTS * ELEMENTS, 7), np.float32)
    gen[:, 0] = generator.integers(0, 6, len(gen))
    angle = generator.uniform(-np.pi, np.pi, len(gen))
    pt = generator.uniform(1, 30, len(gen))
    gen[:, 1:] = np.stack([0 * pt, pt, 0 * pt, np.sin(angle), np.cos(angle), pt], 1)
    gen *= gen[:, :1] > 0
    return {"gen": gen, "cand": gen.copy(), "offsets": np.arange(EVENTS + 1) * ELEMENTS}


def _outputs(targets: dict[str, np.ndarray], noise: float) -> dict[str, np.ndarray]:
    """Give answers that know the truth, the better the less noise."""
    generator = np.random.default_rng(1)
    gen = targets["gen"]
    logits = np.eye(6)[gen[:, 0].astype(int)] + noise * generator.normal(size=(len(gen), 6))
    logarithms = [np.log(np.maximum(gen[:, column], 1e-3)) for column in (2, 6)]
    momenta = np.stack([gen[:, 1], logarithms[0], gen[:, 3], gen[:, 4], gen[:, 5], logarithms[1]], 1)
    return {"logits": logits.astype(np.float32), "momenta": momenta.astype(np.float32)}


def test_the_champion_loses_only_to_what_is_not_worse() -> None:
    targets = _targets()
    good, bad = _outputs(targets, 0.2), _outputs(targets, 1.0)
    assert MODEL.not_worse(good, bad, targets)[0]
    assert MODEL.not_worse(good, good, targets)[0]
    better, why = MODEL.not_worse(bad, good, targets)
    assert not better
    assert "mean F1 -" in why


def test_perfect_answers_are_perfect_in_every_number(tmp_path: Path) -> None:
    targets = _targets()
    metrics = MODEL.evaluate(_outputs(targets, 0.0), targets, tmp_path).metrics
    assert metrics["mlpf_mean_f1"] == metrics["rules_mean_f1"] == 1.0
    assert metrics["mlpf_fake_rate_photon"] == 0.0
    assert metrics["mlpf_pt_resolution_charged_hadron"] == pytest.approx(0, abs=1e-6)
    assert metrics["mlpf_met_resolution_gev"] == pytest.approx(0, abs=1e-3)
    assert metrics["mlpf_jet_pt_resolution"] == pytest.approx(0, abs=1e-4)


def test_no_elements_are_refused(tmp_path: Path) -> None:
    targets = {"gen": np.zeros((0, 7)), "cand": np.zeros((0, 7)), "offsets": np.zeros(1, int)}
    with pytest.raises(DataError, match="no elements"):
        MODEL.evaluate({"logits": np.zeros((0, 6)), "momenta": np.zeros((0, 6))}, targets, tmp_path)
