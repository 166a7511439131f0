"""What learns of a network as an ONNX graph, and the network with it: features by PyTorch, the rest by ONNX Runtime.

The published graph begins at raw inputs, and so derives itself what an example may bring along, such as the axis of a
jet of which a loader kept some constituents. Here features are computed as ever, and only the body runs elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..bundle import TensorSpec
from ..bundle.session import compute, session
from ..models.contract import Model
from .explained import ELEMENTS, EXAMPLES, batch_to_record
from .graph import folded_for_a_while, frozen, graph_inputs, write_graph

__all__ = ["BodyGraph", "export_body", "spec_of", "values_to_record"]


class _Body(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        found = self.body(*values)
        return found if isinstance(found, tuple) else (found,)


class BodyGraph:
    """A network that is called as ever, and whose body is a graph.

    Parameters
    ----------
    model, network
        The network in evaluation mode, and what is known of it.
    path
        What `export_body` wrote.
    threads
        Of ONNX Runtime; 0: one for each core.
    """

    def __init__(self, model: Model, network: nn.Module, path: Path, *, threads: int = 0) -> None:
        self._network = network
        self._opened = session(path, threads=threads)
        self._taken = {value.name for value in self._opened.get_inputs()}
        self._names = [spec.name for spec in model.outputs]

    def get_submodule(self, name: str) -> nn.Module:
        """Return a part of the network, as the network does."""
        return self._network.get_submodule(name)

    def __call__(self, **inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the raw outputs of a batch."""
        with torch.no_grad():
            values = self._network.get_submodule("features")(**inputs)
        values = values if isinstance(values, tuple) else (values,)
        given = {f"value{number}": value.numpy() for number, value in enumerate(values)}
        found = compute(self._opened, self._names, {key: array for key, array in given.items() if key in self._taken})
        return tuple(torch.from_numpy(found[name]) for name in self._names)


def export_body(model: Model, network: nn.Module, path: Path, *, opset: int) -> None:
    """Write the body of a network as one ONNX graph, which takes what ``features`` returns: ``value0``, ``value1``, ...

    Raises
    ------
    ModelError
        If it doesn't export.
    """
    values = values_to_record(model, network)
    given = dict(zip((spec.name for spec in graph_inputs(model)), batch_to_record(model), strict=False))
    inputs = [spec_of(f"value{number}", value) for number, value in enumerate(values)]
    with frozen(network), folded_for_a_while(network, given):
        body = _Body(network.get_submodule("body")).eval()
        write_graph(body, tuple(values), (inputs, list(model.outputs)), path, opset=opset, metadata={})


def values_to_record(model: Model, network: nn.Module) -> tuple[Tensor, ...]:
    """Return what ``features`` makes of a batch whose free axes can't be taken for something else."""
    names = [spec.name for spec in graph_inputs(model)]
    features: Any = network.get_submodule("features")
    with torch.no_grad():
        values = features(**dict(zip(names, batch_to_record(model), strict=False)))
    return values if isinstance(values, tuple) else (values,)


def spec_of(name: str, value: Tensor) -> TensorSpec:
    """Describe a tensor, whose axes are told by their sizes."""
    free = {EXAMPLES: "examples", ELEMENTS: "elements"}
    axes = [free.get(size, f"axis{number}") for number, size in enumerate(value.shape)]
    return TensorSpec(
        name=name,
        axes=tuple(axes),
        dynamic=tuple(axis for axis in axes if axis in free.values()),
        sizes={axis: size for axis, size in zip(axes, value.shape, strict=True) if axis not in free.values()},
        dtype=str(value.dtype).removeprefix("torch."),
        meaning="",
    )
