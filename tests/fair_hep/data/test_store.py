from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fair_hep.bundle.errors import DataError
from fair_hep.data.store import FILE, Ragged, Store, write_store


def ragged(counts: list[int], columns: int = 4, seed: int = 0) -> Ragged:
    values = np.random.default_rng(seed).normal(size=(sum(counts), columns)).astype(np.float32)
    return Ragged.from_counts(values, np.array(counts))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "train"
    with write_store(target, {"files": ["one"]}) as writer:
        writer.append(label=np.array([1, 0, 1], np.int8), rows=ragged([2, 0, 5]), other=ragged([1, 1, 1], 7))
        writer.append(label=np.array([0], np.int8), rows=ragged([3], seed=1), other=ragged([4], 7, seed=1))
    return target


def test_what_was_appended_in_chunks_comes_back_whole(folder: Path) -> None:
    store = Store(folder)
    assert len(store) == 4
    assert store.source == {"files": ["one"]}
    assert store.array("label").tolist() == [1, 0, 1, 0]
    rows = store.ragged("rows")
    assert rows.counts().tolist() == [2, 0, 5, 3]
    assert store.longest("rows") == 5
    np.testing.assert_array_equal(rows[2], ragged([2, 0, 5])[2])
    np.testing.assert_array_equal(rows[3], ragged([3], seed=1)[0])
    np.testing.assert_array_equal(store.ragged("other")[-1], ragged([4], 7, seed=1)[0])
    store.verify()


def test_plain_numpy_reads_every_file(folder: Path) -> None:
    assert np.load(folder / "rows.npy").shape == (10, 4)
    assert np.load(folder / "rows.offsets.npy").tolist() == [0, 2, 2, 7, 10]


@pytest.mark.parametrize("limit", [None, 1, 3, 100])
def test_padding_equals_a_loop_over_examples(limit: int | None) -> None:
    random = np.random.default_rng(3)
    rows = ragged(random.integers(0, 9, 50).tolist())
    chosen = random.integers(0, 50, 20)
    result = rows.padded(chosen, limit)
    assert result.shape[1] == max(len(rows[i][:limit]) for i in chosen)
    for padded, i in zip(result, chosen, strict=True):
        kept = rows[i][:limit]
        np.testing.assert_array_equal(padded[: len(kept)], kept)
        assert not padded[len(kept) :].any()


def test_examples_without_rows_are_padded_to_one_row_of_zeros() -> None:
    assert ragged([0, 0]).padded(np.array([1, 0])).tolist() == np.zeros((2, 1, 4)).tolist()


def test_a_store_of_empty_examples_only(tmp_path: Path) -> None:
    with write_store(tmp_path / "s", {}) as writer:
        writer.append(rows=ragged([0, 0]))
    assert Store(tmp_path / "s").ragged("rows").padded(np.arange(2)).shape == (2, 1, 4)


def test_part_of_a_ragged_array_can_be_appended(tmp_path: Path) -> None:
    whole = ragged([2, 1, 3])
    part = Ragged(whole.values, whole.offsets[1:])
    with write_store(tmp_path / "s", {}) as writer:
        writer.append(rows=part)
    np.testing.assert_array_equal(Store(tmp_path / "s").ragged("rows")[1], whole[2])


def test_a_store_reopens_in_another_process_instead_of_being_copied(folder: Path) -> None:
    text = pickle.dumps(Store(folder))
    assert len(text) < 1000
    np.testing.assert_array_equal(pickle.loads(text).array("label"), Store(folder).array("label"))


def test_a_store_is_read_only(folder: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        Store(folder).array("label")[0] = 5


def test_after_an_error_the_old_store_is_still_there_and_nothing_else(folder: Path) -> None:
    def interrupted() -> None:
        with write_store(folder, {}) as writer:
            writer.append(rows=ragged([1]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(Store(folder)) == 4
    assert [path.name for path in folder.parent.iterdir()] == ["train"]


def test_nothing_appended_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 examples"), write_store(tmp_path / "s", {}):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "chunk",
    [
        {"label": np.zeros(2, np.int8)},
        {"label": np.zeros(2, np.int8), "rows": ragged([1])},
        {"label": np.zeros(1, np.int64), "rows": ragged([1])},
        {"label": np.zeros(1, np.int8), "rows": ragged([1], 5)},
        {"label": np.zeros(1, np.int8), "rows": np.zeros((1, 4), np.float32)},
    ],
)
def test_a_chunk_that_differs_is_refused(tmp_path: Path, chunk: dict[str, np.ndarray | Ragged]) -> None:
    with pytest.raises(ValueError, match="got"), write_store(tmp_path / "s", {}) as writer:
        writer.append(label=np.zeros(1, np.int8), rows=ragged([2]))
        writer.append(**chunk)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def shorter(path: Path) -> None:
    np.save(path, np.load(path)[:-1])


@pytest.mark.parametrize("name", ["label.npy", "rows.npy", "rows.offsets.npy", FILE])
@pytest.mark.parametrize("harm", [Path.unlink, cut, lambda path: path.write_bytes(b"")])
def test_missing_and_cut_files_are_named(folder: Path, name: str, harm: Callable[[Path], object]) -> None:
    harm(folder / name)
    with pytest.raises(DataError, match=f"{name}.*run `data`") as caught:
        Store(folder)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_length_is_named(folder: Path) -> None:
    shorter(folder / "rows.npy")
    with pytest.raises(DataError, match=r"rows.npy: got float32 \(9, 4\), expected float32 \(10, 4\)"):
        Store(folder)


def test_a_folder_that_never_was_a_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"store.json is missing: run `data` first"):
        Store(tmp_path / "nowhere")


@pytest.mark.parametrize("change", [{"format": 99}, {"count": None}])
def test_another_version_is_refused(folder: Path, change: dict[str, object]) -> None:
    description = {**json.loads((folder / FILE).read_text()), **change}
    kept = {key: value for key, value in description.items() if value is not None}
    (folder / FILE).write_text(json.dumps(kept))
    with pytest.raises(DataError, match="not a store of format 1"):
        Store(folder)


def test_one_flipped_bit_is_found(folder: Path) -> None:
    content = bytearray((folder / "rows.npy").read_bytes())
    content[-1] ^= 1
    (folder / "rows.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"rows\.npy: changed"):
        Store(folder).verify()


def test_an_unknown_name_is_answered_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(DataError, match=r"no 'jets', only \['other', 'rows'\]"):
        Store(folder).ragged("jets")
    with pytest.raises(DataError, match=r"no 'rows', only \['label'\]"):
        Store(folder).array("rows")


def test_offsets_that_point_outside_are_refused() -> None:
    with pytest.raises(ValueError, match="don't fit"):
        Ragged(np.zeros((3, 4)), np.array([0, 2]))
