"""The how-to on smaller networks, followed to the letter: runs of their own, with configurations that verbs take."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn

from fair_hep.bundle import read_signature
from fair_hep.bundle.errors import ConfigError
from fair_hep.bundle.files import read_json
from fair_hep.cli import project as commands
from fair_hep.project.data import run as data
from fair_hep.project.evaluate import run as evaluate
from fair_hep.project.export import run as export
from fair_hep.project.prune import run as prune
from fair_hep.project.train import load_network
from fair_hep.project.train import run as train
from fair_hep.project.verify import run as verify
from fair_hep.provenance.configuration import load_config
from fair_hep.provenance.project import Project, load_project
from fair_hep.pruning.groups import find_groups
from fair_hep.pruning.verified import apart
from support import small
from support.documents import DOCS, follow
from support.published import make_config_of
from support.published import train as random_weights

PAGE = DOCS / "how-tos" / "make-a-model-smaller.md"


@pytest.mark.slow
def test_a_network_gets_smaller(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(project.root, tmp_path / small.PACKAGE, symlinks=True)
    made = load_project(tmp_path / small.PACKAGE)
    for name, value in small.environment(made).items():
        monkeypatch.setenv(name, value)
    short = {
        "train": {"limit": 128, "threads": 1},
        "evaluate": {"limit": 200},
        "prune": {"steps": 1, "epochs": 1, "examples": 32},
    }
    settings = yaml.safe_dump({"name": "quick", "model": small.EXAMPLE.HYPERPARAMETERS, **short})
    (made.root / "configs" / "quick.yaml").write_text(settings, encoding="utf-8")
    called: list[str] = []

    def command(words: Sequence[str]) -> None:
        called.append(words[0])
        commands.main(list(words))

    left = follow(PAGE.read_text(encoding="utf-8"), made.root, commands={small.PACKAGE: command})
    assert called == ["prune", "evaluate", "prune"]
    whole = _size(made, "quick")
    for name in ("quick-pruned", "by-magnitude"):
        pruned = read_json(made.run(name, "train") / "provenance.json")["pruned"]
        assert pruned["macs"]["share"] <= 0.5
        assert _size(made, name) == pruned["parameters"]["after"] < 0.7 * whole
    assert (made.run("quick-pruned", "evaluate") / "metrics.json").is_file()
    own = nn.Sequential(left["Scaled"](4, 6), nn.ReLU(), left["Scaled"](6, 2)).double().eval()
    values = (torch.randn(3, 4).double(),)
    (group,) = find_groups(own, values)
    assert apart(own, values, (group,), {group.name: torch.tensor([1, 4])}) < 1e-12


@pytest.mark.slow
def test_half_a_network_is_one_like_any_other(tmp_path: Path) -> None:
    project = small.make_project(tmp_path / "project")
    quick = ("train.limit=64", "train.batch_size=32", "prune.examples=16", "prune.epochs=1", "evaluate.limit=100")
    config = make_config_of(project, *quick, "prune.macs=0.5", "prune.steps=2", "export.examples=4")
    data(project, config)
    random_weights(project, config)
    told = prune(project, config)
    assert told["macs"]["share"] <= 0.5 < told["macs"]["share"] + 0.1
    assert 0 < told["parameters"]["share"] < 1
    assert -1 <= told["explanations"]["rank_correlation"] <= 1
    made = load_config(project.root / "configs" / "quick-pruned.yaml")
    network = load_network(project, made)
    assert sum(value.numel() for value in network.parameters()) == told["parameters"]["after"]
    with pytest.raises(ConfigError, match="runs/quick-pruned/train holds a pruned network"):
        train(project, made)
    evaluate(project, made)
    export(project, made)
    assert verify(project, made)["headline"]
    signature = read_signature(project.bundle)
    assert signature.hyperparameters == made.model
    metrics = read_json(project.bundle / "metrics.json")
    assert metrics["cost"]["parameters"] == told["parameters"]["after"]
    card = (project.bundle / "README.md").read_text()
    assert f"from `quick` by relevance; keeps {told['validation']['kept']:.1%} of" in card
    assert "import bundle/weights.safetensors" in card
    assert read_json(project.bundle / "provenance" / "prune.json")["pruned"]["macs"] == told["macs"]


def _size(project: Project, name: str) -> int:
    return sum(values.numel() for values in load_file(project.run(name, "train") / "weights.safetensors").values())
