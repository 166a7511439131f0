"""What answers in an evaluation: the network in PyTorch, or with its body as a graph in ONNX Runtime."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ..bundle.errors import BundleError, ConfigError, ModelError
from ..bundle.files import sha256
from ..provenance.configuration import Config
from ..provenance.project import Project
from .train import WEIGHTS, load_network

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from ..models.contract import Model

__all__ = ["answering"]

#: From so many examples on a graph is worth the time that it takes to be made.
PAYS = 20_000
#: Examples on which both ways are compared, and the largest difference of an output, relative for values above 1.
COMPARED, TOLERANCE = 8, 1e-4

log = logging.getLogger(__name__)


def answering(project: Project, config: Config, model: Model, dataset: Dataset[Any]) -> Any:
    """Return what is called as the network.

    Parameters
    ----------
    project, config, model
        Whose network, and ``evaluate.runtime``.
    dataset
        What is to be answered, all of it: so parts decide alike.

    Raises
    ------
    ConfigError
        If the graph is asked for, and can't be had or disagrees.
    """
    network, runtime = load_network(project, config), config.evaluate.runtime
    size = len(dataset)  # type: ignore[arg-type]
    if runtime == "torch" or not size or (runtime == "auto" and size < PAYS):
        return network
    try:
        return _graph(project, config, model, network, dataset)
    except (ModelError, BundleError) as error:
        if runtime == "onnx":
            raise ConfigError(f"evaluate.runtime=onnx: {error}; evaluate with evaluate.runtime=torch") from error
        log.warning("evaluated in PyTorch, as the graph can't be used: %s", error)
        return network


def _graph(project: Project, config: Config, model: Model, network: Any, dataset: Any) -> Any:
    """Return the network with its body as a graph, after a look at some examples."""
    import torch

    from ..tracing.body import BodyGraph, export_body
    from ..tracing.kept import OPSET, kept_graph

    evaluated = project.run(config.name, "evaluate")
    folder = evaluated.with_name(f"{evaluated.name}-graph")
    made_from = [sha256(project.run(config.name, "train") / WEIGHTS), dict(config.model)]
    path = kept_graph(folder, "body", made_from, lambda name: export_body(model, network, name, opset=OPSET))
    graph = BodyGraph(model, network, path, threads=torch.get_num_threads())
    batch = dataset.__getitems__(list(range(min(COMPARED, len(dataset)))))
    inputs = {spec.name: batch[spec.name] for spec in model.inputs if spec.name in batch}
    with torch.inference_mode():
        ours = network(**inputs)
    for one, other in zip(ours if isinstance(ours, tuple) else (ours,), graph(**inputs), strict=True):
        apart = float(((one - other).abs() / one.abs().clamp(min=1)).max())
        if not apart <= TOLERANCE:
            raise ModelError(f"its outputs differ from the network's by {apart:.1e}, expected at most {TOLERANCE:.0e}")
    return graph
