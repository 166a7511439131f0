"""A file that is scored in parts gives the bytes that one run writes, or one line that says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import awkward
import h5py
import numpy as np
import pyarrow.parquet
import pytest
import uproot
from click.testing import CliRunner

from fair_hep.bundle import scoring, scoring_parts
from fair_hep.bundle.columns import find_columns
from fair_hep.bundle.errors import DataError, MissingStepError, ProjectError
from fair_hep.bundle.files import read_json
from fair_hep.bundle.parts import FILE, Part, parts_folder
from fair_hep.bundle.readers import chunk_lengths, read_examples
from fair_hep.bundle.runtime import LoadedModel
from fair_hep.bundle.scoring_parts import score
from fair_hep.cli.bundles import command
from fair_hep.data.toptag import CONSTITUENTS, Block, write_table
from support.kept import kept
from support.recipes import model as model_named

CHUNK, JETS = 4, 22
OWN = model_named("particlenet")
NAMES = ("E", "px", "py", "pz")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return LoadedModel(kept("particlenet", tmp_path_factory.mktemp("kept")), threads=1)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (scoring, scoring_parts):
        monkeypatch.setattr(module, "CHUNK", CHUNK)


def jets() -> list[np.ndarray]:
    """Return jets of 1 to 9 constituents, one of them in MeV: outside of what the model knows."""
    draw = np.random.default_rng(3)
    made = []
    for count in draw.integers(1, 10, JETS):
        momenta = draw.normal(0, 20, (count, 3)) + np.array([300.0, 0, 0])
        made.append(np.concatenate([np.hypot.reduce(momenta, axis=1)[:, None] + 0.1, momenta], 1).astype(np.float32))
    made[17] *= 1000
    return made


def _parquet(path: Path) -> None:
    table = awkward.zip({name: [jet[:, i] for jet in jets()] for i, name in enumerate(NAMES)}, depth_limit=1)
    awkward.to_parquet(table, path, row_group_size=5)
    assert pyarrow.parquet.ParquetFile(path).num_row_groups == 5


def _root(path: Path, *, rntuple: bool = False) -> None:
    columns = {name: awkward.Array([jet[:, i] for jet in jets()]) for i, name in enumerate(NAMES)}
    with uproot.recreate(path) as file:
        if rntuple:
            file.mkrntuple("events", columns)
        else:
            file.mktree("events", {name: column.type.content for name, column in columns.items()}).extend(columns)


def _padded() -> np.ndarray:
    rows = np.zeros((JETS, CONSTITUENTS, 4), np.float32)
    for row, jet in zip(rows, jets(), strict=True):
        row[: len(jet)] = jet
    return rows


def _npz(path: Path) -> None:
    np.savez_compressed(path, particles=_padded()[:, :12])


def _table(path: Path) -> None:
    write_table(path, [Block(_padded(), np.zeros((JETS, 4), np.float32), np.arange(JETS) % 2, 1)])


def _lists(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for i, name in enumerate(NAMES):
            data = file.create_dataset(name, (JETS,), h5py.vlen_dtype(np.float32))
            for number, jet in enumerate(jets()):
                data[number] = jet[:, i]


def _events(path: Path) -> None:
    """Write rows of no, one or two jets each."""
    counts = [0, 2, 1, 1, 0, 0, 0, 0, 2, 2, 1, 2, 2, 2, 1, 2, 2, 1, 1]
    assert sum(counts) == JETS
    left, rows = iter(jets()), []
    for count in counts:
        some = [next(left) for _ in range(count)]
        group = np.repeat(np.arange(count), [len(jet) for jet in some])
        rows.append((np.concatenate([np.zeros((0, 4), np.float32), *some]), group))
    columns = {name: awkward.Array([momenta[:, i] for momenta, _ in rows]) for i, name in enumerate(NAMES)}
    awkward.to_parquet(
        awkward.zip({**columns, "jet": [list(group) for _, group in rows], "jets": counts}, depth_limit=1), path
    )


MAP = {"elements": {name: name for name in NAMES}}
#: What writes a file, its suffix, and how it is read.
FILES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "npz": (_npz, ".npz", {}),
    "parquet": (_parquet, ".parquet", {}),
    "TTree": (_root, ".root", {}),
    "RNTuple": (lambda path: _root(path, rntuple=True), ".root", {}),
    "own": (_table, ".h5", {"own": OWN}),
    "map-parquet": (_parquet, ".parquet", {"columns": find_columns(MAP)}),
    "map-root": (_root, ".root", {"columns": find_columns(MAP)}),
    "map-hdf5": (_lists, ".h5", {"columns": find_columns(MAP)}),
    "events": (_events, ".parquet", {"columns": find_columns({**MAP, "group": "jet", "groups": "jets"})}),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_is_read_from_a_chunk_on_as_from_the_first(
    model: LoadedModel, tmp_path: Path, kind: str
) -> None:
    write, suffix, reads = FILES[kind]
    write(file := tmp_path / f"jets{suffix}")
    lengths = chunk_lengths(file, model.signature, CHUNK, **reads)
    assert sum(lengths) == JETS
    for number in range(len(lengths) + 1):
        chunks = list(read_examples(file, model.signature, CHUNK, start=number * CHUNK, **reads))
        assert [len(chunk["particles"]) for chunk in chunks] == [length for length in lengths[number:] if length]
        found = [one for chunk in chunks for one in chunk["particles"]]
        for one, expected in zip(found, jets()[sum(lengths[:number]) :], strict=True):
            np.testing.assert_allclose(np.sort(one, 0), np.sort(expected, 0), rtol=1e-6)


@pytest.mark.parametrize("kind", ["npz", "parquet", "TTree", "RNTuple", "own", "map-hdf5"])
def test_what_is_left_out_isnt_read(
    model: LoadedModel, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that no jet can have, in the first chunk, is met by who reads that chunk only."""
    write, suffix, reads = FILES[kind]
    broken = jets()
    broken[1][0, 0] = np.nan
    monkeypatch.setitem(globals(), "jets", lambda: broken)
    write(file := tmp_path / f"jets{suffix}")
    given: Mapping[str, Any] = {"explain": False, **reads}
    with pytest.raises(DataError, match=r"nan"):
        score(model, file, tmp_path / "scores.csv", part=Part(1, 3), **given)
    assert score(model, file, tmp_path / "scores.csv", part=Part(2, 3), **given)["examples"] == 2 * CHUNK


@pytest.mark.parametrize(
    ("kind", "suffix"), [("own", ".csv"), ("npz", ".parquet"), ("events", ".parquet"), ("events", ".h5")]
)
def test_joined_parts_are_the_file_of_a_single_run(model: LoadedModel, tmp_path: Path, suffix: str, kind: str) -> None:
    write, ending, reads = FILES[kind]
    write(file := tmp_path / f"jets{ending}")
    one = score(model, file, single := tmp_path / "single" / f"scores{suffix}", **reads)
    for of in (1, 2, 3, 7):
        output = tmp_path / str(of) / f"scores{suffix}"
        made = [score(model, file, output, part=Part(n, of), **reads) for n in range(1, of + 1)]
        assert sum(result["examples"] for result in made) == JETS
        assert not output.exists()
        for _ in range(2):  # joined again, it is the same
            joined = score(model, file, output, join=of, **reads)
            assert output.read_bytes() == single.read_bytes(), of
        assert {**joined, "output": "", "headline": []} == {**one, "output": "", "headline": []}
    assert one["outside"] >= 1


def test_relevances_are_joined_too(model: LoadedModel, tmp_path: Path) -> None:
    _npz(file := tmp_path / "jets.npz")
    for suffix in (".csv", ".parquet", ".h5"):
        output = tmp_path / f"why{suffix}"
        score(model, file, single := tmp_path / f"single{suffix}", explain=True)
        for number in (2, 1):
            score(model, file, output, part=Part(number, 2), explain=True)
        score(model, file, output, join=2, explain=True)
        assert output.read_bytes() == single.read_bytes()


def test_what_isnt_whole_or_doesnt_belong_together_is_refused(model: LoadedModel, tmp_path: Path) -> None:
    _npz(file := tmp_path / "jets.npz")
    output = tmp_path / "scores.csv"
    score(model, file, output, part=Part(1, 2))
    with pytest.raises(MissingStepError, match=r"scores\.csv-parts/2-of-2 is missing: run `predict --part 2/2` first"):
        score(model, file, output, join=2)
    # Of another division, of another file, and with another question: none of them is the second of two.
    score(model, file, output, part=Part(2, 3))
    with pytest.raises(MissingStepError, match="2-of-2"):
        score(model, file, output, join=2)
    (other := tmp_path / "other" / "jets.npz").parent.mkdir()
    np.savez_compressed(other, particles=_padded()[::-1, :12])
    score(model, other, output, part=Part(2, 2))
    with pytest.raises(ProjectError, match=r"2-of-2: was made from other files than 1-of-2"):
        score(model, file, output, join=2)
    score(model, file, output, part=Part(2, 2), options={"chunk": 5})
    with pytest.raises(ProjectError, match=r"2-of-2: was made from another configuration than 1-of-2"):
        score(model, file, output, join=2)
    score(model, file, output, part=Part(2, 2))
    with pytest.raises(ProjectError, match=r"was made from another file, model or options than those named here"):
        score(model, other, output, join=2)
    table = parts_folder(output) / "2-of-2" / "scores.csv"
    table.write_text(table.read_text().replace("2", "3", 1))
    with pytest.raises(DataError, match=r"scores\.csv: changed since it was made: make it again by `predict --part`"):
        score(model, file, output, join=2)
    assert not output.exists()


def test_a_part_that_was_interrupted_isnt_there_and_begins_anew(
    model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _npz(file := tmp_path / "jets.npz")
    score(model, file, single := tmp_path / "single.csv")
    output, original, calls = tmp_path / "scores.csv", LoadedModel.predict_each, []

    def interrupted(self: LoadedModel, *given: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return original(self, *given, **more)

    score(model, file, output, part=Part(1, 2))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LoadedModel, "predict_each", interrupted)
        score(model, file, output, part=Part(2, 2))
    assert len(calls) > 1
    assert [path.name for path in parts_folder(output).iterdir()] == ["1-of-2"]
    with pytest.raises(MissingStepError, match="2-of-2"):
        score(model, file, output, join=2)
    for _ in range(2):  # made twice, counted once
        score(model, file, output, part=Part(2, 2))
    score(model, file, output, join=2)
    assert output.read_bytes() == single.read_bytes()


def test_a_part_says_what_it_was_made_from(model: LoadedModel, tmp_path: Path) -> None:
    _npz(file := tmp_path / "jets.npz")
    score(model, file, tmp_path / "scores.csv", part=Part(2, 2))
    made = read_json(tmp_path / "scores.csv-parts" / "2-of-2" / FILE)
    assert (made["command"], made["first"], made["examples"]) == ("predict", 3 * CHUNK, JETS - 3 * CHUNK)
    assert set(made["inputs"]) == {"jets.npz", "bundle/signature.json", "bundle/model.onnx"}


def test_the_command_line_makes_and_joins_parts(model: LoadedModel, tmp_path: Path) -> None:
    _npz(file := tmp_path / "jets.npz")
    run, words = CliRunner(), [str(model.folder), str(file), "--output"]
    for more in ([str(tmp_path / "single.csv")], *([str(tmp_path / "s.csv"), *o] for o in
                 (["--part", "1/2"], ["--part", "2/2"], ["--join", "2"]))):  # fmt: skip
        assert run.invoke(command, ["predict", *words, *more], catch_exceptions=False).exit_code == 0
    assert (tmp_path / "s.csv").read_bytes() == (tmp_path / "single.csv").read_bytes()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--part", "3/2"], "--part: got '3/2', expected NUMBER/OF"),
        (["--part", "1/2", "--join", "2"], "give one of them at a time"),
        (["--join", "2", "--part", "1/2"], "give one of them at a time"),
        (["--join", "0"], "0 is not in the range"),
    ],
)
def test_bad_words_are_one_line(model: LoadedModel, tmp_path: Path, words: list[str], line: str) -> None:
    _npz(file := tmp_path / "jets.npz")
    given = ["predict", str(model.folder), str(file), "--output", str(tmp_path / "s.csv"), *words]
    found = CliRunner().invoke(command, given)
    assert found.exit_code
    assert line in f"{found.output}{found.exception}"
    assert [path.name for path in tmp_path.iterdir()] == ["jets.npz"]
