"""Measures of a tagger, against scikit-learn, brute force and published scores."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from fair_hep.tagging.measures import area, area_difference, curve, working_point, working_points


def _scores(size: int = 2000, seed: int = 0, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(2, size=size)
    scores = generator.normal(labels * 1.5)
    return (np.round(scores, 1) if ties else scores), labels


@pytest.mark.parametrize("ties", [False, True])
def test_area_agrees_with_scikit_learn(ties: bool) -> None:
    scores, labels = _scores(ties=ties)
    assert area(scores, labels)[0] == pytest.approx(roc_auc_score(labels, scores), abs=1e-14)


@pytest.mark.parametrize("ties", [False, True])
def test_curve_agrees_with_scikit_learn(ties: bool) -> None:
    scores, labels = _scores(ties=ties)
    background, signal, _ = roc_curve(labels, scores, drop_intermediate=False)
    found = curve(scores, labels)
    np.testing.assert_allclose(found, (background, signal), atol=1e-15)
    assert np.trapezoid(found[1], found[0]) == pytest.approx(area(scores, labels)[0], abs=1e-12)
    with pytest.raises(ValueError, match="expected both"):
        curve(scores, np.ones_like(labels))


def test_area_error_is_the_spread_of_repeated_experiments() -> None:
    found = [area(*_scores(500, seed)) for seed in range(300)]
    spread = np.std([value for value, _ in found], ddof=1)
    assert np.mean([error for _, error in found]) == pytest.approx(spread, rel=0.15)


def test_working_point_agrees_with_the_roc_curve_and_counts() -> None:
    scores, labels = _scores()
    background, signal, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    for efficiency in (0.3, 0.5, 0.9):
        point = working_point(scores, labels, efficiency)
        place = np.searchsorted(signal, efficiency - 1e-12)
        assert point.threshold == thresholds[place]
        assert point.background_efficiency == pytest.approx(background[place], abs=1e-15)
        assert point.signal_efficiency >= efficiency
        assert point.background_passed == int((scores[labels == 0] >= point.threshold).sum())


def test_rejection_error_is_binomial() -> None:
    scores, labels = _scores(20_000)
    point = working_point(scores, labels, 0.5)
    assert point.rejection is not None
    total = int((labels == 0).sum())
    expected = point.rejection / np.sqrt(point.background_passed) * np.sqrt(1 - point.background_passed / total)
    assert point.rejection_error == pytest.approx(expected)


def test_few_background_jets_give_a_limit_and_never_infinity() -> None:
    labels = np.repeat([0, 1], 100)
    scores = labels.astype(float)
    point = working_point(scores, labels, 0.5)
    assert point.rejection is None
    assert point.rejection_error is None
    # None of 100 passes: the 95 % upper limit of the efficiency is 1 - 0.05^(1/100).
    assert point.rejection_limit == pytest.approx(1 / (1 - 0.05 ** (1 / 100)))
    assert "95 % CL" in point.text()


def test_the_limit_is_below_the_rejection() -> None:
    for point in working_points(*_scores(), [0.1, 0.5, 0.9]):
        assert point.rejection is None or point.rejection_limit < point.rejection


def test_paired_bootstrap_is_narrower_than_unpaired() -> None:
    scores, labels = _scores()
    other = scores + np.random.default_rng(1).normal(scale=0.1, size=len(scores))
    difference, error = area_difference(scores, other, labels)
    assert difference == pytest.approx(area(scores, labels)[0] - area(other, labels)[0], abs=1e-12)
    assert error < 0.3 * area(scores, labels)[1]
    assert area_difference(scores, scores, labels) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("scores", "labels", "word"),
    [
        ([0.0, np.nan], [0, 1], "finite"),
        ([0.0, np.inf], [0, 1], "finite"),
        ([0.0, 1.0], [1, 1], "both"),
        ([], [], "both"),
    ],
)
def test_bad_scores_are_refused(scores: list[float], labels: list[int], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        area(np.array(scores), np.array(labels))
    with pytest.raises(ValueError, match=word):
        working_point(np.array(scores), np.array(labels), 0.5)


@pytest.mark.parametrize("efficiency", [0.0, -0.1, 1.1])
def test_impossible_efficiency_is_refused(efficiency: float) -> None:
    with pytest.raises(ValueError, match="signal efficiency"):
        working_point(*_scores(), efficiency)


@pytest.mark.reference_data
@pytest.mark.parametrize(
    ("run", "auc", "rejection"), [(0, 0.98476, 1311), (1, 0.98485, 1311), (2, 0.98482, 1303), (3, 0.98484, 1239)]
)
def test_published_scores_give_the_published_figures(run: int, auc: float, rejection: int) -> None:
    """ParticleNet on the Top Quark Tagging reference test set (arXiv:1902.09914)."""
    import os
    from pathlib import Path

    folder = os.environ.get("FAIR_HEP_REFERENCE_DATA")
    if not folder:
        pytest.skip("FAIR_HEP_REFERENCE_DATA is not set")
    data = Path(folder) / "toptag-reference-scores"
    labels = np.load(data / "labels.npy")
    scores = np.load(data / f"particlenet_run{run}.npy")
    assert area(scores, labels)[0] == pytest.approx(auc, abs=6e-6)
    point = working_point(scores, labels, 0.3)
    assert point.rejection == pytest.approx(rejection, abs=0.5)
    assert 0.9379 <= ((scores > 0.5) == (labels == 1)).mean() <= 0.9386
