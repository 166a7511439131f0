"""Particles and raw outputs: from either to the other, and what a row leaves open."""

from __future__ import annotations

import torch
from torch import Tensor

from fair_hep.particleflow.candidates import candidates, momenta_of
from fair_hep.particleflow.columns import CHARGED
from fair_hep.particleflow.synthetic import events


def _particles(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_particles_and_momenta_are_each_others_inverse() -> None:
    gen = events(6, 5)["gen"].double()
    momenta, known = momenta_of(gen)
    some = gen[..., 0] > 0
    assert known[some].all()
    logits = torch.nn.functional.one_hot(gen[..., 0].long(), 6).double()
    torch.testing.assert_close(candidates(logits, momenta)[some], gen[some], rtol=1e-6, atol=1e-6)
    assert (candidates(logits, momenta)[~some] == 0).all()


def test_unknown_momenta_of_rule_based_candidates_are_marked() -> None:
    rows = _particles([1, -1, 5.0, 1, 0, 1, 0.0], [2, 0, 0.0, 1, 0, 1, 9.0], [0, 0, 0, 0, 0, 0, 0])
    _, known = momenta_of(rows)
    assert known[0].tolist() == [True] * 5 + [False]
    assert known[1].tolist() == [True, False, True, True, True, True]
    assert not known[2, [1, 5]].any()


def test_candidates_of_wild_outputs_are_finite_and_consistent() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, momenta = (1e3 * torch.randn((1000, 6), generator=generator) for _ in range(2))
    momenta[0] = 0.0
    found = candidates(logits, momenta)
    assert found.isfinite().all()
    charged = torch.isin(found[:, 0], torch.tensor(CHARGED, dtype=found.dtype))
    assert (found[charged, 1].abs() == 1).all()
    assert (found[~charged, 1] == 0).all()
    some = (found[:, 0] > 0) & (torch.arange(1000) > 0)
    torch.testing.assert_close(found[some, 4:6].norm(dim=1), torch.ones(int(some.sum())))
