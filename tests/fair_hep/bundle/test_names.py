"""What an explanation names: fields of a JSON answer, and what stands above a picture and in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_hep import load, plot
from fair_hep.bundle.answer import answer
from fair_hep.bundle.files import read_json
from fair_hep.bundle.runtime import LoadedModel
from support.kept import ARCHIVES, unpacked


@pytest.fixture(scope="module", params=["particlenet", "mlpf", "imported"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return kept(request.param, tmp_path_factory.mktemp("kept"))


def kept(name: str, folder: Path) -> LoadedModel:
    (archive,) = (path for path in ARCHIVES if path.name == f"{name}.tar.xz")
    return load(unpacked(archive, folder), threads=1)


def request_of(folder: Path) -> list[Any]:
    inputs: list[Any] = read_json(folder / "examples" / "request.json")["inputs"]
    return inputs[:1]


def test_an_explained_answer_names_features_ledger_and_classes(model: LoadedModel) -> None:
    (told,) = answer(model, request_of(model.folder), {"explain": True, "top": 2})
    names = told["columns"]
    assert names["relevance"] == list(model.signature.relevant.columns)
    assert names["ledger"] == ["bias", "epsilon", "lost", "scale"]
    for name, columns in names.items():
        assert np.shape(told[name])[-1] == len(columns)
    assert "columns" not in answer(model, request_of(model.folder))[0], "a plain answer has nothing to name"


def test_the_picture_tells_the_account_and_draws_the_edges(model: LoadedModel) -> None:
    name = model.signature.inputs[0].name
    example = np.asarray(request_of(model.folder)[0][name], np.float32)
    (why,) = model.explain([example])
    picture = plot(model.signature, example, why)
    first, second = picture.get_suptitle().split("\n")
    assert first.startswith(f"{model.signature.title}: {len(example)} ")
    assert first.endswith("rules: epsilon")
    known = re.search(r"= (\S+) = (\S+) \(relevance\)(.*)", second)
    assert known
    parts = re.findall(r"([+-]) (\d+\.\d+) \((?:bias|stabiliser|lost)\)", known[3])
    total = float(known[2]) + sum(float(sign + value) for sign, value in parts)
    assert float(known[1]) == pytest.approx(float(why["explained"]), abs=0.006)
    assert total == pytest.approx(float(known[1]), abs=0.03)
    if model.signature.title != "MLPF":
        px, py = example[:, 1].sum(), example[:, 2].sum()
        assert f"$p_T$ = {np.hypot(px, py):.0f} GeV" in first
        assert second.endswith(f"probability of top {why['probabilities'][1]:.3f}")
        assert r"$z_\mathrm{top}$ - $z_\mathrm{QCD}$ = " in second
    lines = [one for one in picture.axes[0].collections if type(one).__name__ == "LineCollection"]
    assert len(lines) == ("edge0_index" in why)
    if lines:
        place = picture.axes[0].collections[-1].get_offsets()
        ends = np.concatenate([path.vertices for path in lines[0].get_paths()])
        assert len(lines[0].get_paths()) <= 150
        assert all((np.abs(np.asarray(place) - end).max(1) < 1e-6).any() for end in ends)


def test_another_combination_isnt_called_by_the_default_ones_name(tmp_path: Path) -> None:
    model = kept("particlenet", tmp_path)
    example = np.asarray(request_of(model.folder)[0][model.signature.inputs[0].name], np.float32)
    (why,) = model.explain([example], [1.0, 0.0])
    assert plot(model.signature, example, why).get_suptitle().split("\n")[1].startswith("explained = ")
