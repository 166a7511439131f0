"""Where constituents come from: optional columns that a reader of the published layout doesn't stumble over."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas
import pytest

from fair_hep.bundle.errors import DataError
from fair_hep.data.store import Store
from fair_hep.data.toptag import CONSTITUENTS, KEY, ORIGINS, Block, momentum_columns, origin_columns, write_table
from fair_hep.jets.reader import convert, open_table


def block(jets: int = 5) -> Block:
    """Return jets with origins; their constituents are not sorted by pT."""
    random = np.random.default_rng(3)
    momenta = random.normal(0, 20, (jets, CONSTITUENTS, 3))
    particles = np.concatenate([np.linalg.norm(momenta, axis=2, keepdims=True), momenta], 2).astype(np.float32)
    origin = random.integers(0, len(ORIGINS), (jets, CONSTITUENTS)).astype(np.int8)
    real = np.arange(CONSTITUENTS) < random.integers(1, CONSTITUENTS, jets)[:, None]
    particles[~real], origin[~real] = 0, 0
    return Block(particles, np.ones((jets, 4), np.float32), np.arange(jets) % 2, 0, origin)


def test_the_published_columns_are_the_same_with_and_without_origins(tmp_path: Path) -> None:
    jets = block()
    write_table(tmp_path / "with.h5", [jets, jets])
    write_table(tmp_path / "without.h5", [dataclasses.replace(jets, origin=None)] * 2)
    told, plain = (pandas.read_hdf(tmp_path / name, key=KEY) for name in ("with.h5", "without.h5"))
    assert plain.shape == (10, 806)
    assert told.shape == (10, 1006)
    assert isinstance(told, pandas.DataFrame) and isinstance(plain, pandas.DataFrame)
    pandas.testing.assert_frame_equal(told[plain.columns], plain)
    assert list(told.columns[:806]) == list(plain.columns)
    assert set(told.dtypes[806:]) == {np.dtype(np.int8)}
    np.testing.assert_array_equal(told[origin_columns()], np.concatenate([jets.origin, jets.origin]))
    for name in ("with.h5", "without.h5"):
        with open_table(tmp_path / name) as table:
            assert table.origins == (name == "with.h5")
            chunk = table.chunk(0, 10)
        assert (chunk.origin is None) == (name == "without.h5")


def test_origins_are_sorted_and_stored_with_their_constituents(tmp_path: Path) -> None:
    jets = block()
    assert jets.origin is not None
    write_table(tmp_path / "a.h5", [jets])
    convert([tmp_path / "a.h5"], tmp_path / "store", chunk=2)
    store = Store(tmp_path / "store")
    particles, origin = store.ragged("particles"), store.ragged("origin")
    assert origin.values.dtype == np.int8
    for jet, (momenta, codes) in enumerate(zip(jets.particles, jets.origin, strict=True)):
        expected = {tuple(row): code for row, code in zip(momenta.tolist(), codes, strict=True) if row[0] > 0}
        found = dict(zip(map(tuple, particles[jet].tolist()), origin[jet][:, 0], strict=True))
        assert found == expected
        assert (np.diff(np.hypot(particles[jet][:, 1], particles[jet][:, 2])) <= 0).all()


def test_a_store_knows_origins_only_if_every_file_does(tmp_path: Path) -> None:
    jets = block()
    write_table(tmp_path / "with.h5", [jets])
    write_table(tmp_path / "without.h5", [dataclasses.replace(jets, origin=None)])
    files = [tmp_path / "with.h5", tmp_path / "without.h5"]
    assert convert(files, tmp_path / "both")["jets"] == 10
    assert not Store(tmp_path / "both").has("origin")
    convert(files[:1], tmp_path / "one")
    assert Store(tmp_path / "one").has("origin")


def test_blocks_of_one_file_all_have_origins_or_none(tmp_path: Path) -> None:
    jets = block()
    with pytest.raises(ValueError, match=r"a\.h5: some blocks have origins and some don't"):
        write_table(tmp_path / "a.h5", [jets, dataclasses.replace(jets, origin=None)])
    assert not list(tmp_path.iterdir())


def _frame(count: int) -> pandas.DataFrame:
    momenta = np.tile(np.array([5.0, 3.0, 0.0, 4.0], np.float32), (2, 3))
    table = pandas.DataFrame(momenta, columns=momentum_columns(3))
    origins = pandas.DataFrame(np.ones((2, count), np.int8), columns=origin_columns(count))
    return pandas.concat([table, origins, pandas.DataFrame({"is_signal_new": [0, 1]})], axis=1)


def test_missing_and_wrong_origins_are_named(tmp_path: Path) -> None:
    _frame(2).to_hdf(tmp_path / "few.h5", key=KEY, format="table")
    with pytest.raises(DataError, match=r"few\.h5: missing columns ORIGIN_2"), open_table(tmp_path / "few.h5"):
        pass
    wrong = _frame(3)
    wrong.loc[1, "ORIGIN_2"] = 9
    wrong.to_hdf(tmp_path / "wrong.h5", key=KEY, format="table")
    with (
        open_table(tmp_path / "wrong.h5") as table,
        pytest.raises(DataError, match=r"row 1, column ORIGIN_2: got 9, expected one of 0 \(none\), 1 \(b\)"),
    ):
        table.chunk(0, 2)
