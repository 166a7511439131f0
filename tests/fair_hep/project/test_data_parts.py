"""``data`` and ``simulate`` in parts: what is joined is what a single run makes, or one line says why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_hep.bundle.columns import Columns
from fair_hep.bundle.errors import ConfigError, MissingStepError, ProjectError
from fair_hep.bundle.parts import FILE, Part, parts_folder
from fair_hep.models.contract import SPLITS
from fair_hep.models.specs import class_logits, particle_set
from fair_hep.project import data, simulate
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.tagging.classifier import Classifier
from support.small import make_config, make_project

NAMES = ("E", "px", "py", "pz")


def raw(folder: Path, *, seed: int, rows: Mapping[str, int]) -> dict[str, list[Path]]:
    """Write a file of jets for each split."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[Path]] = {split: [] for split in rows}
    for split, count in rows.items():
        draw = np.random.default_rng([seed, SPLITS.index(split)])
        jets = draw.normal(0, 20, (count, 5, 4)).astype(np.float32)
        jets[..., 0] = np.linalg.norm(jets[..., 1:], axis=-1) + 1
        np.savez(folder / f"{split}.npz", X=jets, label=np.arange(count) % 2)
        files[split].append(folder / f"{split}.npz")
    return files


class Tagger(Classifier):
    """Reads such files, and simulates one for each split in one of the parts."""

    name, title = "tagger", "Tagger of tests"
    inputs = (particle_set(),)
    outputs = (class_logits(("QCD", "top")),)
    columns = Columns(elements={name: f"X[{place}]" for place, name in enumerate(NAMES)})

    def build(self, **hyperparameters: Any) -> Any:
        """Nobody asks for a network here."""

    def simulate(
        self, folder: Path, *, size: int, seed: int, processes: int, part: Part | None = None, **options: Any
    ) -> Mapping[str, Sequence[Path]]:
        chosen = SPLITS if part is None else [SPLITS[number] for number in part.share(len(SPLITS))]
        found = raw(folder, seed=seed, rows=dict.fromkeys(chosen, size))
        return {split: found.get(split, []) for split in SPLITS}


class Whole(Tagger):
    """A recipe that was written before there were parts."""

    def convert(self, files: Sequence[Path], folder: Path, *, processes: int = 0, **options: Any) -> Mapping[str, Any]:
        return super().convert(files, folder, processes=processes, **options)

    def simulate(self, folder: Path, *, size: int, seed: int, processes: int, **options: Any) -> Any:
        return super().simulate(folder, size=size, seed=seed, processes=processes)


@pytest.fixture(autouse=True)
def tagger(monkeypatch: pytest.MonkeyPatch) -> Tagger:
    made = Tagger()
    use(monkeypatch, made)
    return made


def use(monkeypatch: pytest.MonkeyPatch, model: Tagger) -> None:
    for module in (data, simulate):
        monkeypatch.setattr(module, "recipe", lambda project: model)


@pytest.fixture
def given(tmp_path: Path) -> tuple[Project, Config]:
    """Give a project whose data lie in a folder."""
    raw(tmp_path / "files", seed=1, rows={"train": 11, "val": 2, "test": 5})
    project = make_project(tmp_path / "project")
    return project, make_config(project, "data.source=folder", f"data.folder={tmp_path / 'files'}")


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder but those that tell the time."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != FILE]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_joined_stores_are_those_of_a_single_run(given: tuple[Project, Config]) -> None:
    project, config = given
    result = data.run(*given)
    folder = data.store_folder(project, config)
    whole, known = contents(folder), folder.rename(project.data / "single")
    assert contents(known) == whole
    for of in (1, 3, 7):
        for number in reversed(range(1, of + 1)):
            data.run(*given, part=Part(number, of))
        for _ in range(2):
            assert data.run(*given, join=of) == result
            assert contents(folder) == whole
    # What was joined counts as converted: another `data` finds it done.
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert data.run(*given) == result
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_simulated_data_are_simulated_and_converted_in_parts(tmp_path: Path) -> None:
    folders, results = [], []
    for of in (0, 2, 5):
        project = make_project(tmp_path / str(of))
        config = make_config(project, "data.source=simulate", "data.size=12")
        if of:
            for number in range(1, of + 1):
                data.run(project, config, part=Part(number, of))
            results += [data.run(project, config, join=of) for _ in range(2)]
        results.append(data.run(project, config))
        folders.append({**contents(data.store_folder(project, config)), **contents(project.data / "raw")})
    assert folders[1:] == folders[:1] * 2
    assert results[1:] == results[:1] * 6
    assert len(folders[0]) == 3 * 4 + 3


def test_simulate_makes_and_joins_parts(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    config = make_config(project)
    simulate.run(project, config, size=10, output=tmp_path / "single")
    for number in (1, 2):
        simulate.run(project, config, size=10, output=tmp_path / "out", part=Part(number, 2))
    result = simulate.run(project, config, size=10, output=tmp_path / "out", join=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "single")
    assert result["files"] == {split: [str(tmp_path / "out" / f"{split}.npz")] for split in SPLITS}
    with pytest.raises(
        ProjectError, match=r"1-of-2: was made from other weights, data, settings or versions than those here"
    ):
        simulate.run(project, config, size=11, output=tmp_path / "out", join=2)


def test_what_isnt_whole_or_doesnt_belong_together_is_refused(given: tuple[Project, Config], tmp_path: Path) -> None:
    project, config = given
    data.run(*given, part=Part(1, 2))
    with pytest.raises(MissingStepError, match=r"data/folder-parts/2-of-2 is missing: run `data --part 2/2` first"):
        data.run(*given, join=2)
    data.run(*given, part=Part(2, 3))  # of another division
    with pytest.raises(MissingStepError, match="2-of-2"):
        data.run(*given, join=2)
    other = make_config(project, "data.source=folder", f"data.folder={tmp_path / 'files'}", "data.options.chunk=5")
    data.run(project, other, part=Part(2, 2))
    with pytest.raises(ProjectError, match=r"2-of-2: was made from another configuration than 1-of-2"):
        data.run(*given, join=2)
    data.run(*given, part=Part(2, 2))
    raw(tmp_path / "files", seed=2, rows={"val": 2})
    with pytest.raises(
        ProjectError, match=r"1-of-2: was made from other weights, data, settings or versions than those here"
    ):
        data.run(*given, join=2)
    data.run(*given, part=Part(2, 2))
    with pytest.raises(ProjectError, match=r"2-of-2: was made from other files than 1-of-2"):
        data.run(*given, join=2)
    assert not data.store_folder(project, config).exists()


def test_a_part_that_was_interrupted_begins_anew(
    given: tuple[Project, Config], tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, config = given
    data.run(*given, part=Part(1, 2))

    def interrupted(files: Sequence[Path], folder: Path, *, part: Part, **options: Any) -> Any:
        if folder.name == "test":
            raise KeyboardInterrupt
        return Tagger.convert(tagger, files, folder, part=part, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tagger, "convert", interrupted, raising=False)
        data.run(*given, part=Part(2, 2))
    folder = data.store_folder(project, config)
    assert [path.name for path in parts_folder(folder).iterdir()] == ["1-of-2"]
    data.run(*given, part=Part(2, 2))
    data.run(*given, join=2)
    joined = contents(folder)
    folder.rename(project.data / "joined")
    data.run(*given)
    assert joined == contents(folder)


def test_a_changed_part_is_refused(given: tuple[Project, Config]) -> None:
    project, config = given
    for number in (1, 2):
        data.run(*given, part=Part(number, 2))
    file = parts_folder(data.store_folder(project, config)) / "2-of-2" / "train" / "label.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    with pytest.raises(
        ProjectError, match=r"label\.npy: isn't what its part noted; make it again by `data --part 2/2`"
    ):
        data.run(*given, join=2)


def test_a_model_that_makes_no_parts_is_refused(
    given: tuple[Project, Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Whole())
    with pytest.raises(ConfigError, match=r"its `convert` can't be shared \(it takes no `part`\): leave --part out"):
        data.run(*given, part=Part(1, 2))
    with pytest.raises(ConfigError, match=r"its `simulate` can't be shared"):
        simulate.run(*given, size=10, output=tmp_path / "out", part=Part(1, 2))
    assert not list(given[0].data.rglob("*-of-*"))
