"""Data of one's own for a network of one's own: the record of a DOI, at any archive, goes the way of the sample."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fair_hep import provenance
from fair_hep.bundle.errors import DataError
from fair_hep.project import data
from fair_hep.provenance.project import Project, load_project
from support import recipes
from support.archives import Archives, Article, Dataset, OpenRecord
from support.recipes import model as model_named
from support.small import make_config, make_project

MODEL = model_named("custom")
FILES = {f"jets/{split}.parquet": path.read_bytes() for split, (path,) in recipes.sample("custom").items()}


def learning_from(root: Path, doi: str) -> Project:
    project = make_project(root)
    path = root / "project.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "dataset": {"doi": doi}}))
    return load_project(project.root)


@pytest.mark.parametrize(
    ("record", "licence"),
    [
        (Article(1476, {name.replace("/", "_"): content for name, content in FILES.items()}), "CC-BY-4.0"),
        (Dataset("JETS01", {**FILES, "notes.txt": b"not needed"}), "CC0-1.0"),
        (OpenRecord(12361, "10.7483/OPENDATA.CMS.AB1C.D2EF", FILES), "CC0-1.0"),
    ],
    ids=["figshare", "dataverse", "cern"],
)
def test_the_record_of_a_doi_is_a_source(
    archives: Archives, tmp_path: Path, record: Article | Dataset | OpenRecord, licence: str
) -> None:
    project = learning_from(tmp_path / "project", archives.publish(record))
    config = make_config(project, "data.source=doi")
    found = data.run(project, config)
    assert {split: counts["examples"] for split, counts in found["splits"].items()} == {
        split: counts["examples"] for split, counts in data.run(project, make_config(project))["splits"].items()
    }
    noted = provenance.require(data.store_folder(project, config) / "train", "data", project.root)["dataset"]
    assert (noted["title"], noted["license"], noted["doi"]) == ("Jets", licence, record.doi)
    assert noted["files"].startswith("https://")
    assert archives.seen("*notes*") == []
    assert data.run(project, config) == found


def test_globs_choose_among_the_files_of_a_record(archives: Archives, tmp_path: Path) -> None:
    more = {**FILES, "more/train_2.parquet": b"damaged"}
    project = learning_from(tmp_path / "project", archives.publish(Dataset("JETS01", more)))
    found = data.run(project, make_config(project, "data.source=doi", "data.files=['jets/*']"))
    assert found["splits"]["train"]["examples"] == 2600


def test_without_a_doi_there_is_nothing_to_fetch(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    path = project.root / "project.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "dataset": {}}))
    with pytest.raises(DataError, match=r"dataset\.doi is missing.*name the DOI or use another source"):
        data.run(load_project(project.root), make_config(project, "data.source=doi"))
