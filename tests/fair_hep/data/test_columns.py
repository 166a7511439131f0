"""Files of columns: every kind gives the same store, and everything that is wrong is named in one line."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import awkward
import h5py
import numpy as np
import pyarrow
import pytest
import uproot
from pyarrow import parquet

from fair_hep.bundle import TensorSpec
from fair_hep.bundle.columnar import open_columns
from fair_hep.bundle.columns import Columns
from fair_hep.bundle.errors import ConfigError, DataError
from fair_hep.data.column_reader import SUFFIXES, Reader, convert, read
from fair_hep.data.store import Store

COUNTS = np.array([3, 0, 41, 1, 7])
LABELS = np.array([0, 1, 2, 1, 0])
CLASSES = ("QCD", "W", "top")
CARTESIAN = {"px": "px", "py": "py", "pz": "pz", "E": "E"}
SPEC = TensorSpec(
    name="particles",
    axes=("jets", "constituents", "component"),
    dynamic=("jets", "constituents"),
    sizes={"component": 4},
    dtype="float32",
    meaning="",
    columns=("E", "px", "py", "pz"),
    unit="GeV",
    positive=("E",),
)
Values = dict[str, np.ndarray]


def jets() -> Values:
    """Return constituents of a few jets, flat and hardest first, with every component that a file may have."""
    random = np.random.default_rng(3)
    jet = np.repeat(np.arange(len(COUNTS)), COUNTS)
    pt, eta, phi = random.exponential(20, len(jet)) + 0.5, random.normal(size=len(jet)), random.uniform(-3, 3, len(jet))
    order = np.lexsort((-pt, jet))
    pt, mass = pt[order], np.full(len(jet), 0.14)
    values = {"pt": pt, "eta": eta, "phi": phi, "m": mass}
    values |= {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta)}
    values["E"] = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
    return values


def labels() -> Values:
    one_hot = np.eye(len(CLASSES), dtype=np.int8)[LABELS]
    return {"kind": LABELS, **{f"is_{name}": column for name, column in zip(CLASSES, one_hot.T, strict=True)}}


def padded(values: np.ndarray, width: int = 50) -> np.ndarray:
    array = np.zeros((len(COUNTS), width), values.dtype)
    array[np.arange(width) < COUNTS[:, None]] = values
    return array


def add_tree(file: Any, name: str, lists: Values, flat: Values) -> None:
    ragged = {key: awkward.unflatten(column, COUNTS) for key, column in lists.items()}
    kinds = {**dict.fromkeys(lists, "var * float64"), **{key: column.dtype for key, column in flat.items()}}
    file.mktree(name, kinds).extend({**ragged, **flat})


def write_root(path: Path, lists: Values, flat: Values) -> None:
    with uproot.recreate(path) as file:
        add_tree(file, "events", lists, flat)


def write_rntuple(path: Path, lists: Values, flat: Values) -> None:
    with uproot.recreate(path) as file:
        ragged = {name: awkward.unflatten(column, COUNTS) for name, column in lists.items()}
        file.mkrntuple("events", {**ragged, **flat})


def write_parquet(path: Path, lists: Values, flat: Values) -> None:
    ragged = {name: awkward.unflatten(column, COUNTS).to_list() for name, column in lists.items()}
    parquet.write_table(pyarrow.table({**ragged, **flat}), path)


def write_vlen(path: Path, lists: Values, flat: Values) -> None:
    with h5py.File(path, "w") as file:
        for name, column in lists.items():
            data = file.create_dataset(name, (len(COUNTS),), h5py.vlen_dtype(np.float64))
            for number, row in enumerate(np.split(column, np.cumsum(COUNTS)[:-1])):
                data[number] = row
        for name, column in flat.items():
            file[name] = column


def write_padded(path: Path, lists: Values, flat: Values) -> None:
    with h5py.File(path, "w") as file:
        for name, column in ({key: padded(values) for key, values in lists.items()} | flat).items():
            file[name] = column


def write_npz(path: Path, lists: Values, flat: Values) -> None:
    np.savez_compressed(path, **{name: padded(column) for name, column in lists.items()}, **flat)  # type: ignore[arg-type]


WRITERS: Mapping[str, tuple[str, Callable[[Path, Values, Values], None]]] = {
    "root": ("jets.root", write_root),
    "rntuple": ("ntuple.root", write_rntuple),
    "parquet": ("jets.parquet", write_parquet),
    "vlen": ("jets.h5", write_vlen),
    "padded": ("jets.hdf5", write_padded),
    "npz": ("jets.npz", write_npz),
}


def reader(**columns: Any) -> Reader:
    return Reader(SPEC, Columns(**{"elements": CARTESIAN, "label": "kind", **columns}), CLASSES)


def converted(made: Reader, path: Path, folder: Path, chunk: int = 2) -> tuple[Store, dict[str, Any]]:
    counts = convert(made, [path], folder, chunk=chunk)
    return Store(folder), counts


def check(store: Store) -> None:
    particles, expected = store.ragged("particles"), jets()
    assert particles.counts().tolist() == COUNTS.tolist()
    assert store.array("label").tolist() == LABELS.tolist()
    np.testing.assert_allclose(particles.values, np.stack([expected[name] for name in SPEC.columns], 1), rtol=3e-6)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("chunk", [2, 100])
def test_every_kind_of_file_gives_the_same_store(tmp_path: Path, kind: str, chunk: int) -> None:
    name, write = WRITERS[kind]
    write(tmp_path / name, {key: jets()[key] for key in CARTESIAN}, labels())
    store, counts = converted(reader(), tmp_path / name, tmp_path / "store", chunk)
    check(store)
    assert counts["examples"] == len(COUNTS)
    assert {key: counts[key] for key in CLASSES} == {"QCD": 2, "W": 2, "top": 1}
    assert (counts["elements"], counts["longest"], counts["without_elements"]) == (COUNTS.sum(), 41, 1)
    store.verify()


def test_every_suffix_is_tried() -> None:
    assert {Path(name).suffix for name, _ in WRITERS.values()} == set(SUFFIXES)


@pytest.mark.parametrize("names", [("pt", "eta", "phi", "m"), ("pt", "eta", "phi", "E"), ("px", "py", "pz", "m")])
@pytest.mark.parametrize("unit", ["GeV", "MeV"])
def test_components_and_units_are_turned_into_what_the_network_takes(
    tmp_path: Path, names: tuple[str, ...], unit: str
) -> None:
    scale = {"eta": 1.0, "phi": 1.0} | dict.fromkeys(("pt", "m", "E", "px", "py", "pz"), 1e3 if unit == "MeV" else 1.0)
    write_parquet(tmp_path / "jets.parquet", {f"p_{key}": jets()[key] * scale[key] for key in names}, labels())
    made = reader(elements={key: f"p_{key}" for key in names}, unit=unit)
    check(converted(made, tmp_path / "jets.parquet", tmp_path / "store")[0])


def test_a_number_stands_for_a_component_that_is_the_same_everywhere(tmp_path: Path) -> None:
    write_npz(tmp_path / "jets.npz", {key: jets()[key] for key in ("pt", "eta", "phi")}, labels())
    made = reader(elements={"pt": "pt", "eta": "eta", "phi": "phi", "m": 0.14})
    check(converted(made, tmp_path / "jets.npz", tmp_path / "store")[0])


def test_entries_of_one_array_are_columns(tmp_path: Path) -> None:
    both = np.stack([padded(jets()[key]) for key in ("pt", "eta", "phi", "m")], -1)
    np.savez(tmp_path / "jets.npz", X=both, y=LABELS)
    made = reader(elements={key: f"X[{place}]" for place, key in enumerate(("pt", "eta", "phi", "m"))}, label="y")
    check(converted(made, tmp_path / "jets.npz", tmp_path / "store")[0])


def test_fields_of_structured_data_sets_are_columns(tmp_path: Path) -> None:
    tracks = np.zeros((len(COUNTS), 50), [(key, "<f8") for key in CARTESIAN])
    for key in CARTESIAN:
        tracks[key] = padded(jets()[key])
    with h5py.File(tmp_path / "jets.h5", "w") as file:
        file["tracks"], file["jets/kind"] = tracks, LABELS
    made = reader(elements={key: f"tracks/{key}" for key in CARTESIAN}, label="jets/kind")
    check(converted(made, tmp_path / "jets.h5", tmp_path / "store")[0])


@pytest.mark.parametrize(
    "columns",
    [
        {"label": {"QCD": "is_QCD", "W": ["is_W"], "top": "is_top"}},
        {"label": {"top": "is_top", "QCD": "is_QCD", "W": "is_W"}},
        {"label": "code", "values": {"QCD": 21, "W": 24, "top": 6}},
        {"label": {"QCD": "is_QCD", "W": "is_W", "top": ["is_top", "never"]}},
    ],
    ids=["one-hot", "in any order", "codes", "groups"],
)
def test_labels_of_every_form(tmp_path: Path, columns: dict[str, Any]) -> None:
    more = {"code": np.array([21, 24, 6])[LABELS], "never": np.zeros(len(LABELS))}
    write_root(tmp_path / "jets.root", {key: jets()[key] for key in CARTESIAN}, {**labels(), **more})
    check(converted(reader(**columns), tmp_path / "jets.root", tmp_path / "store")[0])


def test_elements_out_of_order_are_sorted_and_counted(tmp_path: Path) -> None:
    jet = np.repeat(np.arange(len(COUNTS)), COUNTS)
    mixed = np.lexsort((np.random.default_rng(0).random(len(jet)), jet))
    write_parquet(tmp_path / "jets.parquet", {key: jets()[key][mixed] for key in CARTESIAN}, labels())
    store, counts = converted(reader(), tmp_path / "jets.parquet", tmp_path / "store", 100)
    check(store)
    assert counts["resorted"] == 3


def test_reading_needs_no_labels_and_no_map_for_the_networks_own_names(tmp_path: Path) -> None:
    write_parquet(tmp_path / "mapped.parquet", {f"part_{key}": jets()[key] for key in CARTESIAN}, {})
    write_parquet(tmp_path / "plain.parquet", {key: jets()[key] for key in CARTESIAN}, {})
    made = reader(elements={key: f"part_{key}" for key in CARTESIAN})
    for name in ("mapped.parquet", "plain.parquet"):
        found = [example for part in read(made, tmp_path / name, 2) for example in part["particles"]]
        assert [len(example) for example in found] == COUNTS.tolist()
        np.testing.assert_allclose(np.concatenate(found)[:, 0], jets()["E"], rtol=1e-6)


def test_one_of_several_trees_is_chosen_by_name(tmp_path: Path) -> None:
    lists = {key: jets()[key] for key in CARTESIAN}
    with uproot.recreate(tmp_path / "two.root") as file:
        for tree, factor in (("nominal", 1.0), ("shifted", 2.0)):
            add_tree(file, tree, {key: factor * column for key, column in lists.items()}, labels())
    check(converted(reader(tree="nominal"), tmp_path / "two.root", tmp_path / "store")[0])
    with pytest.raises(DataError, match=r"two.root: got 2 trees \(nominal, shifted\), expected one, or its name"):
        converted(reader(), tmp_path / "two.root", tmp_path / "other")
    with pytest.raises(DataError, match="has no tree 'nominl'; found nominal, shifted"):
        converted(reader(tree="nominl"), tmp_path / "two.root", tmp_path / "other")


@pytest.mark.parametrize("kind", WRITERS)
def test_a_missing_column_is_named_with_the_nearest(tmp_path: Path, kind: str) -> None:
    name, write = WRITERS[kind]
    write(tmp_path / name, {"part_px": jets()["px"], "other": jets()["py"]}, labels())
    with pytest.raises(DataError, match=r"missing columns part_pxx \(did you mean part_px\?\); found is_QCD, is_W"):
        converted(reader(elements={**CARTESIAN, "px": "part_pxx", "py": "other", "pz": "other", "E": "other"}),
                  tmp_path / name, tmp_path / "store")  # fmt: skip
    assert not (tmp_path / "store").exists()


def damaged_values(change: Callable[[Values], None]) -> tuple[Values, Values]:
    values = {key: jets()[key].copy() for key in CARTESIAN}
    change(values)
    return values, labels()


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(("value", "got"), [(np.nan, "got nan"), (np.inf, "got inf")])
def test_values_that_are_not_finite_are_named(tmp_path: Path, kind: str, value: float, got: str) -> None:
    name, write = WRITERS[kind]
    write(tmp_path / name, *damaged_values(lambda values: values["py"].__setitem__(5, value)))
    with pytest.raises(DataError, match=rf"{name}: column py: row 2: {got}, expected a finite number"):
        converted(reader(), tmp_path / name, tmp_path / "store")


def test_negative_energies_are_refused(tmp_path: Path) -> None:
    write_npz(tmp_path / "jets.npz", *damaged_values(lambda values: values["E"].__setitem__(44, -1.0)))
    with pytest.raises(DataError, match=r"E of the constituents: row 3: got -1.0, expected a value above 0"):
        converted(reader(), tmp_path / "jets.npz", tmp_path / "store")


def test_lists_of_different_lengths_are_refused(tmp_path: Path) -> None:
    short = awkward.unflatten(jets()["py"][:-1], [*COUNTS[:-1], COUNTS[-1] - 1]).to_list()
    whole = {key: awkward.unflatten(jets()[key], COUNTS).to_list() for key in ("px", "pz", "E")}
    parquet.write_table(pyarrow.table({**whole, "py": short, "kind": LABELS}), tmp_path / "jets.parquet")
    with pytest.raises(DataError, match="row 4: py has 6 entries, px 7; expected the same number"):
        converted(reader(), tmp_path / "jets.parquet", tmp_path / "store")


@pytest.mark.parametrize(
    ("flat", "columns", "said"),
    [
        ({"kind": np.array([0, 1, 2, 3, 0])}, {}, "row 3, column kind: got 3, expected one of 0, 1, 2"),
        ({"kind": np.array([0, 1, 0.5, 1, 0])}, {}, "row 2, column kind: got 0.5, expected one of"),
        ({"kind": np.array([0, 1, np.nan, 1, 0])}, {}, "row 2, column kind: got nan, expected one of"),
        ({"a": [0, 0, 1, 1, 1], "b": [1, 1, 1, 0, 0], "c": [0] * 5}, {"label": {"QCD": "a", "W": "b", "top": "c"}},
         "row 2, columns a, b, c: 2 of them are 1, expected exactly one"),
        ({"a": [1, 0, 0, 1, 1], "b": [0, 0, 1, 0, 0], "c": [0] * 5}, {"label": {"QCD": "a", "W": "b", "top": "c"}},
         "row 1, columns a, b, c: 0 of them are 1"),
        ({"a": [1, 0, 2, 1, 1], "b": [0, 1, 1, 0, 0], "c": [0] * 5}, {"label": {"QCD": "a", "W": "b", "top": "c"}},
         "row 2, column a: got 2.0, expected 0 or 1"),
        ({"kind": ["QCD"] * 5}, {}, "column kind: got string, expected numbers"),
        ({"kind": [[0]] * 5}, {}, "column kind: got a list of numbers for each row, expected one number"),
        ({"kind": [0, None, 1, 1, 1]}, {}, "column kind: got missing values"),
    ],
)  # fmt: skip
def test_labels_that_name_no_class_or_several(
    tmp_path: Path, flat: dict[str, Any], columns: dict[str, Any], said: str
) -> None:
    write_parquet(tmp_path / "jets.parquet", {key: jets()[key] for key in CARTESIAN}, flat)
    with pytest.raises(DataError, match=said):
        converted(reader(**columns), tmp_path / "jets.parquet", tmp_path / "store")


def test_columns_that_are_no_lists_of_numbers(tmp_path: Path) -> None:
    rows = awkward.unflatten(jets()["px"], COUNTS).to_list()
    for bad, said in (
        ([1.0] * 5, "column px: got one number for each row, expected a list of them"),
        ([["a"]] * 5, "column px: got list<.*: string>, expected numbers or lists of numbers"),
        ([[[1.0]]] * 5, "column px: got list<.*list<.*, expected numbers or lists of numbers"),
        ([[1.0, None]] * 5, "column px: got missing values"),
        ([None, *rows[1:]], "column px: got missing values"),
    ):
        parquet.write_table(
            pyarrow.table({"px": bad, **dict.fromkeys(("py", "pz", "E"), rows), "kind": LABELS}),
            tmp_path / "jets.parquet",
        )
        with pytest.raises(DataError, match=said):
            converted(reader(), tmp_path / "jets.parquet", tmp_path / "store")


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    bomb = np.array([Bomb(tmp_path / "ran")] * len(COUNTS), object)
    lists = {key: padded(jets()[key]) for key in CARTESIAN}
    np.savez(tmp_path / "jets.npz", kind=bomb, **lists)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="array kind: got type object, expected numbers; objects would have to be unpi"):
        converted(reader(), tmp_path / "jets.npz", tmp_path / "store")
    with h5py.File(tmp_path / "jets.h5", "w") as file:
        for key, values in lists.items():
            file[key] = values
        file.attrs["px_kind"] = np.void(pickle.dumps(bomb))
        file.create_dataset("kind", data=["QCD"] * len(COUNTS))
    with pytest.raises(DataError, match="column kind: got type object, expected numbers"):
        converted(reader(), tmp_path / "jets.h5", tmp_path / "store")
    assert not (tmp_path / "ran").exists()


def test_data_of_other_files_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["kind"] = LABELS
    write_padded(tmp_path / "jets.h5", {key: jets()[key] for key in CARTESIAN}, {})
    with h5py.File(tmp_path / "jets.h5", "a") as file:
        file["kind"] = h5py.ExternalLink("secret.h5", "kind")
        layout = h5py.VirtualLayout(shape=LABELS.shape, dtype=LABELS.dtype)
        layout[:] = h5py.VirtualSource(secret, "kind", shape=LABELS.shape)
        file.create_virtual_dataset("also", layout)
    for name in ("kind", "also"):
        with pytest.raises(DataError, match=f"missing columns {name}"):
            converted(reader(label=name), tmp_path / "jets.h5", tmp_path / "store")


def test_rows_that_would_not_fit_into_memory_are_refused(tmp_path: Path) -> None:
    write_padded(tmp_path / "jets.h5", {key: jets()[key] for key in ("px", "py", "pz")}, labels())
    with h5py.File(tmp_path / "jets.h5", "a") as file:
        file.create_dataset("E", (len(COUNTS), 10**12), "f8", chunks=(1, 100))
    assert (tmp_path / "jets.h5").stat().st_size < 2**20
    with pytest.raises(DataError, match="column E: got 1000000000000 numbers in a row, expected at most 1048576"):
        converted(reader(), tmp_path / "jets.h5", tmp_path / "store")


@pytest.mark.parametrize("kind", WRITERS)
def test_files_that_are_cut_short_are_refused(tmp_path: Path, kind: str) -> None:
    name, write = WRITERS[kind]
    write(tmp_path / name, {key: jets()[key] for key in CARTESIAN}, labels())
    whole = (tmp_path / name).read_bytes()
    # The last bytes of a ROOT file list what is free: nothing is lost with them.
    for size in (0, 10, len(whole) // 2, *(() if name.endswith(".root") else (len(whole) - 20,))):
        (tmp_path / name).write_bytes(whole[:size])
        with pytest.raises(DataError, match=name):
            converted(reader(), tmp_path / name, tmp_path / "store")
        assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_something_else_under_the_suffix_is_refused(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"jets{suffix}").write_bytes(b"px,py,pz\n1,2,3\n" * 20)
    with pytest.raises(DataError, match=rf"jets\{suffix}: not an? "), open_columns(tmp_path / f"jets{suffix}"):
        pass


def test_a_file_that_is_missing_or_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"), open_columns(tmp_path / "jets.root"):
        pass
    with pytest.raises(DataError, match=r"got suffix '.csv', expected one of .root, .parquet"):
        converted(reader(), tmp_path / "jets.csv", tmp_path / "store")
    with pytest.raises(DataError, match="got no files to convert"):
        convert(reader(), [], tmp_path / "store")


@pytest.mark.parametrize("kind", ["parquet", "padded", "npz"])
def test_a_file_without_examples_is_refused(tmp_path: Path, kind: str) -> None:
    name, _ = WRITERS[kind]
    lists = dict.fromkeys(CARTESIAN, np.zeros((0, 3)))
    if kind == "parquet":
        ragged = pyarrow.array([], pyarrow.list_(pyarrow.float64()))
        parquet.write_table(pyarrow.table({**dict.fromkeys(CARTESIAN, ragged), "kind": np.zeros(0)}), tmp_path / name)
    elif kind == "npz":
        np.savez(tmp_path / name, kind=np.zeros(0), **lists)  # type: ignore[arg-type]
    else:
        with h5py.File(tmp_path / name, "w") as file:
            for key, values in {**lists, "kind": np.zeros(0)}.items():
                file[key] = values
    with pytest.raises(DataError, match=f"{name}: got 0 jets, expected at least 1"):
        converted(reader(), tmp_path / name, tmp_path / "store")


def test_an_archive_that_promises_more_than_it_holds(tmp_path: Path) -> None:
    """Memory follows what is there, not what a header says."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**15, 10**6)})
    flat = io.BytesIO()
    np.lib.format.write_array_header_1_0(flat, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)})
    with zipfile.ZipFile(tmp_path / "jets.npz", "w") as archive:
        for key in CARTESIAN:
            archive.writestr(f"{key}.npy", header.getvalue() + bytes(800))
        archive.writestr("kind.npy", flat.getvalue())
    with pytest.raises(DataError, match=r"claims float64 \[1000000000000000, 1000000\] and holds 800 bytes"):
        converted(reader(), tmp_path / "jets.npz", tmp_path / "store")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"elements": {"px": "a", "py": "b", "pz": "c"}}, "got px, py, pz in `elements`, which doesn't give 'E'"),
        ({"elements": {}}, "names no column of a file"),
        ({"elements": {"m": 0.0}}, "names no column of a file"),
        ({"label": {"QCD": "a", "top": "b"}}, "got classes QCD, top, expected QCD, W, top"),
        ({"values": {"QCD": 1}}, "got classes QCD, expected QCD, W, top"),
    ],
)
def test_a_map_that_cannot_work_is_refused_at_once(columns: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        reader(**columns)
