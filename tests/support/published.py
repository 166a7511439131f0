"""A small project with a bundle: the shipped sample, random weights, and what the real verbs make of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from fair_hep import provenance
from fair_hep.models.recipe import recipe
from fair_hep.project.data import run as data
from fair_hep.project.data import store_folder
from fair_hep.project.evaluate import run as evaluate
from fair_hep.project.export import run as export
from fair_hep.project.train import WEIGHTS
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project, load_project
from support.small import EXAMPLE, make_config, make_project

EXAMPLES = 12


def make_config_of(project: Project, *overrides: str) -> Config:
    """Return the configuration of the small project."""
    return make_config(project, f"evaluate.limit={EXAMPLE.EVALUATED}", f"export.examples={EXAMPLES}", *overrides)


def make_evaluated(root: Path, *overrides: str) -> tuple[Project, Config]:
    """Make a project with random weights, and evaluate them."""
    project = make_project(root)
    config = make_config_of(project, *overrides)
    data(project, config)
    train(project, config)
    evaluate(project, config)
    return project, config


def train(project: Project, config: Config) -> None:
    """Write random weights, with statistics of some examples, where training would have left its own."""
    model = recipe(project)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        network = model.build(**config.model).train()
        with torch.no_grad():
            for seed in range(3):
                network(model.example(32, seed)[model.inputs[0].name])
            for parameter in network.get_submodule(EXAMPLE.HEAD).parameters():
                parameter.mul_(10.0)  # logits as large as those of a trained network
    folder = project.run(config.name, "train")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), folder / WEIGHTS)
    stores = store_folder(project, config)
    inputs = provenance.checksums(project.root, *(stores / split / "store.json" for split in ("train", "val")))
    provenance.record(folder, project, config, "train", inputs=inputs, result={})


def make_published(root: Path, *overrides: str) -> tuple[Project, Config]:
    """Make a project with a bundle."""
    project, config = make_evaluated(root, *overrides)
    export(project, config)
    return project, config


def copy(original: tuple[Project, Config], root: Path) -> tuple[Project, Config]:
    """Copy a project, so that a test may damage it."""
    shutil.copytree(original[0].root, root, symlinks=True)
    return load_project(root), original[1]
