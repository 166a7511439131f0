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

from fair_hep.bundle.files import read_json
from fair_hep.cli import project as commands
from fair_hep.provenance.project import Project, load_project
from fair_hep.pruning.groups import find_groups
from fair_hep.pruning.verified import apart
from support import small
from support.documents import DOCS, follow

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


def _size(project: Project, name: str) -> int:
    return sum(values.numel() for values in load_file(project.run(name, "train") / "weights.safetensors").values())
