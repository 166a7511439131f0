"""Files and arrays as people have them: RNTuple as TTree, lists as `tree.arrays()` gives them, names of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward
import numpy as np
import pytest
import uproot

from fair_hep import load
from fair_hep.bundle.columns import READY, Columns, find_columns
from fair_hep.bundle.errors import ConfigError, DataError
from fair_hep.bundle.mapped import mapped, read_mapped
from fair_hep.bundle.readers import read_examples
from fair_hep.bundle.runtime import LoadedModel
from support.kept import ARCHIVES, unpacked

#: Number of constituents of every jet.
COUNTS = np.array([4, 1, 7, 2, 5])
Values = dict[str, Any]


def kinematics(total: int = int(COUNTS.sum())) -> Values:
    """Return four-momenta of constituents, flat, in every usual way to write them, in GeV."""
    draw = np.random.default_rng(5)
    pt, eta, phi = draw.exponential(20, total) + 1, draw.normal(0, 0.3, total), draw.normal(0, 0.3, total)
    mass = np.full(total, 0.14)
    values = {"pt": pt, "eta": eta, "phi": phi, "m": mass}
    values |= {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta)}
    return values | {"E": np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)}


def lists(values: np.ndarray, counts: np.ndarray = COUNTS) -> Any:
    return awkward.unflatten(values.astype(np.float32), counts)


def jets() -> list[np.ndarray]:
    """Return what the network should get."""
    known = kinematics()
    return np.split(np.stack([known[name] for name in ("E", "px", "py", "pz")], 1), np.cumsum(COUNTS)[:-1])


def write(path: Path, tree: str, columns: Values, *, rntuple: bool) -> Path:
    """Write a file by uproot itself."""
    with uproot.recreate(path) as file:
        if rntuple:
            file.mkrntuple(tree, columns)
        else:
            kinds = {
                name: f"var * {awkward.flatten(values).type.content}" if values.ndim > 1 else values.type.content
                for name, values in ((name, awkward.Array(values)) for name, values in columns.items())
            }
            file.mktree(tree, {name: str(kind) for name, kind in kinds.items()}).extend(columns)
    return path


def jetclass() -> Values:
    known = kinematics()
    names = {"px": "part_px", "py": "part_py", "pz": "part_pz", "E": "part_energy"}
    return {name: lists(known[quantity]) for quantity, name in names.items()} | {"jet_pt": np.ones(len(COUNTS))}


def nanoaod(elements: str = "PFCand", index: str = "pfCandIdx") -> tuple[Values, list[np.ndarray]]:
    """Return three events with 2, 0 and 3 jets (the last without constituents), and the constituents of all jets."""
    known = kinematics()
    events, offsets = np.array([10, 2, 7]), np.array([0, 10, 12])
    of_event = [[(1, 3), (0, 9), (0, 2), (1, 0)], [], [(1, 6), (0, 1), (1, 5)]]
    columns: Values = {
        f"{elements}_{name}": lists(known[quantity], events)
        for name, quantity in {"pt": "pt", "eta": "eta", "phi": "phi", "mass": "m"}.items()
    }
    columns["FatJet" + elements + "_jetIdx"] = awkward.values_astype(
        [[j for j, _ in one] for one in of_event], np.int32
    )
    columns[f"FatJet{elements}_{index}"] = awkward.values_astype([[i for _, i in one] for one in of_event], np.int32)
    columns["nFatJet"] = np.array([2, 0, 3], np.int32)
    whole = np.stack([known[name] for name in ("E", "px", "py", "pz")], 1)
    places = [[9, 2], [3, 0], [12 + 1], [12 + 6, 12 + 5], []]
    assert offsets[2] == 12
    return columns, [whole[np.array(place, int)] for place in places]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    (archive,) = (path for path in ARCHIVES if path.name == "imported.tar.xz")
    return load(unpacked(archive, tmp_path_factory.mktemp("kept")), threads=1)


def same(found: Any, expected: list[np.ndarray]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rntuple", [False, True], ids=["TTree", "RNTuple"])
def test_jetclass_by_its_ready_map(model: LoadedModel, tmp_path: Path, rntuple: bool) -> None:
    path = write(tmp_path / "JetClass_test.root", "tree", jetclass(), rntuple=rntuple)
    found: list[np.ndarray] = []
    for chunk in read_examples(path, model.signature, 2, columns=find_columns("jetclass")):
        assert len(chunk["particles"]) <= 2
        found += chunk["particles"]
    same(found, jets())


@pytest.mark.parametrize("rntuple", [False, True], ids=["TTree", "RNTuple"])
@pytest.mark.parametrize("layout", [("nanoaod", "PFCand", "pfCandIdx"), ("pfnano", "PFCands", "pFCandsIdx")])
def test_the_jets_of_nanoaod_one_by_one(
    model: LoadedModel, tmp_path: Path, layout: tuple[str, str, str], rntuple: bool
) -> None:
    name, elements, index = layout
    columns, expected = nanoaod(elements, index)
    path = write(tmp_path / "nano.root", "Events", columns, rntuple=rntuple)
    with uproot.update(path) as file:
        file.mktree("Runs", {"run": "int32"}).extend({"run": np.array([1], np.int32)})
    for size in (1, 100):
        chunks = read_mapped(path, model.signature, size, find_columns(name))
        same([one for chunk in chunks for one in chunk["particles"]], expected)


@pytest.mark.parametrize("rntuple", [False, True], ids=["TTree", "RNTuple"])
def test_columns_of_the_models_own_names_need_no_map(model: LoadedModel, tmp_path: Path, rntuple: bool) -> None:
    known = kinematics()
    columns = {name: lists(known[name]) for name in ("E", "px", "py", "pz")}
    path = write(tmp_path / "jets.root", "events", columns, rntuple=rntuple)
    same([one for chunk in read_examples(path, model.signature, 3) for one in chunk["particles"]], jets())


# uproot gives the lists of an RNTuple as Awkward arrays only.
@pytest.mark.parametrize(("rntuple", "library"), [(False, "ak"), (False, "np"), (True, "ak")])
def test_what_tree_arrays_gives_is_taken_from_python(
    model: LoadedModel, tmp_path: Path, rntuple: bool, library: str
) -> None:
    path = write(tmp_path / "JetClass_test.root", "tree", jetclass(), rntuple=rntuple)
    with uproot.open(path) as file:
        arrays = file["tree"].arrays(library=library)
    expected = model.predict(jets())["logits"]
    np.testing.assert_allclose(model.predict(arrays, columns="jetclass")["logits"], expected, atol=1e-4)
    (why, *_) = model.explain(arrays, columns=find_columns("jetclass"))
    assert len(why["relevance"]) == COUNTS[0]


@pytest.mark.parametrize("names", [("E", "px", "py", "pz"), ("pt", "eta", "phi", "mass"), ("pt", "eta", "phi", "E")])
def test_jagged_fields_of_usual_names_need_no_map(model: LoadedModel, names: tuple[str, ...]) -> None:
    known = kinematics() | {"mass": kinematics()["m"]}
    arrays = awkward.Array({name: lists(known[name]) for name in names} | {"weight": np.ones(len(COUNTS))})
    expected = model.predict(jets())["logits"]
    np.testing.assert_allclose(model.predict(arrays)["logits"], expected, atol=1e-4)
    np.testing.assert_allclose(model.predict(arrays[1:2])["logits"], expected[1:2], atol=1e-4)
    zipped = awkward.zip({name: arrays[name] for name in names})
    np.testing.assert_allclose(model.predict(zipped)["logits"], expected, atol=1e-4)
    np.testing.assert_allclose(model.predict(zipped[2])["logits"], expected[2:3], atol=1e-4)


def _other_length(columns: Values) -> Values:
    return columns | {"part_py": lists(kinematics()["py"][:-1], COUNTS - np.eye(5, dtype=int)[4])}


def _infinite(columns: Values) -> Values:
    values = kinematics()["py"]
    values[6] = np.inf
    return columns | {"part_py": lists(values)}


def _flat(columns: Values) -> Values:
    return columns | {"part_py": np.ones(len(COUNTS))}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (_other_length, "row 4: part_py has 4 entries, part_px 5; expected the same number"),
        (_infinite, "column part_py: row 2: got inf, expected a finite number"),
        (_flat, "column part_py: got one number for each row, expected a list of them"),
        (lambda columns: {k: v for k, v in columns.items() if k != "part_pz"}, "missing columns part_pz"),
    ],
)
def test_what_is_wrong_is_named_in_a_file_and_in_memory(
    model: LoadedModel, tmp_path: Path, change: Callable[[Values], Values], line: str
) -> None:
    columns = change(jetclass())
    path = write(tmp_path / "jets.root", "tree", columns, rntuple=False)
    with pytest.raises(DataError, match=line):
        list(read_mapped(path, model.signature, 100, find_columns("jetclass")))
    with pytest.raises(DataError, match=line):
        mapped(model.signature, find_columns("jetclass"), awkward.Array(columns))


@pytest.mark.parametrize(
    ("name", "values", "line"),
    [
        ("pfCandIdx", [[3, 10, 2, 0], [], [6, 1, 5]], "row 0: got 10, expected the place of an element of its row"),
        ("jetIdx", [[1, 0, 0, 1], [], [1, 3, 1]], "row 2: got 3, expected 0 or more and less than nFatJet"),
        ("jetIdx", [[1, 0, 0], [], [1, 0, 1]], "row 0: FatJetPFCand_pfCandIdx has 4 entries, FatJetPFCand_jetIdx 3"),
    ],
)
def test_references_that_lead_nowhere_are_named(model: LoadedModel, name: str, values: Any, line: str) -> None:
    columns, _ = nanoaod()
    columns[f"FatJetPFCand_{name}"] = awkward.values_astype(values, np.int32)
    with pytest.raises(DataError, match=line):
        mapped(model.signature, find_columns("nanoaod"), columns)


def test_maps_are_found_by_name_or_file_and_typos_are_named(model: LoadedModel, tmp_path: Path) -> None:
    assert READY == ("jetclass", "nanoaod", "pfnano")
    assert all(isinstance(find_columns(name), Columns) for name in READY)
    own = tmp_path / "mine.yaml"
    own.write_text("elements: {pt: a, eta: b, phi: c, m: 0.0}\nunit: MeV\n")
    assert find_columns(own).unit == "MeV"
    with pytest.raises(ConfigError, match=r"got 'jetclas', expected .* or one of .* \(did you mean jetclass\?"):
        find_columns("jetclas")
    with pytest.raises(ConfigError, match="group and groups come together"):
        find_columns({"elements": {"pt": "a"}, "group": "jet"})
    with pytest.raises(ConfigError, match="got pt in `elements`, which doesn't give 'E'"):
        mapped(model.signature, find_columns({"elements": {"pt": "a"}}), {"a": [[1.0]]})


def test_fields_of_different_lengths_are_one_line(model: LoadedModel) -> None:
    arrays = awkward.Array({name: [[1.0, 2.0]] for name in ("E", "px", "py")} | {"pz": [[1.0]]})
    with pytest.raises(DataError, match="fields have different numbers of constituents"):
        model.predict(arrays)


def test_a_model_of_other_columns_has_its_map_too(tmp_path: Path) -> None:
    (archive,) = (path for path in ARCHIVES if path.name == "mlpf.tar.xz")
    events = load(unpacked(archive, tmp_path), threads=1)
    spec = events.signature.inputs[0]
    stored = np.load(events.folder / "examples" / "inputs.npz")[spec.name]
    examples = [event[: int((event != 0).any(1).sum())] for event in stored]
    counts = np.array([len(event) for event in examples])
    flat = np.concatenate(examples)
    columns = {f"mine_{name}": lists(flat[:, number], counts) for number, name in enumerate(spec.columns)}
    own = {"elements": {name: f"mine_{name}" for name in spec.columns}}
    path = write(tmp_path / "events.root", "events", columns, rntuple=True)
    chunks = read_mapped(path, events.signature, 1, find_columns(own))
    same([one for chunk in chunks for one in chunk["elements"]], examples)
    with pytest.raises(ConfigError, match=r"unit MeV is for four-momenta, and the model takes pt_or_et, .* in GeV"):
        mapped(events.signature, find_columns({**own, "unit": "MeV"}), columns)
