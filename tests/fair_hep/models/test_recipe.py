"""The recipe of a project is its own package; whatever is wrong with it is one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from fair_hep.bundle.errors import ConfigError
from fair_hep.models.recipe import folder_of, load_recipe, recipe
from fair_hep.provenance.project import Project, load_project
from support.recipes import LINKS, SLUGS
from support.small import NAME, PACKAGE, make_project
from support.template import run


def changed(root: Path, **entries: str) -> Project:
    """Make a project whose ``project.yaml`` says something else."""
    path = make_project(root).root / "project.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **entries}))
    return load_project(root)


@pytest.mark.parametrize("name", SLUGS)
def test_every_recipe_of_the_template_is_one(name: str) -> None:
    model = load_recipe(SLUGS[name])
    assert model.name == name
    assert folder_of(model).samefile(LINKS / SLUGS[name])


@pytest.mark.parametrize("name", SLUGS)
def test_what_is_heavy_is_imported_where_a_recipe_uses_it(name: str) -> None:
    """Most verbs read what a recipe says, and run no network."""
    code = f"""
import sys
sys.path.insert(0, {str(LINKS)!r})
import {SLUGS[name]}
heavy = {{"torch", "lightning", "mlflow", "matplotlib", "pandas", "scipy", "onnx", "onnxruntime", "awkward"}}
print(*sorted(heavy & set(sys.modules)))
"""
    assert run(sys.executable, "-c", code, cwd=LINKS).strip() == ""


def test_a_project_has_the_model_of_its_package(tmp_path: Path) -> None:
    assert recipe(make_project(tmp_path)) is load_recipe(PACKAGE)


def test_another_model_than_the_packages_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^project.yaml: model is 'resnet', but the package {PACKAGE} has '{NAME}'"):
        recipe(changed(tmp_path, model="resnet"))


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^the package no_such_tagger isn't installed: run `make install`"):
        recipe(changed(tmp_path, slug="no_such_tagger"))


def test_a_package_without_a_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tagger_without_model.py").write_text("MODEL = 'ParticleNet'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"tagger_without_model/__init__.py: MODEL is str, expected an instance"):
        load_recipe("tagger_without_model")


def test_what_a_package_itself_misses_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tagger_with_a_typo.py").write_text("import nunpy\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="nunpy"):
        load_recipe("tagger_with_a_typo")


def test_columns_that_are_described_wrongly_are_one_line_with_file_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tagger_of_wrong_columns"
    package.mkdir()
    (package / "__init__.py").write_text("from . import data\n")
    (package / "data.py").write_text(
        "from fair_hep import Columns\n\n"
        "COLUMNS = Columns(\n"
        "    elements={'pt': 'pt'}, label={'QCD': 0, 'top': 1}, unit='TeV', trees='t'\n"
        ")\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError) as found:
        load_recipe("tagger_of_wrong_columns")
    assert str(found.value) == (
        "data.py, line 3: Columns: label: got {'QCD': 0, 'top': 1}, expected one column with a number for the class "
        "(`values` says which), or for every class its columns of 0 and 1, by their names; "
        "unit: got 'TeV', input should be 'GeV' or 'MeV'; unknown key 'trees', did you mean 'tree'?"
    )
