"""JSON, YAML and requests that aren't what they should be: values, or one line of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from fair_hep.bundle.folder import read_arrays
from fair_hep.bundle.runtime import LoadedModel
from fair_hep.bundle.text import parse_json, parse_yaml
from fair_hep.provenance.configuration import load_config
from fair_hep.provenance.project import load_project
from support.fuzzing import clean, damaged, fuzz, json_values, mutated
from support.kept import kept

pytestmark = pytest.mark.fuzz

PROJECT = b"""title: Tagger
slug: top_tagger
description: &said it tags
version: 0.1.0
model: particlenet
authors: [{name: "Lovelace, Ada", orcid: 0000-0002-1825-0097}]
licenses: {code: MIT, weights: CC-BY-4.0}
dataset: {doi: 10.5281/zenodo.2603256}
repository: https://example.org/ada/tagger
"""
CONFIGURATION = b"""name: quick
seed: 1
train: &train {epochs: 2, learning_rate: 1e-3}
data: {source: folder, folder: ../jets, options: {a: *train}}
explain: {target: [1.0, -1.0], precision: float64}
"""
REQUEST = b'{"inputs": [{"particles": [[1.5, 2e3, -1, 0]]}], "params": {"explain": true, "a": "\\u00e9"}}'


def plain(values: Any) -> None:
    """Go through values, as whatever reads them does."""
    json.dumps(values, ensure_ascii=False, allow_nan=False).encode("utf-8")


@pytest.mark.parametrize("target", ["json", "yaml", "configuration", "project"])
def test_damaged_text_is_read_or_refused_in_one_line(target: str, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()

    def configured(content: bytes) -> None:
        path = tmp_path / "quick.yaml"
        path.write_bytes(content)
        load_config(path)

    def identified(content: bytes) -> None:
        (folder / "project.yaml").write_bytes(content)
        project = load_project(folder)
        assert (folder / f"{project.slug}-{project.version}.zip").resolve().parent == folder.resolve()

    read: Callable[[bytes], object]
    read, content, kind = {
        "json": (lambda data: plain(parse_json(data, unique=True)), REQUEST, ValueError),
        "yaml": (lambda data: repr(parse_yaml(data.decode("utf-8", "replace"))), CONFIGURATION + PROJECT, ValueError),
        "configuration": (configured, CONFIGURATION, None),
        "project": (identified, PROJECT, None),
    }[target]
    read(content)

    def check(data: bytes) -> None:
        with clean(*([kind] if kind else [])):
            read(data)

    words = st.text(alphabet="abc01.-:*&[]{}<>!|?%@`'\"#,\n \t\\\ud800é", max_size=60)
    made = st.one_of(damaged(content), words.map(lambda text: text.encode("utf-8", "surrogatepass")))
    fuzz(f"text-{target}", check, made, 150)


@pytest.fixture(scope="module", params=["particlenet", "third_party"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return LoadedModel(kept(request.param, tmp_path_factory.mktemp("published")), threads=1)


@pytest.mark.filterwarnings("ignore")
def test_a_strange_request_is_answered_or_refused_in_one_line(model: LoadedModel) -> None:
    arrays = read_arrays(model.folder / "examples" / "inputs.npz")
    few = {name: values[:2, :3].tolist() if values.ndim > 2 else values[:2].tolist() for name, values in arrays.items()}
    short = few if model.signature.third_party else next(iter(few.values()))

    def check(values: Any) -> None:
        with clean():
            model.predict_each(values)

    model.predict_each({name: values[:2].tolist() for name, values in arrays.items()})
    fuzz(f"request-{model.folder.parent.name[:9]}", check, st.one_of(mutated(short), json_values()), 120)
