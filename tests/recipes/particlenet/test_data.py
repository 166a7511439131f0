"""The verb ``data``: three sources, one store, converted once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fair_hep.bundle.errors import DataError
from fair_hep.bundle.files import read_json
from fair_hep.data.store import Store
from fair_hep.project import data
from fair_hep.provenance.project import Project
from support import recipes
from support.small import make_config, make_project
from support.zenodo import Zenodo


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def test_the_sample_becomes_three_stores_with_provenance(project: Project) -> None:
    config = make_config(project)
    result = data.run(project, config)
    for split in ("train", "val", "test"):
        folder = data.store_folder(project, config) / split
        assert len(Store(folder)) == result["splits"][split]["jets"]
        assert read_json(folder / "provenance.json")["inputs"]
    assert result["splits"]["test"]["jets"] >= 2000


def test_a_second_call_converts_nothing_and_other_options_convert_again(project: Project) -> None:
    config = make_config(project)
    data.run(project, config)
    store = data.store_folder(project, config) / "test" / "store.json"
    before = store.stat().st_mtime_ns
    data.run(project, config)
    assert store.stat().st_mtime_ns == before
    data.run(project, make_config(project, "data.options={max_constituents: 20}"))
    assert store.stat().st_mtime_ns != before


def test_a_folder_with_files_of_the_same_layout_is_a_source(project: Project, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for split, files in recipes.sample("particlenet").items():
        shutil.copy(files[0], mine / f"{split}.h5")
    result = data.run(project, make_config(project, "data.source=folder", f"data.folder={mine}"))
    assert result["source"] == "folder"


def test_a_folder_without_a_split_is_refused_by_name(project: Project, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copy(recipes.sample("particlenet")["train"][0], mine / "train.h5")
    with pytest.raises(DataError, match="no files for val, test"):
        data.run(project, make_config(project, "data.source=folder", f"data.folder={mine}"))


@pytest.mark.slow
def test_simulated_jets_are_a_source(project: Project) -> None:
    config = make_config(project, "data.source=simulate", "data.size=60")
    result = data.run(project, config)
    assert sum(split["jets"] for split in result["splits"].values()) == 60
    assert data.run(project, config) == result


def test_a_published_record_is_a_source_and_is_fetched_once(project: Project, zenodo: Zenodo) -> None:
    published = {f"{split}.h5": files[0].read_bytes() for split, files in recipes.sample("particlenet").items()}
    zenodo.add(2603256, {**published, "readme.txt": b"not needed"})
    config = make_config(project, "data.source=doi")
    result = data.run(project, config)
    assert result["source"] == "doi"
    assert all(split["jets"] > 0 for split in result["splits"].values())
    assert not zenodo.seen("*readme.txt*")
    noted = read_json(project.data / "doi" / "train" / "provenance.json")["dataset"]
    assert noted == {
        "title": "Jets",
        "license": "cc-by-4.0",
        "doi": project.dataset.doi,
        "files": "https://zenodo.org/records/2603256/files",
        "bytes": {"train.h5": len(published["train.h5"])},
    }
    asked = len(zenodo.seen())
    assert data.run(project, config) == result
    assert len(zenodo.seen()) == asked


def test_a_record_without_the_files_that_the_model_needs_is_refused(project: Project, zenodo: Zenodo) -> None:
    zenodo.add(2603256, {"events.root": b"other"})
    with pytest.raises(DataError, match=r"none of its files is chosen; it has events\.root"):
        data.run(project, make_config(project, "data.source=doi"))
