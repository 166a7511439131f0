from __future__ import annotations

import os
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas
import pytest
import tables

from fair_hep.bundle.errors import DataError
from fair_hep.data.store import Store
from fair_hep.data.toptag import CONSTITUENTS, LABEL, Block, momentum_columns, write_table
from fair_hep.jets.reader import convert, open_table


def block(jets: int, seed: int = 0, *, fewest: int = 1) -> Block:
    """Return jets with random constituents, sorted, zero-padded and labelled by turns."""
    random = np.random.default_rng(seed)
    counts = random.integers(fewest, CONSTITUENTS + 1, jets)
    momenta = random.normal(0, 20, (jets, CONSTITUENTS, 3))
    momenta = np.take_along_axis(momenta, np.argsort(-np.hypot(momenta[..., 0], momenta[..., 1]))[..., None], 1)
    particles = np.concatenate([np.linalg.norm(momenta, axis=2, keepdims=True) + 0.1, momenta], 2)
    particles[np.arange(CONSTITUENTS) >= counts[:, None]] = 0
    truth = random.normal(0, 500, (jets, 4)).astype(np.float32)
    return Block(particles.astype(np.float32), truth, np.arange(jets) % 2, 0)


def frame(jets: int = 6, seed: int = 0, constituents: int = 5) -> pandas.DataFrame:
    """Return jets as the table that pandas reads from such a file."""
    particles = block(jets, seed, fewest=constituents).particles[:, :constituents]
    momenta = pandas.DataFrame(particles.reshape(jets, -1), columns=momentum_columns(constituents))
    return pandas.concat([momenta, pandas.DataFrame({"ttv": 0, LABEL: np.arange(jets) % 2})], axis=1)


def save(path: Path, content: pandas.DataFrame, **options: Any) -> Path:
    content.to_hdf(path, key="table", format="table", **options)
    return path


def same(store: Store, expected: Block) -> None:
    rows, real = store.ragged("particles"), expected.particles[..., 0] > 0
    np.testing.assert_array_equal(rows.counts(), real.sum(1))
    np.testing.assert_array_equal(rows.values, expected.particles[real])
    np.testing.assert_array_equal(store.array("label"), expected.label)
    total = expected.particles.sum(1, dtype=np.float64)
    np.testing.assert_allclose(store.array("axis"), total, rtol=1e-6, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 7, 50, 1000])
def test_all_jets_are_kept_to_the_last_partial_chunk(tmp_path: Path, chunk: int) -> None:
    jets = block(50)
    write_table(tmp_path / "a.h5", [jets])
    counts = convert([tmp_path / "a.h5"], tmp_path / "store", chunk=chunk, processes=1)
    same(Store(tmp_path / "store"), jets)
    assert counts["jets"] == 50
    assert counts["top"] == counts["qcd"] == 25


@pytest.mark.slow
def test_several_processes_make_the_same_store(tmp_path: Path) -> None:
    write_table(tmp_path / "a.h5", [block(50)])
    for processes in (1, 2):
        convert([tmp_path / "a.h5"], tmp_path / str(processes), chunk=8, processes=processes)
    for name in ("particles.npy", "particles.offsets.npy", "axis.npy", "label.npy", "store.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_an_error_in_another_process_keeps_its_row(tmp_path: Path) -> None:
    jets = block(40)
    jets.particles[33, 2, 1] = np.nan
    write_table(tmp_path / "a.h5", [jets])
    with pytest.raises(DataError, match=r"a\.h5: row 33, column PX_2: got nan"):
        convert([tmp_path / "a.h5"], tmp_path / "store", chunk=8, processes=2)
    assert not (tmp_path / "store").exists()


def test_files_are_joined_in_order_and_remembered(tmp_path: Path) -> None:
    for name, seed in (("b", 1), ("a", 2)):
        write_table(tmp_path / f"{name}.h5", [block(5, seed)])
    convert([tmp_path / "b.h5", tmp_path / "a.h5"], tmp_path / "store")
    store = Store(tmp_path / "store")
    expected = block(5, 2).particles[2]
    np.testing.assert_array_equal(store.ragged("particles")[7], expected[expected[:, 0] > 0])
    assert store.source["files"] == [{"name": "b.h5", "jets": 5}, {"name": "a.h5", "jets": 5}]


@pytest.mark.parametrize("library", ["blosc", "zlib", "blosc:zstd", "bzip2", None])
def test_pandas_files_with_any_compression_are_read(tmp_path: Path, library: str | None) -> None:
    jets = block(20)
    write_table(tmp_path / "ours.h5", [jets])
    content = pandas.DataFrame(pandas.read_hdf(tmp_path / "ours.h5", key="table"))
    options = {"complib": library, "complevel": 5} if library else {}
    save(tmp_path / "theirs.h5", content, **options)
    convert([tmp_path / "theirs.h5"], tmp_path / "store")
    same(Store(tmp_path / "store"), jets)


def test_columns_are_found_by_name_not_by_place(tmp_path: Path) -> None:
    straight = frame()
    mixed = straight[list(np.random.default_rng(1).permutation(straight.columns))].astype(np.float64)
    save(tmp_path / "straight.h5", straight)
    save(tmp_path / "mixed.h5", mixed)
    save(tmp_path / "single.h5", straight, data_columns=["E_0", "PZ_3", LABEL])
    for name in ("straight", "mixed", "single"):
        convert([tmp_path / f"{name}.h5"], tmp_path / name)
        straight_rows, rows = (Store(tmp_path / folder).ragged("particles").values for folder in ("straight", name))
        np.testing.assert_array_equal(rows, straight_rows)
        assert Store(tmp_path / name).array("label").tolist() == [0, 1, 0, 1, 0, 1]


def test_constituents_out_of_order_are_sorted_and_counted(tmp_path: Path) -> None:
    jets = block(20, fewest=3)
    mixed = jets.particles.copy()
    mixed[4, :3] = mixed[4, [2, 0, 1]]
    mixed[9] = mixed[9, ::-1]
    write_table(tmp_path / "a.h5", [Block(mixed, jets.truth, jets.label, 0)])
    counts = convert([tmp_path / "a.h5"], tmp_path / "store")
    assert counts["resorted"] == 2
    same(Store(tmp_path / "store"), jets)


def test_jets_with_one_constituent_or_none_are_kept_and_counted(tmp_path: Path) -> None:
    jets = block(6)
    jets.particles[2, 1:] = 0
    jets.particles[3] = 0
    write_table(tmp_path / "a.h5", [jets])
    counts = convert([tmp_path / "a.h5"], tmp_path / "store")
    same(Store(tmp_path / "store"), jets)
    assert counts["without_constituents"] == 1
    assert Store(tmp_path / "store").ragged("particles").counts()[2:4].tolist() == [1, 0]


@pytest.mark.parametrize("maximum", [0, 1, 100, 200])
def test_constituents_above_the_maximum_are_counted_and_kept(tmp_path: Path, maximum: int) -> None:
    jets = block(30)
    write_table(tmp_path / "a.h5", [jets])
    counts = convert([tmp_path / "a.h5"], tmp_path / "store", max_constituents=maximum)
    lengths = (jets.particles[..., 0] > 0).sum(1)
    above = np.maximum(lengths - maximum, 0) if maximum else np.zeros(30)
    assert counts["above_maximum"] == {"maximum": maximum, "jets": (above > 0).sum(), "constituents": above.sum()}
    assert counts["constituents"] == lengths.sum()
    assert counts["longest"] == lengths.max() == Store(tmp_path / "store").longest("particles")


def test_without_labels_a_file_can_still_be_scored(tmp_path: Path) -> None:
    save(tmp_path / "a.h5", frame().drop(columns=LABEL))
    with open_table(tmp_path / "a.h5") as table:
        parts = list(table.chunks(4, labels=False))
    assert [len(part.label) for part in parts] == [4, 2]
    with pytest.raises(DataError, match=f"missing columns {LABEL}"):
        convert([tmp_path / "a.h5"], tmp_path / "store")


def refused(path: Path, text: str, folder: Path | None = None) -> None:
    """Conversion fails with one line that names the file, and leaves nothing."""
    target = folder or path.parent / "store"
    before = sorted(path.parent.iterdir())
    with pytest.raises(DataError, match=text) as caught:
        convert([path], target)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("PX_3", np.nan, "row 4, column PX_3: got nan, expected a finite number"),
        ("E_0", np.inf, "row 4, column E_0: got inf, expected a finite number"),
        ("PZ_1", -np.inf, "row 4, column PZ_1: got -inf"),
        ("E_2", -3.5, r"row 4, column E_2: got -3.5, expected an energy of 0 or more"),
        ("E_1", 0.0, "row 4, column E_1: got 0.0, expected an energy above 0 where there is a momentum"),
        (LABEL, 2, f"row 4, column {LABEL}: got 2, expected 0 or 1"),
        (LABEL, -1, f"row 4, column {LABEL}: got -1, expected 0 or 1"),
    ],
)
def test_impossible_numbers_are_named_by_row_and_column(tmp_path: Path, column: str, value: float, text: str) -> None:
    content = frame()
    content.loc[4, column] = value
    refused(save(tmp_path / "bad.h5", content), text)


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        (["PX_3"], "missing columns PX_3;"),
        (["E_0", "PX_0", "PY_0", "PZ_0"], "missing columns E_0, PX_0, PY_0, PZ_0;"),
        (["E_4"], "missing columns E_4;"),
        ([LABEL], f"missing columns {LABEL};"),
        (momentum_columns(5), "missing columns E_0"),
        ([c for c in momentum_columns(5) if c[0] == "P"], "missing columns PX_0, PY_0, PZ_0, PX_1, PY_1 and 10 more"),
    ],
)
def test_missing_columns_are_named(tmp_path: Path, missing: list[str], text: str) -> None:
    refused(save(tmp_path / "bad.h5", frame().drop(columns=missing)), text)


def test_fewer_constituents_than_the_reference_are_fine(tmp_path: Path) -> None:
    save(tmp_path / "a.h5", frame(constituents=2))
    assert convert([tmp_path / "a.h5"], tmp_path / "store")["longest"] == 2


def test_no_jets(tmp_path: Path) -> None:
    path = save(tmp_path / "bad.h5", frame())
    with tables.open_file(path, "a") as file:
        file.root.table.table.remove_rows(0, 6)
    refused(path, "got 0 jets")


def test_no_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no files"):
        convert([], tmp_path / "store")


def test_no_such_file(tmp_path: Path) -> None:
    refused(tmp_path / "absent.h5", "no such file")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder.h5").mkdir()
    refused(tmp_path / "folder.h5", "no such file")


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", os.urandom(4096)])
def test_no_hdf5_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.h5").write_bytes(content)
    refused(tmp_path / "bad.h5", "not an HDF5 file")


@pytest.mark.parametrize("share", [0.2, 0.6, 0.999])
def test_a_file_that_was_cut_short(tmp_path: Path, share: float) -> None:
    path = save(tmp_path / "bad.h5", frame(500))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, "cut short")


def test_a_file_with_damaged_rows(tmp_path: Path) -> None:
    path = tmp_path / "bad.h5"
    write_table(path, [block(50)])
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2000] = bytes(2000)
    path.write_bytes(content)
    refused(path, "bad.h5, rows 0 to 49: not rows of a table, or damaged")


def test_an_hdf5_file_of_something_else(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["weights"] = np.zeros(3)
    refused(tmp_path / "bad.h5", r"no table /table/table; it holds \['weights'\]")


def test_an_empty_hdf5_file(tmp_path: Path) -> None:
    h5py.File(tmp_path / "bad.h5", "w").close()
    refused(tmp_path / "bad.h5", "it holds nothing")


def test_a_table_that_is_an_array(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["table/table"] = np.zeros((3, 4))
    refused(tmp_path / "bad.h5", "no table of rows")


def test_a_pandas_file_in_the_fixed_format(tmp_path: Path) -> None:
    frame().to_hdf(tmp_path / "bad.h5", key="table", format="fixed")
    refused(tmp_path / "bad.h5", "no table /table/table")


def test_a_block_without_names(tmp_path: Path) -> None:
    path = save(tmp_path / "bad.h5", frame())
    with h5py.File(path, "a") as file:
        del file["table/table"].attrs["values_block_0_kind"]
    refused(path, "values_block_0 holds 20 columns, but not their names")


class Attack:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("node", ["/", "/table", "/table/table", "/table/_i_table", "/table/_i_table/index"])
@pytest.mark.parametrize("name", ["values_block_0_kind", "TITLE", "note"])
def test_a_file_that_wants_to_run_code_is_refused_unopened(tmp_path: Path, node: str, name: str) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    path = save(folder / "bad.h5", frame())
    with h5py.File(path, "a") as file:
        file[node].attrs[name] = np.bytes_(pickle.dumps(Attack(tmp_path / "broken-in"), 0))
    refused(path, f"attribute {name} asks to run (posix|nt).mkdir; refused")
    assert not (tmp_path / "broken-in").exists()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for pieces in (2, 20):
        write_table(tmp_path / "a.h5", (block(200) for _ in range(pieces)), level=1)
        tracemalloc.start()
        try:
            convert([tmp_path / "a.h5"], tmp_path / "store", chunk=200, processes=1)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
