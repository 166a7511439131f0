"""Every key of a configuration can be asked for: its type, its default, what it means, of each model."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from fair_hep.bundle.errors import ConfigError
from fair_hep.models.known import require_known
from fair_hep.models.options import SECTIONS
from fair_hep.models.recipe import load_recipe
from fair_hep.project.config import Key, keys, run
from fair_hep.provenance.configuration import Config, load_config
from support.configuration_page import PAGE, page
from support.recipes import SLUGS
from support.small import make_config, make_project


@pytest.fixture(scope="module", params=SLUGS)
def rows(request: pytest.FixtureRequest) -> list[Key]:
    return list(keys(load_recipe(SLUGS[request.param])))


def test_every_key_has_type_default_and_meaning(rows: list[Key]) -> None:
    assert len({row.key for row in rows}) == len(rows) > 40
    for row in rows:
        assert row.type, row
        assert row.default, row
        assert len(row.meaning) > 4, row
    assert {"name", "seed", "train.epochs", "register.name", "data.source"} <= {row.key for row in rows}


def test_no_section_of_a_model_is_left_out(rows: list[Key]) -> None:
    for section in SECTIONS:
        assert any(f"{row.key}.".startswith(f"{section}.") for row in rows), section


def test_defaults_are_those_that_hold(rows: list[Key]) -> None:
    """Written out as a configuration, the defaults give the configuration of no file."""
    values: dict[str, object] = {"name": "try"}
    for row in rows:
        *path, last = row.key.split(".")
        if row.default == "needed" or any(f"{row.key}.".startswith(f"{section}.") for section in SECTIONS):
            continue
        inner: dict[str, object] = values
        for part in path:
            inner = inner.setdefault(part, {})  # type: ignore[assignment]
        inner[last] = yaml.safe_load(row.default)
    assert Config.model_validate(values) == Config(name="try")


def test_every_field_of_the_configuration_is_a_key(rows: list[Key]) -> None:
    def fields(kind: type[BaseModel], before: str = "") -> set[str]:
        found = set()
        for name, field in kind.model_fields.items():
            key, inner = f"{before}{field.alias or name}", field.annotation
            nested = isinstance(inner, type) and issubclass(inner, BaseModel)
            found |= fields(inner, f"{key}.") if nested else {key}  # type: ignore[arg-type]
        return found

    assert fields(Config) - set(SECTIONS) <= {row.key for row in rows}


def test_the_page_of_the_documents_lists_what_there_is() -> None:
    said = "docs/reference/configuration.md is out of date: PYTHONPATH=src:tests python -m support.configuration_page"
    assert PAGE.read_text(encoding="utf-8") == page(), said


def test_types_say_their_limits() -> None:
    found = {row.key: row for row in keys(load_recipe(SLUGS["custom"]))}
    assert found["train.epochs"].type == "int >= 1"
    assert found["data.source"].type == "sample | simulate | doi | folder"
    assert found["train.loss.label_smoothing"].type == "float >= 0 < 1"
    assert found["seed"].type == f"int >= 0 < {2**32}"
    assert found["explain.options.format"].type == "png | pdf | svg"
    assert {row.key: row.type for row in keys(load_recipe(SLUGS["mlpf"]))}["model.k"] == "int >= 2 <= 64 | null"
    assert (found["name"].default, found["explain.composite"].type) == ("needed", "text | null")
    assert found["data.simulation"].meaning.endswith("this model has none")


def test_without_keys_it_is_what_holds(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    config = make_config(project, "train.epochs=7")
    found = run(project, config)
    path = project.root / "again.yaml"
    path.write_text("\n".join(found["headline"]))
    assert load_config(path) == config


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.loss.foo=1", "train.loss: unknown key 'foo'"),
        ("model.presett=1", "model: unknown key 'presett'"),
        ("data.options.max_constituent=2", "data.options: unknown key 'max_constituent'"),
        ("explain.options.controll=1", "explain.options: unknown key 'controll', did you mean 'controls'"),
    ],
)
def test_options_of_a_model_are_tried_before_anything_runs(tmp_path: Path, override: str, words: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: try\n")
    model = load_recipe(SLUGS["particlenet"])
    require_known(model, load_config(path))
    with pytest.raises(ConfigError, match=words):
        require_known(model, load_config(path, [override]))
