from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fair_hep.bundle.errors import ConfigError, DataError
from fair_hep.data.store import Ragged, Store, write_store
from fair_hep.jets.dataset import JetDataset

COUNTS = np.array([3, 200, 1, 0, 130, 7])


def jets() -> tuple[Ragged, np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    vectors = random.normal(size=(COUNTS.sum(), 3))
    values = np.concatenate([np.linalg.norm(vectors, axis=1, keepdims=True) + 0.1, vectors], 1).astype(np.float32)
    jet = np.repeat(np.arange(len(COUNTS)), COUNTS)
    order = np.lexsort((-np.hypot(values[:, 1], values[:, 2]), jet))
    particles = Ragged.from_counts(values[order], COUNTS)
    axis = np.stack([particles[i].sum(0, dtype=np.float64) for i in range(len(COUNTS))]).astype(np.float32)
    return particles, axis, np.array([1, 0, 0, 1, 0, 0], np.int8)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    particles, axis, label = jets()
    with write_store(tmp_path / "test", {}) as writer:
        writer.append(particles=particles, axis=axis, label=label)
    return Store(tmp_path / "test")


def test_a_batch_has_the_promised_types_and_shapes(store: Store) -> None:
    batch = JetDataset(store).__getitems__([5, 1])
    assert batch["particles"].shape == (2, 128, 4)
    assert batch["particles"].dtype == batch["axis"].dtype == torch.float32
    assert batch["axis"].shape == (2, 4)
    assert batch["label"].dtype == torch.int64
    assert batch["label"].tolist() == [0, 0]


def test_a_batch_is_padded_to_its_longest_jet_only(store: Store) -> None:
    batch = JetDataset(store).__getitems__([0, 2, 5])
    assert batch["particles"].shape == (3, 7, 4)
    assert (batch["particles"][..., 0] > 0).sum(1).tolist() == [3, 1, 7]


def test_the_cut_keeps_the_hardest_and_the_axis_of_all(store: Store) -> None:
    whole = JetDataset(store, max_constituents=0).__getitems__([1])
    cut = JetDataset(store, max_constituents=20).__getitems__([1])
    assert whole["particles"].shape[1] == 200
    torch.testing.assert_close(cut["particles"], whole["particles"][:, :20])
    pt = whole["particles"][0, :, 1:3].norm(dim=1)
    assert cut["particles"][0, :, 1:3].norm(dim=1).min() >= pt[20:].max()
    torch.testing.assert_close(cut["axis"], whole["axis"])
    torch.testing.assert_close(cut["axis"][0], whole["particles"][0].sum(0))


def test_one_jet_is_the_same_as_in_a_batch(store: Store) -> None:
    dataset = JetDataset(store)
    for index in range(len(dataset)):
        single, batch = dataset[index], dataset.__getitems__([index])
        for name, values in single.items():
            torch.testing.assert_close(values, batch[name][0])


def test_a_jet_without_constituents_is_a_row_of_zeros(store: Store) -> None:
    jet = JetDataset(store)[3]
    assert not jet["particles"].any()
    assert not jet["axis"].any()


def test_indices_outside_end_the_iteration(store: Store) -> None:
    dataset = JetDataset(store)
    torch.testing.assert_close(dataset[-1]["particles"], dataset[5]["particles"])
    with pytest.raises(IndexError):
        dataset[6]


def test_classes_are_counted(store: Store) -> None:
    assert JetDataset(store).balance() == {"qcd": 4, "top": 2}


def test_batches_may_be_changed_without_harm_to_the_store(store: Store) -> None:
    dataset = JetDataset(store)
    for values in dataset.__getitems__([1, 2]).values():
        values.zero_()
    assert dataset.__getitems__([1, 2])["axis"].any()


def test_other_processes_read_the_same_jets(store: Store) -> None:
    dataset = pickle.loads(pickle.dumps(JetDataset(store, max_constituents=5)))
    assert dataset.max_constituents == 5
    loader = DataLoader(dataset, batch_size=2, num_workers=1, collate_fn=dict)
    rows = torch.cat([batch["axis"] for batch in loader])
    torch.testing.assert_close(rows, torch.from_numpy(np.array(store.array("axis"))))


def test_origins_are_cut_and_padded_like_the_constituents(store: Store, tmp_path: Path) -> None:
    assert "origin" not in JetDataset(store).__getitems__([0])
    particles, axis, label = jets()
    origin = Ragged((np.arange(len(particles.values)) % 6 + 1).astype(np.int8)[:, None], particles.offsets)
    with write_store(tmp_path / "told", {}) as writer:
        writer.append(particles=particles, axis=axis, label=label, origin=origin)
    dataset = pickle.loads(pickle.dumps(JetDataset(Store(tmp_path / "told"), max_constituents=20)))
    batch = dataset.__getitems__([3, 1, 0])
    assert batch["origin"].dtype == torch.int8
    assert batch["origin"].shape == batch["particles"].shape[:2] == (3, 20)
    assert not batch["origin"][0].any()
    assert batch["origin"][1].tolist() == origin[1][:20, 0].tolist()
    assert batch["origin"][2].tolist() == [*origin[0][:, 0].tolist(), *[0] * 17]


def test_a_negative_limit_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="max_constituents: got -1"):
        JetDataset(store, max_constituents=-1)


def test_a_store_of_something_else_is_refused(tmp_path: Path) -> None:
    with write_store(tmp_path / "events", {}) as writer:
        writer.append(label=np.zeros(1, np.int8))
    with pytest.raises(DataError, match="no 'particles'"):
        JetDataset(Store(tmp_path / "events"))
