"""Suggestions: what was planted is found, losses that add up are noticed, and what is printed can be typed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fair_hep.bundle.errors import ConfigError, ExplainError, MissingStepError
from fair_hep.models.building import Pruned
from fair_hep.models.explaining import rules_of
from fair_hep.pages.figures import undrawn
from fair_hep.project import suggest, suggestions
from fair_hep.project.measured import Measured
from fair_hep.project.prune import run as prune
from fair_hep.project.suggestion_figures import draw
from fair_hep.project.suggestion_lines import lines, settings
from fair_hep.project.suggestions import Bench, elements, features, ladder, neighbours, together
from fair_hep.project.train import load_network
from fair_hep.provenance.configuration import Config, ExplainConfig, apply_overrides
from fair_hep.pruning.needed import Graph, Relevant, graphs_of, of_elements, relevant
from fair_hep.tagging.applied import apply
from support.documents import DOCS, follow
from support.planted import FEATURES, NEAREST, K, planted
from support.published import train
from support.small import make_config, make_project

RULES, CONFIG = ExplainConfig(), Config(name="quick")
#: What a network may lose whose labels are its own answers.
LITTLE = 1e-3
JETS = 64


class Examples:
    """A batch as a data set."""

    def __init__(self, batch: Mapping[str, Tensor]) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return JETS

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        return {name: values[list(indices)] for name, values in self.batch.items()}


def area(config: Any, model: Any, network: Any, dataset: Any) -> Measured:
    """Return the share of pairs of a top and a QCD jet of which the top has the larger score."""
    outputs, targets = apply(model, network, dataset, JETS)
    score, label = outputs["logits"][:, 1] - outputs["logits"][:, 0], targets["label"]
    above = score[label == 1][:, None] - score[label == 0][None]
    return Measured("auc", {"auc": float((above > 0).mean() + (above == 0).mean() / 2)})


def bench(model: Any, network: Any, batch: Mapping[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return where smaller networks are tried, measured by their area only."""
    monkeypatch.setattr(suggestions, "measure", area)
    data = Examples(batch)
    arrays = {name: batch[name][:4].numpy() for name in ("particles", "axis") if name in batch}
    return Bench(model, network, data, CONFIG, area(CONFIG, model, network, data), LITTLE, arrays)


def test_features_and_neighbours_that_are_not_heard_are_suggested_away(monkeypatch: pytest.MonkeyPatch) -> None:
    model, network, batch = planted(JETS)
    here, graphs = bench(model, network, batch, monkeypatch), graphs_of(model, network)
    assert here.before.value == 1
    found = relevant(model, network, [batch], rules_of(model, RULES), graphs)
    names = model.features.columns
    first = features(here, names, found.features)
    assert first["change"] == {"features": list(names[:FEATURES])}
    assert first["kept"]["value"] == 1
    assert first["kept"]["share"] == pytest.approx(1)
    assert [point["kept"] for point in first["curve"]] == list(range(len(names), 0, -1))
    assert first["curve"][-1]["value"] < 1 - LITTLE, "one feature isn't enough, or the test shows nothing"
    assert first["macs"] == 1
    second = neighbours(here, graphs, found)
    assert second["change"] == {"neighbours": {"graph": NEAREST}}
    row = second["graphs"]["graph"]
    assert (row["k"], row["itself"]) == (K, None)
    assert sum(row["share"][:NEAREST]) == pytest.approx(1)
    assert row["curve"][-1]["value"] < 1 - LITTLE
    both = together(here, Pruned(**first["change"], **second["change"]), None)
    assert both["good"]
    assert both["value"] == 1


def test_elements_that_are_not_heard_are_suggested_away(monkeypatch: pytest.MonkeyPatch) -> None:
    model, network, batch = planted(JETS, elements=4)
    here = bench(model, network, batch, monkeypatch)
    real = (batch["particles"] != 0).any(-1)
    rows = torch.arange(JETS)
    share = of_elements(model, network, [(rows, batch)], rules_of(model, RULES), (JETS, real.shape[1]))
    found = elements(here, share, real, option="data.options.max_constituents")
    assert found["largest"] == int(real.sum(1).max())
    assert found["change"] == {"data.options.max_constituents": 4}
    for order in ("stored", "relevance"):
        assert found[order]["kept"]["kept"] <= 4
        assert found[order]["kept"]["value"] == pytest.approx(1, abs=LITTLE)
    assert found["stored"]["kept"]["share"] == pytest.approx(1)
    assert found["macs"] < 0.5
    assert elements(here, share, real, option=None)["change"] is None


class Told(Bench):
    """Two graphs whose losses add up: each may have a half alone, both together may not."""

    def measured(self, change: Pruned, dataset: Any = None) -> Measured:
        lost = sum({8: 0, 4: 0.0006, 2: 0.0009}.get(k, 1.0) for k in change.neighbours.values())
        return Measured("auc", {"auc": 0.9 - lost})

    def macs(self, change: Pruned, longest: int | None = None) -> float:
        return 0.5


def test_losses_that_add_up_are_given_back() -> None:
    nothing: Any = None
    here = Told(nothing, nothing, nothing, CONFIG, Measured("auc", {"auc": 0.9}), 0.001, {})
    graphs = [Graph(name, 8, (), None) for name in ("a", "b")]
    found = neighbours(here, graphs, Relevant({}, {}))
    assert {name: row["alone"] for name, row in found["graphs"].items()} == {"a": 2, "b": 2}
    # 2 and 2 lose 0.0018, 4 and 2 lose 0.0015, 4 and 4 still 0.0012: one of them has all again.
    assert found["change"] == {"neighbours": {"b": 4}}
    assert {name: row["kept"] for name, row in found["graphs"].items()} == {"a": 8, "b": 4}
    assert found["value"] == pytest.approx(0.8994)


def test_numbers_are_halved() -> None:
    assert ladder(16) == [16, 8, 4, 2, 1]
    assert ladder(100) == [100, 64, 32, 16, 8, 4, 2, 1]
    assert ladder(2) == [2, 1]


def test_what_is_printed_can_be_typed() -> None:
    changes: dict[str, Any] = {
        "features": {"features": ["delta_eta", "log: pt"]},
        "neighbours": {"neighbours": {"graphs.0": 4, "convolutions.1.graph": 3}},
        "elements": {"data.options.max_constituents": 16},
    }
    words = [word for question, change in changes.items() for word in settings(question, change)]
    config = Config.model_validate(apply_overrides({"name": "quick"}, shlex.split(shlex.join(words))))
    assert config.prune.features == changes["features"]["features"]
    assert config.prune.neighbours == changes["neighbours"]["neighbours"]
    assert config.data.options == {"max_constituents": 16}


def curve(*values: float) -> list[dict[str, Any]]:
    return [{"kept": 2 ** (1 - n), "value": v, "error": None, "share": 1.0} for n, v in enumerate(values)]


def test_what_is_needed_whole_is_said_and_drawn(tmp_path: Path) -> None:
    told = {
        "metric": {"name": "auc", "value": 0.9, "error": 0.01},
        "may_lose": {"value": 0.02, "errors": 2.0},
        "examples": {"measured": 1000, "explained": 256},
        "features": {"order": ["a", "b"], "share": [0.6, 0.4], "curve": curve(0.9, 0.7), "change": None,
                     "kept": curve(0.9)[0]},
        "neighbours": {"graphs": {"g": {"k": 2, "share": None, "itself": None, "curve": curve(0.9, 0.8), "alone": 2,
                                        "kept": 2}}, "change": None, "value": 0.9, "error": None, "macs": 1.0},
        "elements": {"reason": "an example is no set of elements"},
        "together": None,
    }  # fmt: skip
    found = list(lines(told))
    assert found[0].endswith("a suggestion may lose 0.0200 of it (2 errors; prune.loss says otherwise), and nothing is "
                             "trained again")  # fmt: skip
    assert found[1] == "features: all 2 are needed: without b (40.0% of |relevance|) it is AUC 0.7000"
    assert found[2] == "neighbours: all are needed: g with 1 of 2: AUC 0.8000"
    assert found[3] == "elements: an example is no set of elements"
    with undrawn():
        assert list(draw(told, tmp_path)) == ["features.png", "neighbours.png"]
    assert (tmp_path / "features.png").read_bytes() == b""


def test_there_must_be_a_network(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    with pytest.raises(MissingStepError):
        prune(project, make_config(project), suggest=True)
    with pytest.raises(ConfigError, match="--study, --suggest: one or the other"):
        prune(project, make_config(project), study=True, suggest=True)


@pytest.mark.slow
def test_a_project_gets_suggestions_that_prune_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fair_hep.project.data import run as data

    project = make_project(tmp_path)
    config = make_config(project, "prune.examples=12", "prune.suggest_examples=100", "data.options.max_constituents=4")
    data(project, config)
    train(project, config)
    results = []

    def command(words: Sequence[str]) -> None:
        assert words == ["prune", "--suggest"]
        results.append(prune(project, config, suggest=True))

    page = DOCS / "how-tos" / "find-what-a-model-needs.md"
    follow(page.read_text(encoding="utf-8"), project.root, commands={"top_tagger": command})
    (found,) = results
    folder = project.root / found["folder"]
    assert folder == project.run("quick", "prune") / "suggestions"
    assert {"suggestions.json", "features.png", "neighbours.png", "elements.png"} == set(found["files"])
    assert all((folder / name).is_file() for name in (*found["files"], "provenance.json"))
    kept = json.loads((folder / "suggestions.json").read_text(encoding="utf-8"))
    assert kept["headline"] == found["headline"]
    assert kept["examples"] == {"measured": 100, "explained": 12}
    assert found["elements"]["order"] == "by falling pT"
    assert found["neighbours"]["macs"] < 1
    with monkeypatch.context() as patch:
        patch.setattr(suggest, "measure", lambda *_: Measured("auc", {"auc": 0.9}))
        with pytest.raises(ConfigError, match=r"gives no error of auc: .*prune\.loss=0\.01") as error:
            prune(project, config, suggest=True)
        assert "\n" not in str(error.value)
    with torch.no_grad(), monkeypatch.context() as patch, pytest.raises(ExplainError, match="is constant"):
        silent = load_network(project, config)
        silent.get_parameter("body.classify.weight").zero_()
        patch.setattr(suggest, "load_network", lambda *_: silent)
        prune(project, config, suggest=True)
