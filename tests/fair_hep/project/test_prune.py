"""The verb ``prune``: a smaller network that passes the chain, interrupted or not, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fair_hep import provenance
from fair_hep.bundle.errors import ConfigError, MissingStepError, ModelError
from fair_hep.bundle.parts import Part
from fair_hep.project import pruning_steps
from fair_hep.project.data import run as data
from fair_hep.project.evaluate import run as evaluate
from fair_hep.project.evidence import metrics_of
from fair_hep.project.explain import known_network, network_line
from fair_hep.project.measured import Measured
from fair_hep.project.prune import run as prune
from fair_hep.project.train import WEIGHTS, load_network
from fair_hep.provenance.configuration import load_config
from fair_hep.provenance.project import Project
from support.published import make_config_of
from support.published import train as random_weights
from support.small import make_project

pytestmark = pytest.mark.slow

QUICK = ("train.limit=64", "train.batch_size=32", "prune.examples=16", "prune.epochs=1", "evaluate.limit=100")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give a project with random weights."""
    project = make_project(tmp_path_factory.mktemp("prune") / "project")
    config = make_config_of(project)
    data(project, config)
    random_weights(project, config)
    return project


@pytest.fixture
def project(original: Project, tmp_path: Path) -> Project:
    """Give a copy of it."""
    root = tmp_path / "project"
    shutil.copytree(original.root, root, symlinks=True)
    return provenance.project.load_project(root)


def weights(project: Project, name: str) -> dict[str, torch.Tensor]:
    """Return the weights of a run."""
    return load_file(project.run(name, "train") / WEIGHTS)


def test_an_interrupted_pruning_ends_where_another_ends(
    project: Project, original: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*QUICK, "prune.parameters=0.4", "prune.steps=2", "prune.criterion=magnitude")
    config = make_config_of(project, *settings)
    whole = prune(project, config)
    expected = weights(project, "quick-pruned")
    for folder in ("runs/quick-pruned", "configs/quick-pruned.yaml"):
        path = project.root / folder
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    trained = pruning_steps.Pruning._trained

    def stops(self: Any, folder: Path, *rest: Any) -> Any:
        if folder.name == "round-2":
            raise KeyboardInterrupt
        return trained(self, folder, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(pruning_steps.Pruning, "_trained", stops)
        with pytest.raises(KeyboardInterrupt):
            prune(project, config)
    assert not (project.root / "configs" / "quick-pruned.yaml").exists()
    first = project.run("quick-pruned", "prune") / "round-1" / WEIGHTS
    when = first.stat().st_mtime_ns
    assert prune(project, config)["left"] == whole["left"]
    assert first.stat().st_mtime_ns == when, "the first round isn't done again"
    found = weights(project, "quick-pruned")
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_other_settings_begin_anew(project: Project) -> None:
    base = (*QUICK, "prune.epochs=0", "prune.steps=1", "prune.macs=0.5")
    first = prune(project, make_config_of(project, *base, "prune.criterion=random"))
    second = prune(project, make_config_of(project, *base, "prune.criterion=magnitude"))
    assert first["left"] != second["left"]
    # What was pruned can be pruned again, and the smaller configuration tells all of it.
    made = load_config(project.root / "configs" / "quick-pruned.yaml", [*base, "prune.name=smallest"])
    third = prune(project, made)
    assert third["from"] == "quick-pruned"
    assert third["macs"]["before"] == second["macs"]["after"]
    line = network_line(known_network(project, load_config(project.root / "configs" / "smallest.yaml")))
    assert line.endswith("parameters, pruned from quick-pruned, not trained since, not evaluated")
    smallest = load_config(project.root / "configs" / "smallest.yaml")
    assert sum(p.numel() for p in load_network(project, smallest).parameters()) == third["parameters"]["after"]


def test_the_smallest_network_within_a_loss(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds go on until one loses more: here all do less, or the first does."""
    from fair_hep.project import prune as verb

    values = iter([0.9, 0.895, 0.892, 0.80])

    def measured(*given: Any) -> Any:
        return Measured("auc", {"auc": next(values), "auc_error": 0.01})

    monkeypatch.setattr(verb, "measure", measured)
    settings = (*QUICK, "prune.epochs=0", "prune.steps=6", "prune.criterion=random", "prune.loss=0.01")
    told = prune(project, make_config_of(project, *settings))
    assert told["validation"]["after"] == 0.892
    assert told["macs"]["share"] == pytest.approx(0.75**2, abs=0.05)
    values = iter([0.9, 0.8])
    with pytest.raises(
        ModelError, match=r"prune\.loss=0\.01: the first round loses more of auc \(0\.9000, then 0\.8000"
    ):
        prune(project, make_config_of(project, *settings, "prune.name=lossless"))
    assert not project.run("lossless", "train").exists()


def test_a_study_compares_criteria_and_goes_on(project: Project) -> None:
    settings = (*QUICK, "prune.epochs=0", "prune.criteria=[magnitude, random]", "prune.budgets=[0.3, 0.6]")
    config = make_config_of(project, *settings)
    for number in (2, 3):
        seeded = config.train.model_copy(update={"seed": config.seed + number - 1})
        random_weights(project, config.model_copy(update={"name": f"quick-seed{number}", "train": seeded}))
    prune(project, config, study=True, part=Part.read("2/2"))
    done = rounds(project)
    assert len(done) == 3
    found = prune(project, config, study=True)
    assert done.items() <= rounds(project).items(), "what was there isn't done again"
    assert len(found["rows"]) == 3 * 2 * 2
    assert [row["budget"] for row in found["rows"][:2]] == [0.6, 0.3]
    for row in found["rows"]:
        assert row["macs"] <= row["budget"] < row["macs"] + 0.1
        assert found["decisive"] in row["metrics"]
    folder = project.root / found["folder"]
    assert {path.name for path in folder.iterdir()} >= {
        "study.json",
        "table.csv",
        "prune_metric.png",
        "provenance.json",
    }
    evaluate(project, config)
    assert metrics_of(project, config)["pruning"]["headline"] == found["headline"][:-2], "the card tells of it"
    random_weights(project, config.model_copy(update={"seed": config.seed + 5}))
    evaluate(project, config.model_copy(update={"seed": config.seed + 5}))
    assert "pruning" not in metrics_of(project, config), "that was about other weights"


def rounds(project: Project) -> dict[str, int]:
    """Return when the first rounds of a study were made."""
    found = project.root.glob("runs/*/prune-study/*/round-1/weights.safetensors")
    return {str(path): path.stat().st_mtime_ns for path in found}


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ([], ConfigError, "how small isn't said: prune.macs=0.5"),
        (["prune.macs=0.5", "prune.loss=0.1"], ConfigError, "leave macs and parameters out"),
        (["prune.macs=0.5", "prune.name=quick"], ConfigError, "prune.name: got 'quick', the name of what is pruned"),
        (["prune.macs=0.0001", "prune.steps=1"], ModelError, "can't get as small"),
        (["prune.macs=0.5", "prune.keep=[blocks, hidden, constituent, jet]"], ModelError, "nothing to prune"),
        (["prune.features=[nothing]"], ConfigError, "model.pruned.features: got nothing"),
        (["prune.neighbours={nobody: 3}"], ConfigError, "neighbours: the network has no layer 'nobody'"),
        (["prune.macs=0.5", "name=other"], MissingStepError, "train"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    original: Project, settings: list[str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as found:
        prune(original, make_config_of(original, *QUICK, *settings))
    assert "\n" not in str(found.value)
    assert not original.run("quick-pruned", "train").exists()
    assert not (original.root / "configs" / "quick-pruned.yaml").exists()


def test_another_network_is_not_replaced(project: Project) -> None:
    config = make_config_of(project, *QUICK, "prune.macs=0.5")
    random_weights(project, config.model_copy(update={"name": "quick-pruned"}))
    with pytest.raises(ConfigError, match=r"runs/quick-pruned/train holds another network.*prune\.name"):
        prune(project, config)
    with pytest.raises(ConfigError, match="only a study has parts"):
        prune(project, config, part=Part.read("1/2"))
