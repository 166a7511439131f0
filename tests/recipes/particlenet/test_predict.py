"""Prediction: the same scores from every kind of file, in every kind of table, and one line for whatever is wrong."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import awkward
import h5py
import numpy as np
import pyarrow.parquet
import pytest
import uproot

from fair_hep import bundle
from fair_hep.bundle import scoring, writers
from fair_hep.bundle.errors import DataError, ExplainError, MissingStepError, ProjectError
from fair_hep.bundle.runtime import load
from fair_hep.project import predict
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.simulation.jet_files import SAMPLE
from support import recipes
from support.published import EXAMPLES, copy
from support.recipes import model as model_named
from support.small import make_project

Bundled = tuple[Project, Config]
SCORES = ["logits_QCD", "logits_top", "probabilities_QCD", "probabilities_top"]


@pytest.fixture(scope="module")
def jets(bundled: Bundled) -> list[np.ndarray]:
    particles = bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")["particles"]
    return [jet[jet[:, 0] > 0] for jet in particles]


@pytest.fixture(scope="module")
def stored(bundled: Bundled) -> np.ndarray:
    arrays = bundle.read_arrays(bundled[0].bundle / "examples/outputs.npz")
    return np.concatenate([arrays["logits"], arrays["probabilities"]], axis=1)


def columns(jets: list[np.ndarray], names: str = "E px py pz") -> dict[str, Any]:
    return {name: awkward.Array([jet[:, i] for jet in jets]) for i, name in enumerate(names.split())}


def write_parquet(path: Path, values: dict[str, Any], **options: Any) -> Path:
    awkward.to_parquet(awkward.zip(values, depth_limit=1), path, **options)
    return path


def write_root(path: Path, values: dict[str, Any], tree: str = "Events") -> Path:
    with uproot.recreate(path) as file:
        file.mktree(tree, dict.fromkeys(values, "var * float32"))
        file[tree].extend(values)
    return path


def read_csv(path: Path) -> dict[str, list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return {name: [row[name] for row in rows] for name in rows[0]}


def scores(path: Path) -> np.ndarray:
    table: Any
    if path.suffix == ".csv":
        table = {name: np.array(values, float) for name, values in read_csv(path).items() if name in SCORES}
    elif path.suffix == ".parquet":
        table = pyarrow.parquet.read_table(path).select(SCORES).to_pydict()
    else:
        with h5py.File(path) as file:
            table = {name: file[name][:] for name in SCORES}
    return np.stack([table[name] for name in SCORES], axis=1)


@pytest.mark.parametrize("output", [".csv", ".parquet", ".h5"])
def test_every_file_gives_the_stored_scores_in_every_table(
    bundled: Bundled, jets: list[np.ndarray], stored: np.ndarray, tmp_path: Path, output: str
) -> None:
    files = write_parquet(tmp_path / "jets.parquet", columns(jets)), write_root(tmp_path / "jets.root", columns(jets))
    for file in files:
        result = predict.run(bundled[0], None, file=file, output=tmp_path / f"scores{output}")
        assert result["examples"] == EXAMPLES
        assert np.allclose(scores(tmp_path / f"scores{output}"), stored, atol=1e-5)
        json.dumps(result)


def test_the_published_layout_is_read_in_order(bundled: Bundled, tmp_path: Path) -> None:
    model = model_named("particlenet")
    (file,) = recipes.sample("particlenet")["val"]
    predict.run(bundled[0], None, file=file, output=tmp_path / "scores.csv")
    first = next(iter(model.read(file, 20)))
    logits = load(bundled[0].bundle).predict(first)["logits"]
    table = read_csv(tmp_path / "scores.csv")
    assert table["index"] == [str(number) for number in range(SAMPLE["val"])]
    assert np.allclose(np.array(table["logits_top"], float)[:20], logits[:, 1], atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 5, 1024])
def test_chunks_change_nothing(
    bundled: Bundled, jets: list[np.ndarray], tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "CHUNK", chunk)
    file = write_parquet(tmp_path / "jets.parquet", columns(jets))
    for suffix in (".csv", ".parquet", ".h5"):
        predict.run(bundled[0], None, file=file, output=tmp_path / f"scores{suffix}", explain=True)
    assert np.array_equal(scores(tmp_path / "scores.parquet"), scores(tmp_path / "scores.h5"))
    assert np.allclose(scores(tmp_path / "scores.csv"), scores(tmp_path / "scores.h5"), atol=1e-7)
    assert read_csv(tmp_path / "scores.csv")["index"] == [str(number) for number in range(EXAMPLES)]


def test_relevances_are_the_stored_ones_for_every_constituent(
    bundled: Bundled, jets: list[np.ndarray], tmp_path: Path
) -> None:
    file = write_parquet(tmp_path / "jets.parquet", columns(jets))
    for suffix in (".csv", ".parquet", ".h5"):
        predict.run(bundled[0], None, file=file, output=tmp_path / f"explained{suffix}", explain=True)
    stored = bundle.read_arrays(bundled[0].bundle / "examples/relevance.npz")["relevance"]
    text = read_csv(tmp_path / "explained.csv")
    table = pyarrow.parquet.read_table(tmp_path / "explained.parquet").to_pydict()
    with h5py.File(tmp_path / "explained.h5") as file5:
        for number, name in enumerate(model_named("particlenet").features.columns):
            for row, jet in enumerate(jets):
                wanted = stored[row, : len(jet), number]
                name5 = f"relevance_{name}"
                given = [file5[name5][row], table[name5][row], json.loads(text[name5][row])]
                assert all(len(values) == len(jet) and np.allclose(values, wanted, atol=1e-5) for values in given)
        assert np.allclose(file5["explained"][:], file5["logits_top"][:] - file5["logits_QCD"][:], atol=1e-5)


def test_names_may_be_written_otherwise_and_the_right_tree_is_found(
    bundled: Bundled, jets: list[np.ndarray], stored: np.ndarray, tmp_path: Path
) -> None:
    file = tmp_path / "jets.root"
    with uproot.recreate(file) as root:
        root.mktree("meta", {"run": "int32"})
        root["meta"].extend({"run": np.arange(3, dtype=np.int32)})
        root.mktree("jets/tree", dict.fromkeys(("e", "PX", "PY", "PZ"), "var * float64"))
        root["jets/tree"].extend(columns(jets, "e PX PY PZ"))
    predict.run(bundled[0], None, file=file, output=tmp_path / "scores.h5")
    assert np.allclose(scores(tmp_path / "scores.h5"), stored, atol=1e-5)


def _change(jets: list[np.ndarray], value: float, column: int) -> dict[str, Any]:
    changed = [jet.copy() for jet in jets]
    changed[3][0, column] = value
    return columns(changed)


def _without_py(jets: list[np.ndarray]) -> dict[str, Any]:
    return {name: values for name, values in columns(jets).items() if name != "py"}


def _uneven(jets: list[np.ndarray]) -> dict[str, Any]:
    return {**columns(jets), "py": awkward.Array([jet[:-1, 2] for jet in jets])}


def _flat(jets: list[np.ndarray]) -> dict[str, Any]:
    return {**columns(jets), "E": np.arange(len(jets), dtype=np.float32)}


def _missing_values(jets: list[np.ndarray]) -> dict[str, Any]:
    return {**columns(jets), "E": awkward.Array([None, *(jet[:, 0].tolist() for jet in jets[1:])])}


def _no_jets(jets: list[np.ndarray]) -> dict[str, Any]:
    return columns(jets[:0] or [np.zeros((0, 4), np.float32)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda jets: _change(jets, np.nan, 1), r"particles\[3\]\[0, 1\] \(px\): got nan"),
        (lambda jets: _change(jets, -5.0, 0), r"particles\[3\]\[0, 0\] \(E\): got -5.0, expected more than 0 GeV"),
        (_without_py, "missing columns py; found E, px, pz"),
        (_uneven, "py has .* entries, E .*; expected the same number"),
        (_flat, "column E: got .*, expected a list of numbers for each row"),
        (_missing_values, "column E: got missing values"),
    ],
)
def test_wrong_values_are_one_line_and_leave_nothing(
    bundled: Bundled, jets: list[np.ndarray], tmp_path: Path, change: Any, words: str
) -> None:
    file = write_parquet(tmp_path / "jets.parquet", change(jets))
    for suffix in (".csv", ".parquet", ".h5"):
        with pytest.raises(DataError, match=words) as caught:
            predict.run(bundled[0], None, file=file, output=tmp_path / f"scores{suffix}")
        assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jets.parquet"]


def test_the_row_of_a_wrong_value_counts_from_the_start_of_the_file(
    bundled: Bundled, jets: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "CHUNK", 2)
    file = write_parquet(tmp_path / "jets.parquet", _change(jets, np.nan, 2))
    with pytest.raises(DataError, match=r"particles\[3\]\[0, 2\] \(py\)"):
        predict.run(bundled[0], None, file=file, output=tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("absent.parquet", None, "no such file"),
        ("jets.txt", b"1 2 3", r"got suffix '.txt', expected one of .h5, .hdf5, .parquet"),
        ("jets", b"", "got suffix ''"),
        ("jets.parquet", b"no parquet", "not a Parquet file"),
        ("jets.root", b"no root file at all, not by far", "not a ROOT file"),
        ("jets.root", b"", "not a ROOT file"),
        ("jets.h5", b"no hdf5", "not an HDF5 file"),
    ],
)
def test_files_that_cannot_be_read_are_one_line(
    bundled: Bundled, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        predict.run(bundled[0], None, file=file, output=tmp_path / "scores.csv")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "scores.csv").exists()


def test_a_parquet_file_that_is_cut_short_is_one_line(bundled: Bundled, jets: list[np.ndarray], tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "jets.parquet", columns(jets * 50))
    content = bytearray(file.read_bytes())
    content[100:400] = bytes(300)
    file.write_bytes(content)
    with pytest.raises(ProjectError) as caught:
        predict.run(bundled[0], None, file=file, output=tmp_path / "scores.csv")
    assert "\n" not in str(caught.value)


def test_a_file_without_jets_is_refused(bundled: Bundled, tmp_path: Path) -> None:
    none: Any = awkward.values_astype(awkward.Array([[1.0]])[:0], np.float32)
    file = write_parquet(tmp_path / "jets.parquet", dict.fromkeys(("E", "px", "py", "pz"), none))
    with pytest.raises(DataError, match="got 0 jets, expected at least 1"):
        predict.run(bundled[0], None, file=file, output=tmp_path / "scores.csv")
    with uproot.recreate(tmp_path / "empty.root"):
        pass
    with pytest.raises(DataError, match="got no TTree and no RNTuple, found nothing"):
        predict.run(bundled[0], None, file=tmp_path / "empty.root", output=tmp_path / "scores.csv")


def test_jets_without_constituents_keep_their_row(bundled: Bundled, jets: list[np.ndarray], tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "jets.parquet", columns([jets[0], jets[0][:0], jets[1]]))
    for suffix in (".csv", ".parquet", ".h5"):
        result = predict.run(bundled[0], None, file=file, output=tmp_path / f"scores{suffix}", explain=True)
        assert result["examples"] == 3
        assert np.isfinite(scores(tmp_path / f"scores{suffix}")).all()


def test_the_output_must_be_a_table_and_not_the_input(bundled: Bundled, jets: list[np.ndarray], tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "jets.parquet", columns(jets))
    with pytest.raises(DataError, match=r"got suffix '.xlsx', expected one of .csv"):
        predict.run(bundled[0], None, file=file, output=tmp_path / "scores.xlsx")
    before = file.read_bytes()
    with pytest.raises(DataError, match="same file"):
        predict.run(bundled[0], None, file=file, output=file)
    assert file.read_bytes() == before


def test_no_bundle_and_no_reader_say_what_to_do(
    bundled: Bundled, jets: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_parquet(tmp_path / "jets.parquet", columns(jets))
    with pytest.raises(MissingStepError, match="export"):
        predict.run(make_project(tmp_path / "project"), None, file=file, output=tmp_path / "scores.csv")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"needs awkward, pyarrow: .*whl\[files\]"):
        predict.run(bundled[0], None, file=file, output=tmp_path / "scores.csv")


def test_a_bundle_without_an_explained_graph_explains_nothing(
    bundled: Bundled, jets: list[np.ndarray], tmp_path: Path
) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    signature = project.bundle / bundle.SIGNATURE
    signature.write_text(json.dumps({**json.loads(signature.read_text()), "explained": None}))
    file = write_parquet(tmp_path / "jets.parquet", columns(jets))
    with pytest.raises(ExplainError, match="without an explained graph"):
        predict.run(project, None, file=file, output=tmp_path / "scores.csv", explain=True)
    assert not (tmp_path / "scores.csv").exists()


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet", ".h5"):
        with pytest.raises(RuntimeError), writers.writer(tmp_path / f"x{suffix}") as write:
            write({"index": np.arange(2)})
            raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_damaged_bundle_is_not_asked(bundled: Bundled, jets: list[np.ndarray], tmp_path: Path) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    (project.bundle / bundle.SIGNATURE).write_text("{}")
    file = write_parquet(tmp_path / "jets.parquet", columns(jets))
    with pytest.raises(ProjectError, match="bundle_format"):
        predict.run(project, None, file=file, output=tmp_path / "scores.csv")
