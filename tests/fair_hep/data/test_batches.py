"""The order of batches: complete, reproducible, shared out, and taken up again."""

from __future__ import annotations

import signal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import TensorDataset

from fair_hep.bundle.errors import ConfigError
from fair_hep.data.batches import EpochSampler, epoch_loader, passes


def test_an_epoch_has_every_example_at_most_once() -> None:
    batches = list(EpochSampler(103, 10, seed=1))
    seen = [index for batch in batches for index in batch]
    assert len(batches) == 10
    assert len(set(seen)) == len(seen) == 100


def test_the_order_follows_from_seed_and_epoch() -> None:
    first, second = EpochSampler(50, 5, seed=1), EpochSampler(50, 5, seed=1)
    assert list(first) == list(second)
    second.set_epoch(1)
    assert list(first) != list(second)
    assert list(first) != list(EpochSampler(50, 5, seed=2))


def test_processes_share_the_batches_of_one() -> None:
    whole = list(EpochSampler(64, 8, seed=3))
    parts = [list(EpochSampler(64, 8, seed=3, rank=rank, world=2)) for rank in range(2)]
    assert [sorted(a + b) for a, b in zip(*parts, strict=True)] == [sorted(batch) for batch in whole]


def test_skip_leaves_out_the_beginning_of_one_pass_only() -> None:
    sampler = EpochSampler(50, 5, seed=1)
    whole = list(sampler)
    sampler.skip(3)
    assert list(sampler) == whole[3:]
    assert list(sampler) == whole


def test_fewer_examples_than_a_batch_make_one_batch() -> None:
    assert sorted(next(iter(EpochSampler(3, 10, seed=0)))) == [0, 1, 2]


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of the number of processes"):
        EpochSampler(100, 7, seed=0, world=2)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 200))
def test_every_set_is_in_one_pass_that_is_not_too_large(counts: list[int], elements: int) -> None:
    found = [rows.tolist() for rows in passes(torch.tensor(counts), elements)]
    assert sorted(row for rows in found for row in rows) == list(range(len(counts)))
    sizes = [counts[row] for rows in found for row in rows]
    assert sizes == sorted(sizes), "by rising size"
    for rows, following in zip(found, [*found[1:], []], strict=True):
        assert len(rows) == 1 or len(rows) * max(counts[row] for row in rows) <= elements
        if following:
            assert (len(rows) + 1) * counts[following[0]] > elements, "no pass ends before it must"


def test_a_worker_does_not_die_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm sends its warning to every process of a job, and the default is to end."""
    heard: dict[int, object] = {}
    loader = epoch_loader(TensorDataset(torch.zeros(4)), EpochSampler(4, 2, 1), workers=1)
    monkeypatch.setattr(signal, "signal", heard.__setitem__)
    assert loader.worker_init_fn is not None
    loader.worker_init_fn(0)
    assert heard == {signal.SIGUSR1: signal.SIG_IGN}
