"""The same network on other jets: mean relevances are compared, since the jets aren't the same."""

from __future__ import annotations

import numpy as np
import pytest

from fair_hep.jets.other_jets import RANKS, compare_profiles, others_table, profiles
from fair_hep.study.relevances import Relevances


def part(seed: int, size: int = 60, *, turned: bool = False) -> Relevances:
    """Return relevances of jets of 5 to 30 constituents, which fall with rank (or rise) and differ by feature."""
    random = np.random.default_rng(seed)
    counts = random.integers(5, 31, size)
    rank = np.arange(30)[::-1] if turned else np.arange(30)
    mean = np.exp(-rank / 8)[:, None] * np.array([1.0, 0.5, 2.0])
    relevance = random.normal(size=(size, 30, 3)) * mean * (np.arange(30) < counts[:, None])[..., None]
    return Relevances(
        {
            "example/label": np.arange(size) % 2,
            "example/elements": counts,
            "element/relevance": relevance,
        }
    )


def test_a_profile_is_the_share_of_a_jet_and_ignores_padding() -> None:
    short = Relevances(
        {
            "example/label": np.array([1, 0]),
            "example/elements": np.array([2, 1]),
            "element/relevance": np.array([[[1.0, -1.0], [2.0, 0.0]], [[3.0, 1.0], [99.0, 99.0]]]),
        }
    )
    background, signal = profiles([short], 2)
    assert background.shape == signal.shape == (1, 2 * RANKS)
    assert signal[0, :4].tolist() == [0.25, 0.25, 0.5, 0.0] and not signal[0, 4:].any()
    assert background[0, :4].tolist() == [0.75, 0.25, 0.0, 0.0]


def test_jets_of_one_kind_agree_as_well_as_chance_lets_them() -> None:
    own, same, other = (profiles([made], 2) for made in (part(1, 200), part(2), part(3, turned=True)))
    alike, apart = (compare_profiles(own, one, 0) for one in (same, other))
    assert alike["correlation"] == pytest.approx(alike["correlation_by_chance"], abs=0.1)
    assert alike["correlation"] > 0.9 and alike["correlation_error"] > 0
    assert apart["correlation"] < apart["correlation_by_chance"] - 5 * apart["correlation_error"]
    # Whether a jet stands in one part or another makes no difference.
    split = profiles([part(1, 200), part(2)], 2)
    assert [len(rows) for rows in split] == [130, 130]


def test_a_class_that_one_of_them_lacks_does_not_count() -> None:
    own = profiles([part(1)], 2)
    nothing = [rows[:0] for rows in own]
    found = compare_profiles(own, nothing, 0)
    assert found == {"correlation": None, "correlation_error": None, "correlation_by_chance": None}
    scored = {f"{name}{error}": 0.5 for name in ("auc", "auc_before", "auc_change") for error in ("", "_error")}
    (row,) = others_table([{"changed": "other", "jets": 5, "explained": 3, **scored, **found}]).rows
    assert row == (
        "other",
        "5",
        "3",
        "0.5000 ± 0.5000",
        "0.5000 ± 0.5000",
        "+0.5000 ± 0.5000",
        "undefined",
        "undefined",
    )
