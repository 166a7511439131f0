"""Whether probabilities can be taken at their word, and the temperature that mends them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fair_hep.bundle.errors import DataError
from fair_hep.tagging.calibration import calibration, draw_reliability, fit_temperature, stated


def _tagged(size: int, seed: int, warmth: float = 1.0, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return logits whose probabilities are right, times ``warmth``, and labels."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 2, (size, classes))
    powers = np.exp(logits)
    labels = (draw.random(size)[:, None] > (powers / powers.sum(1, keepdims=True)).cumsum(1)).sum(1)
    return logits * warmth, labels


@pytest.mark.parametrize("classes", [2, 4])
def test_calibrated_probabilities_differ_by_chance_only(classes: int) -> None:
    found = calibration(*stated(*_tagged(4000, 1, classes=classes)))
    assert abs(found.error - found.chance) < 3 * found.chance_spread
    assert (np.abs(found.share - found.probability) < 4 * found.share_error).all()
    assert found.counts.sum() == 4000


def test_overconfidence_is_found_with_its_size() -> None:
    probability, came = stated(*_tagged(4000, 2, warmth=3.0))
    found = calibration(probability, came)
    assert found.error > found.chance + 10 * found.chance_spread
    plain = 0.0
    for bin_ in np.array_split(np.argsort(probability, kind="stable"), 10):
        plain += abs(probability[bin_].mean() - came[bin_].mean()) * len(bin_) / 4000
    assert found.error == pytest.approx(plain, abs=1e-12)


def test_its_error_is_the_spread_between_samples() -> None:
    many = [calibration(*stated(*_tagged(1000, seed, warmth=2.0))) for seed in range(20)]
    spread = np.std([found.error for found in many], ddof=1)
    assert np.mean([found.spread for found in many]) == pytest.approx(spread, rel=0.5)


@pytest.mark.parametrize("warmth", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_comes_out(warmth: float) -> None:
    logits, labels = _tagged(3000, 3, warmth)
    temperature, error = fit_temperature(logits, labels)
    assert abs(temperature - warmth) < 4 * error
    assert 0 < error < 0.1 * warmth
    before, after = (calibration(*stated(values, labels)) for values in (logits, logits / temperature))
    assert after.error <= max(before.error, after.chance + 3 * after.chance_spread)


def test_classes_that_are_told_apart_without_an_error_have_no_temperature() -> None:
    labels = np.arange(100) % 2
    with pytest.raises(DataError, match=r"export\.temperature: fit found none on 100 validation examples"):
        fit_temperature(np.stack([1.0 - labels, labels], 1), labels)


@pytest.mark.parametrize("wrong", [np.zeros(0), np.array([0.5, np.nan]), np.array([0.5, 1.1])])
def test_what_is_no_probability_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(DataError, match="expected some, all between 0 and 1"):
        calibration(wrong, np.ones(len(wrong), bool))


def test_it_is_drawn(tmp_path: Path) -> None:
    draw_reliability(calibration(*stated(*_tagged(300, 4))), tmp_path / "reliability.png", "top")
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")
