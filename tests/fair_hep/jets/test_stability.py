"""Changed jets: what is dropped and smeared, what moves up, and that nothing changes where nothing does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fair_hep.jets.changed import CHANGES, Changed, drop_soft, smear
from fair_hep.jets.stability import compare, stability_table
from fair_hep.models.synthetic import jets
from fair_hep.study.relevances import Relevances

COLUMNS = ("E", "px", "py", "pz")
SOFT, SMEARED = CHANGES


class Jets:
    def __init__(self) -> None:
        self.batch = jets(12, 0, longest=20)

    def __len__(self) -> int:
        return 12

    def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        return {name: values[indices] for name, values in self.batch.items()}


def test_soft_constituents_go_and_the_hardest_stays() -> None:
    particles = np.zeros((2, 3, 4), np.float32)
    particles[0, :, 0] = particles[0, :, 1] = [5.0, 1.0, 0.5]
    particles[1, :2, 0] = particles[1, :2, 2] = [0.2, 0.4]
    found = drop_soft(particles, COLUMNS, np.random.default_rng(0))
    assert (found != 0).any(-1).tolist() == [[True, True, False], [False, True, False]]


def test_smearing_keeps_directions_and_masses_shares() -> None:
    particles = Jets().batch["particles"].numpy()
    found = smear(particles, COLUMNS, np.random.default_rng(0))
    real = particles[..., 0] > 0
    factor = found[real] / np.where(particles[real] == 0, 1, particles[real])
    np.testing.assert_allclose(factor, factor[:, :1] * np.ones(4), rtol=1e-5)
    assert factor[:, 0].mean() == pytest.approx(1.0, abs=0.05) and factor[:, 0].std() == pytest.approx(0.1, abs=0.03)
    assert not found[~real].any()
    # Angles aren't energies: they stay.
    other = smear(np.ones((1, 1, 3)), ("pt", "eta", "phi"), np.random.default_rng(0))
    assert other[0, 0, 0] != 1.0 and other[0, 0, 1:].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("change", CHANGES)
def test_a_jet_changes_the_same_in_every_batch_and_the_axis_with_it(change: str) -> None:
    whole, data = Changed(Jets(), change, "particles", COLUMNS, 3), Jets()
    batch, alone = whole.__getitems__([0, 4, 7]), whole.__getitems__([4])
    for name in ("particles", "axis", "position"):
        torch.testing.assert_close(batch[name][1], alone[name][0])
    real = (batch["particles"] != 0).any(-1)
    assert (real.long().diff(dim=1) <= 0).all()  # what is left moves up
    moved = batch["particles"].sum(1) - data.__getitems__([0, 4, 7])["particles"].sum(1)
    torch.testing.assert_close(batch["axis"], data.__getitems__([0, 4, 7])["axis"] + moved, rtol=1e-4, atol=1e-2)


def relevances(scores: list[float], rows: list[list[float]], position: list[list[int]]) -> Relevances:
    values: dict[str, Any] = {
        "example/label": np.array([0, 1, 0, 1]),
        "example/explained": np.array(scores),
        "example/elements": np.array([len(row) for row in position]),
        "element/relevance": np.array(rows)[..., None],
        "element/position": np.array(position),
    }
    return Relevances(values)


def test_relevances_are_compared_constituent_by_constituent() -> None:
    before = relevances([0, 1, 2, 3], [[3.0, 1.0, 2.0]] * 4, [[0, 1, 2]] * 4)
    same = relevances([0, 1, 2, 3], [[3.0, 1.0, 2.0]] * 4, [[0, 1, 2]] * 4)
    found = compare([before], [same], 0)
    assert found["auc"] == found["auc_before"] == 0.75 and found["auc_change"] == found["auc_change_error"] == 0.0
    assert found["correlation"] == pytest.approx(1.0)
    # Constituent 1 is gone: 3 and 2 are in places 0 and 1, and their order turned around.
    turned = relevances([3, 2, 1, 0], [[1.0, 2.0]] * 4, [[0, 2]] * 4)
    found = compare([before], [turned], 0)
    assert found["correlation"] == pytest.approx(-1.0)
    assert found["auc"] == 0.25 and found["auc_change"] == -0.5
    (row,) = stability_table([{"changed": SOFT, **found}]).rows
    assert row[0] == SOFT and "-0.5000" in row[3]
