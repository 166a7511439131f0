"""Two ways to compute the relevances of a batch: the engine in PyTorch, and its record as a graph in ONNX Runtime.

The graph is the same engine, recorded operator by operator. It takes a fraction of the time, and half a minute to be
made, so that it pays for many examples. It is made once for a run, and kept beside the study for other machines.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..bundle.errors import BundleError, ExplainError, ModelError
from .fingerprint import weights_sha256

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.contract import Model
    from ..provenance.configuration import ExplainRules

__all__ = ["PAYS", "Computed", "Engine", "Graph", "prepared"]

#: From so many examples on the graph is worth the time that it takes to be made.
PAYS = 10_000
#: Elements of a pass, whose values stay in the caches (`fair_hep.bundle.runtime` cuts alike).
ELEMENTS = 400
#: Largest difference from the engine, as a fraction of an example's largest relevance: that of published graphs.
TOLERANCE = 1e-3

log = logging.getLogger(__name__)


class Computed(NamedTuple):
    """What is computed of a batch, as tensors.

    Attributes
    ----------
    outputs, explained
        Raw outputs ``[examples, outputs]``, and what is explained ``[examples]``.
    relevance
        ``[examples, elements, features]``.
    ledger
        By name ``[examples]``.
    edges
        Of every place the graph, the sums over channels of the absolute relevance, and of the relevance:
        ``[examples, elements, k]``.
    """

    outputs: Tensor
    explained: Tensor
    relevance: Tensor
    ledger: Mapping[str, Tensor]
    edges: Sequence[tuple[Tensor, Tensor, Tensor]]


class Engine:
    """The engine in PyTorch; a context manager, inside which the network has its rules.

    Parameters
    ----------
    model, network, settings
        What is explained and how; the network has the precision of the settings.
    """

    def __init__(self, model: Model, network: Any, settings: ExplainRules) -> None:
        import torch

        from ..models.explaining import explainer_of

        self._body, self._places = network.body, model.edges(network)
        self._explainer = explainer_of(model, network, settings, dtype=getattr(torch, settings.precision))

    def __enter__(self) -> Engine:
        """Attach nothing yet, but check the network."""
        self._explainer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Give the network back as it was."""
        self._explainer.__exit__(*error)

    def __call__(self, values: Sequence[Tensor], target: Sequence[float]) -> Computed:
        """Explain a batch, given what ``features`` made of it."""
        from ..lrp.edges import graphs_found

        with graphs_found(self._body, self._places) as graphs:
            found = self._explainer(*values, target=target)
        ledger = {name: getattr(found.ledger, name) for name in ("inputs", "bias", "epsilon", "lost", "error")}
        edges = [
            (graphs[place], *found.places[place].reshape(2, *graphs[place].shape).unbind()) for place in self._places
        ]
        return Computed(found.outputs, found.explained, found.relevance, ledger, edges)


@dataclass(frozen=True)
class Graph:
    """The explanation as a graph; it can be sent to another process, which opens the file.

    Parameters
    ----------
    path
        The file.
    places
        Number of places with edges.
    difference
        Largest difference from the engine that was found, as a fraction of an example's largest relevance.
    """

    path: Path
    places: int
    difference: float = 0.0

    def __enter__(self) -> Graph:
        """Do nothing: the file is opened by the first batch."""
        return self

    def __exit__(self, *error: Any) -> None:
        """Do nothing."""

    def __call__(self, values: Sequence[Tensor], target: Sequence[float]) -> Computed:
        """Explain a batch, given what ``features`` made of it."""
        import torch

        from ..bundle.session import compute
        from ..tracing.explained import LEDGER, RELEVANCE, TARGET
        from ..tracing.explained_body import OUTPUTS, edge_names

        names = [OUTPUTS, RELEVANCE, LEDGER, *(name for place in range(self.places) for name in edge_names(place))]
        weights = np.tile(np.asarray(target, np.float32), (len(values[0]), 1))
        given = {TARGET: weights, **{f"value{number}": value.numpy() for number, value in enumerate(values)}}
        opened = _opened(self.path, torch.get_num_threads())
        taken = {value.name for value in opened.get_inputs()}
        found = compute(opened, names, {name: value for name, value in given.items() if name in taken})
        tensors = {name: torch.from_numpy(value) for name, value in found.items()}
        explained = (tensors[OUTPUTS].double() * torch.from_numpy(weights)).sum(1)
        inputs = tensors[RELEVANCE].double().sum((1, 2))
        bias, epsilon, lost, scale = tensors[LEDGER].unbind(1)
        error = (explained - inputs - bias - epsilon - lost).abs() / scale.clamp(min=torch.finfo(torch.float64).tiny)
        ledger = {"inputs": inputs, "bias": bias, "epsilon": epsilon, "lost": lost, "error": error}
        edges = [
            (tensors[index], tensors[total], tensors[signed])
            for index, total, signed in map(edge_names, range(self.places))
        ]
        return Computed(tensors[OUTPUTS], explained, tensors[RELEVANCE], ledger, edges)


@functools.lru_cache(maxsize=1)
def _opened(path: Path, threads: int) -> Any:
    from ..bundle.session import session

    return session(path, threads=threads)


def prepared(
    model: Model,
    network: Any,
    settings: ExplainRules,
    values: Sequence[Tensor],
    folder: Path,
    *,
    examples: int,
) -> Graph | None:
    """Return the graph that explains, if that is asked for or pays; None: the engine explains.

    Parameters
    ----------
    model, network, settings
        What is explained and how.
    values
        What ``features`` makes of some real examples, on which both ways are compared.
    folder
        Where the graph lies, or will.
    examples
        How many there are to explain.

    Raises
    ------
    ExplainError
        If the graph is asked for, and can't be had or disagrees with the engine.
    """
    wanted = settings.runtime == "onnx"
    if settings.precision != "float32":
        if wanted:
            raise ExplainError(f"explain.runtime=onnx computes in float32, got explain.precision={settings.precision}")
        return None
    if not wanted and (settings.runtime == "torch" or examples < PAYS):
        return None
    try:
        graph = Graph(_made(model, network, settings, folder), len(model.edges(network)))
        difference = _difference(model, network, settings, graph, values)
    except (ModelError, BundleError, ExplainError) as error:
        if wanted:
            raise ExplainError(f"explain.runtime=onnx: {error}; explain with explain.runtime=torch") from error
        log.warning("explained in PyTorch, as the graph can't be used: %s", error)
        return None
    return Graph(graph.path, graph.places, difference)


def _made(model: Model, network: Any, settings: ExplainRules, folder: Path) -> Path:
    from ..tracing.explained_body import export_explained_body
    from ..tracing.kept import OPSET, kept_graph

    made_from = [weights_sha256(network), settings.composite, settings.bias, settings.epsilon]
    return kept_graph(
        folder, "explained", made_from, lambda path: export_explained_body(model, network, path, settings, opset=OPSET)
    )


def _difference(model: Model, network: Any, settings: ExplainRules, graph: Graph, values: Sequence[Tensor]) -> float:
    """Return the largest difference between both ways.

    Single precision determines relevances so well only as the engine itself comes near to what it computes in double
    precision, so the graph may be as far from it as the engine is, and by the tolerance more.

    Raises
    ------
    ExplainError
        If it is larger.
    """
    import copy

    import torch

    exact = [value.double() if value.is_floating_point() else value for value in values]
    double = settings.model_copy(update={"precision": "float64"})
    with Engine(model, network, settings) as engine:
        ours = engine(values, settings.target).relevance.double()
    with Engine(model, copy.deepcopy(network).double(), double) as engine:
        true = engine(exact, settings.target).relevance
    theirs = graph(values, settings.target).relevance.double()
    largest = true.abs().amax((1, 2)).clamp(min=torch.finfo(torch.float64).tiny)
    apart = [(one - true).abs().amax((1, 2)) / largest for one in (theirs, ours)]
    difference = float(((theirs - ours).abs().amax((1, 2)) / largest).max())
    if not bool((apart[0] <= TOLERANCE + 2 * apart[1]).all()):
        raise ExplainError(f"its relevances differ from the engine's by {difference:.1e} of the largest")
    return difference
