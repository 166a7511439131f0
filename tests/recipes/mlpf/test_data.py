"""Events for MLPF from every source: one store for each split, converted once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fair_hep.bundle.errors import DataError
from fair_hep.bundle.files import read_json
from fair_hep.data.store import Store
from fair_hep.project import data
from fair_hep.provenance.project import Project
from support import recipes
from support.recipes import model as model_named
from support.small import make_config, make_project
from support.zenodo import Zenodo

MODEL = model_named("mlpf")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def test_the_sample_becomes_three_stores_with_events_of_all_sizes(project: Project) -> None:
    config = make_config(project)
    result = data.run(project, config)
    for split in ("train", "val", "test"):
        store = Store(data.store_folder(project, config) / split)
        assert len(store) == result["splits"][split]["events"] > 20
        assert read_json(data.store_folder(project, config) / split / "provenance.json")["inputs"]
        sizes = MODEL.dataset(store).lengths()  # type: ignore[attr-defined]
        assert sizes.min() >= 1
        assert len(np.unique(sizes)) > 10


def test_the_sample_is_small() -> None:
    assert sum(file.stat().st_size for files in recipes.sample("mlpf").values() for file in files) <= 4 * 2**20


def test_a_second_call_converts_nothing(project: Project) -> None:
    config = make_config(project)
    first = data.run(project, config)
    store = data.store_folder(project, config) / "test" / "store.json"
    before = store.stat().st_mtime_ns
    assert data.run(project, config) == first
    assert store.stat().st_mtime_ns == before


def test_a_folder_with_the_published_names_in_either_spelling_is_a_source(project: Project, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    small = recipes.sample("mlpf")["test"][-1]
    for name in ("ttbar_0_0.pkl.bz2", "ttbar_0_1.pkl.bzip2", "qcd_10_0.pkl.bz2"):
        shutil.copy(small, mine / f"tev14_pythia8_{name}")
    result = data.run(project, make_config(project, "data.source=folder", f"data.folder={mine}"))
    assert all(split["events"] > 0 for split in result["splits"].values())


def test_a_folder_without_a_split_is_refused_by_name(project: Project, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copy(recipes.sample("mlpf")["test"][-1], mine / "train_0.pkl.bz2")
    with pytest.raises(DataError, match="no files for val, test"):
        data.run(project, make_config(project, "data.source=folder", f"data.folder={mine}"))


@pytest.mark.slow
def test_simulated_events_are_a_source(project: Project) -> None:
    config = make_config(project, "data.source=simulate", "data.size=20", "data.simulation={pileup: 1}")
    result = data.run(project, config)
    assert sum(split["events"] for split in result["splits"].values()) == 20
    assert "pileup_1" in result["folder"]
    assert data.run(project, config) == result


def test_some_files_of_the_published_record_are_a_source(project: Project, zenodo: Zenodo) -> None:
    content = recipes.sample("mlpf")["test"][-1].read_bytes()
    names = [f"tev14_pythia8_ttbar_0_{number}.pkl.bz2" for number in range(4)] + ["tev14_pythia8_qcd_10_0.pkl.bz2"]
    zenodo.add(4559324, {**dict.fromkeys(names, content), "LICENSE": b"not needed"})
    config = make_config(project, "data.source=doi", "data.files=['*ttbar_0_[01]*', '*qcd*']")
    result = data.run(project, config)
    assert all(split["events"] > 0 for split in result["splits"].values())
    assert zenodo.seen("*ttbar_0_1.pkl.bz2*")
    assert not zenodo.seen("*ttbar_0_2.pkl.bz2*")
    assert not zenodo.seen("*LICENSE*")
