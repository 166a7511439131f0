"""The verb ``import``: bring weights that exist already to where training would have left its own."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import provenance
from ..bundle.errors import ModelError
from ..bundle.files import new_folder, sha256
from ..models.building import build
from ..models.recipe import folder_of, recipe
from ..models.weights.names import load_names
from ..models.weights.shapes import fitted
from ..models.weights.state import read_state
from ..provenance.about import VERB, load_about
from ..provenance.configuration import Config
from ..provenance.project import Project
from .held import held

if TYPE_CHECKING:
    from torch import nn

    from ..models.contract import Model

__all__ = ["run"]

log = logging.getLogger(__name__)


def run(
    project: Project, config: Config, *, weights: Path, names: str | None = None, about: Path | None = None
) -> dict[str, Any]:
    """Write ``runs/<configuration>/train/`` from weights that were trained elsewhere; go on at ``evaluate``.

    Parameters
    ----------
    project, config
        Whose network, and with which hyperparameters.
    weights
        A ``.safetensors`` file, or a state_dict that ``torch.save`` wrote.
    names
        Table of names: a YAML file, or the name of one that ships with the model.
    about
        YAML file with what is known of the training.

    Raises
    ------
    DataError
        If the file can't be read, or asks for anything but tensors.
    ModelError
        If the tensors don't fit the network; the line lists everything that doesn't.
    ConfigError
        If the table or what is known isn't valid.
    """
    from .train import WEIGHTS, write_weights

    known = load_about(about)
    model = recipe(project)
    table = load_names(project.model, folder_of(model), names)
    network = build(model, config.model)
    found = fitted(read_state(weights, table.key), network.state_dict(), table, weights.name)
    network.load_state_dict(found)
    _try(model, network.eval(), weights.name)
    result = {"parameters": sum(p.numel() for p in network.parameters()), "tensors": len(found)}
    folder = project.run(config.name, "train")
    with held(folder.parent, "an import"), new_folder(folder) as temporary:
        write_weights(network, temporary / WEIGHTS)
        provenance.record(
            temporary,
            project,
            config,
            VERB,
            # By its name only: where it lies on this machine is nobody's business.
            inputs={weights.name: sha256(weights)},
            without=("train",),
            result=result,
            names=table.model_dump(mode="json"),
            about=known.model_dump(mode="json", exclude_none=True),
        )
    here = str(folder.relative_to(project.root))
    lines = [f"{here}/: {result['parameters']:,} parameters from {weights.name}, {known.sentence()}"]
    if known.license and known.license != project.licenses.weights:
        log.warning(
            "the weights came under %s, and project.yaml publishes them under %s: may you?",
            known.license,
            project.licenses.weights,
        )
    return {"headline": lines, "folder": here, "about": known.model_dump(mode="json", exclude_none=True), **result}


def _try(model: Model, network: nn.Module, where: str) -> None:
    """Let the network answer once: a variance below 0 is finite, and its root isn't."""
    import torch

    batch = model.example(4, 0)
    inputs = {spec.name: batch[spec.name] for spec in model.inputs if spec.name in batch}
    with torch.inference_mode():
        values = network(**inputs)
    values = values if isinstance(values, tuple) else (values,)
    if not all(bool(value.isfinite().all()) for value in values):
        raise ModelError(f"{where}: with it the network gives answers that aren't finite; is it damaged?")
