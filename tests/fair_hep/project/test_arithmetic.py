"""The order in which threads add up gradients."""

from __future__ import annotations

import torch

from fair_hep.project.arithmetic import reproducible, threads


def test_gradients_are_added_up_alike_whatever_the_threads() -> None:
    """What many edges give back to one element is added by several threads: otherwise as they come by."""
    torch.manual_seed(0)
    rows = torch.randn(3000, 16, requires_grad=True)
    neighbours, weights = torch.randint(300, (3000, 16)), torch.randn(3000, 16, 16)
    before = torch.get_num_threads()
    with threads(2), reproducible(torch.device("cpu")):
        assert torch.get_num_threads() == 2
        found = [torch.autograd.grad((rows[neighbours] * weights).sum(), rows)[0] for _ in range(20)]
        assert torch.are_deterministic_algorithms_enabled()
    assert all(torch.equal(one, found[0]) for one in found)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (before, False)


def test_a_gpu_keeps_its_ways() -> None:
    with reproducible(torch.device("cuda")):
        assert not torch.are_deterministic_algorithms_enabled()
