"""A network at low precision: its weights, its graphs, and how far its answers and explanations are from before.

`float16` rounds the weights and nothing else; graphs compute in float32 with the rounded ones. `int8` lets the linear
maps of the body multiply integers; PyTorch and the graph that explains have the same weights in float32.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch

from ..bundle.errors import ModelError
from ..lrp.faithfulness import rank_correlation
from ..tracing.graph import export_graph
from ..tracing.half import halved, stored_half, tensors_half
from .relevance import relevances

if TYPE_CHECKING:
    import onnx
    from torch import Tensor, nn

    from ..bundle import Relevance, Signature
    from ..models.contract import Model

__all__ = ["Arrays", "How", "Lowered", "Precision", "explanations_apart", "graph_of", "some", "to_float16"]

Precision = Literal["float32", "float16", "int8"]
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Lowered:
    """A network at some precision.

    Parameters
    ----------
    precision
        Of its weights.
    network
        It in PyTorch, which computes in float32.
    graph
        Its graph, without what a graph says of itself.
    before
        The graph in float32 that it was made from, of the weights as trained.
    maps, left
        Of `int8`: names of the linear maps that multiply integers, and of those that don't.
    largest, tried_on
        Of `int8`: the largest difference between the graph and the network in PyTorch, on so many examples.
    """

    precision: Precision
    network: nn.Module
    graph: onnx.ModelProto
    before: onnx.ModelProto
    maps: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    largest: float = 0.0
    tried_on: int = 0

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights as they are stored."""
        found = self.network.state_dict()
        return tensors_half(found) if self.precision == "float16" else dict(found)

    def write(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the graph, and what it says about itself.

        Raises
        ------
        ModelError
            If it doesn't pass the full check of ONNX.
        """
        proto = copy.deepcopy(self.graph)
        del proto.metadata_props[:]
        for key, text in sorted(metadata.items()):
            proto.metadata_props.add(key=key, value=text)
        _save(proto, path)

    def finish(self, path: Path) -> None:
        """Store the constants of another graph of this network as this one's are."""
        if self.precision == "float16":
            import onnx

            proto = onnx.load(path)
            stored_half(proto)
            _save(proto, path)


class How(NamedTuple):
    """How a graph is made.

    Attributes
    ----------
    opset, seed, temperature
        Version of the ONNX operators, seed of the example that is traced, what logits are divided by.
    """

    opset: int
    seed: int
    temperature: float


def graph_of(model: Model, network: nn.Module, how: How) -> onnx.ModelProto:
    """Return the graph of a network, which says nothing of itself."""
    import onnx

    with TemporaryDirectory() as folder:
        path, example = Path(folder) / "graph.onnx", model.example(4, how.seed)
        export_graph(model, network, example, path, opset=how.opset, metadata={}, temperature=how.temperature)
        return onnx.load(path)


def to_float16(model: Model, network: nn.Module, arrays: Arrays, how: How) -> Lowered:
    """Return a network whose weights are rounded.

    Parameters
    ----------
    model, network
        As trained, in evaluation mode.
    arrays
        Real examples.
    how
        Of the graph.

    Raises
    ------
    ModelError
        If the network can't be had at this precision; the line says why.
    """
    made = halved(network, some(arrays))
    graph = graph_of(model, made, how)
    if not stored_half(graph):
        raise ModelError(f"export.precision=float16: {model.title} has no weights that a graph could store shorter")
    return Lowered("float16", made, graph, graph_of(model, network, how))


def some(arrays: Arrays) -> dict[str, Tensor]:
    """Return a few examples as a network takes them."""
    return {name: torch.from_numpy(np.ascontiguousarray(values[:2])) for name, values in arrays.items()}


def _save(proto: onnx.ModelProto, path: Path) -> None:
    import onnx

    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # the checker's errors have no common public base
        raise ModelError(f"{path.name}: doesn't pass ONNX's check: {' '.join(str(error).split())[:300]}") from error
    onnx.save_model(proto, path)


def explanations_apart(
    networks: tuple[nn.Module, nn.Module], signature: Signature, arrays: Arrays, how: Relevance
) -> dict[str, float]:
    """Return how far explanations of a network are from those of the one that it was made from.

    Parameters
    ----------
    networks
        The one that it was made from, and the one at low precision.
    signature, arrays, how
        Names of the inputs, real examples, and the rules.

    Returns
    -------
    apart
        ``largest`` and ``median`` over the examples of the largest difference, as a fraction of the largest relevance
        before; ``rank_correlation``, the mean over examples of Spearman's coefficient over the elements, with
        ``rank_correlation_error`` (statistical), and the ``examples``.
    """
    before, after = (torch.from_numpy(relevances(network, signature, arrays, how)[0]) for network in networks)
    size = before.abs().flatten(1).amax(1)
    apart = ((after - before).abs().flatten(1).amax(1) / size)[size > 0]
    if not len(apart):
        return {}
    # Of a set the elements are ranked, by what all their features carry; else the features.
    rows = torch.from_numpy(arrays[signature.inputs[0].name])
    ranked = (before.sum(-1), after.sum(-1)) if before.ndim > 2 else (before, after)
    real = (rows != 0).flatten(2).any(-1) if before.ndim > 2 else torch.ones_like(before, dtype=torch.bool)
    ranks = rank_correlation(*ranked, real)
    ranks = ranks[~ranks.isnan()]
    return {
        "examples": len(apart),
        "largest": float(apart.max()),
        "median": float(apart.median()),
        "rank_correlation": float(ranks.mean()) if len(ranks) else 1.0,
        "rank_correlation_error": float(ranks.std() / math.sqrt(len(ranks))) if len(ranks) > 1 else 0.0,
    }
