"""The second ONNX graph: raw inputs in, raw outputs, probabilities and relevances out, for any network of the contract.

The explanation is the engine's own: its forward and backward pass are recorded operator by operator and written as one
graph. So it follows the same rules, closes the same ledger, and needs no training framework.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..bundle import TensorSpec
from ..bundle.errors import ExplainError, ModelError
from ..lrp.edges import share
from ..models.contract import Model
from .copies import without_copies
from .explanation import Explanation
from .graph import frozen, graph_inputs, graph_outputs, quiet, why, write_graph
from .sizes import hold_recorded
from .sums import Sums

if TYPE_CHECKING:
    from torch.fx import GraphModule

    from ..bundle import Relevance

__all__ = [
    "ELEMENTS",
    "EXAMPLES",
    "LEDGER",
    "RELEVANCE",
    "TARGET",
    "Explained",
    "batch_to_record",
    "explained_inputs",
    "explained_outputs",
    "export_explained",
    "record",
]

TARGET, RELEVANCE, LEDGER = "target", "relevance", "ledger"
#: Sizes that a batch is recorded with: primes that are no size of a network, since equal sizes count as the same axis.
EXAMPLES, ELEMENTS = 29, 61


def explained_inputs(model: Model) -> tuple[TensorSpec, ...]:
    """Return what the graph takes: the inputs, and the weights of the outputs that are explained."""
    first, outputs = graph_inputs(model)[0], model.outputs
    columns = tuple(f"{spec.name}_{column}" for spec in outputs for column in spec.columns)
    sets = [first.set_axis] if all(spec.set_axis for spec in outputs) and first.set_axis else []
    target = TensorSpec(
        name=TARGET,
        axes=(first.axes[0], *sets, "output"),
        dynamic=(first.axes[0], *sets),
        sizes={"output": len(columns)},
        dtype=outputs[0].dtype,
        meaning="weights of the combination of raw outputs that is explained",
        columns=columns,
    )
    return (*graph_inputs(model), target)


def explained_outputs(model: Model, neighbours: Sequence[int] = ()) -> tuple[TensorSpec, ...]:
    """Return what the graph gives: outputs, probabilities, relevance, ledger, and the edges of every block.

    Parameters
    ----------
    model
        What is explained.
    neighbours
        Number of neighbours in every block that has edges.
    """
    first, dtype = graph_inputs(model)[0], model.outputs[0].dtype
    relevance = model.features.model_copy(
        update={
            "name": RELEVANCE,
            "meaning": "relevance of every feature; with what the ledger says it sums to what is explained",
            "ranges": (),
            "unit": "1",
        }
    )
    ledger = TensorSpec(
        name=LEDGER,
        axes=(first.axes[0], "part"),
        dynamic=(first.axes[0],),
        sizes={"part": 4},
        dtype="float64",
        meaning="relevance that reached no input: what biases, the stabiliser and empty denominators took; and the "
        "scale that an error of the account is relative to",
        columns=("bias", "epsilon", "lost", "scale"),
    )
    edges = [spec for number, k in enumerate(neighbours) for spec in _edge_specs(first, number, k, dtype)]
    return (*graph_outputs(model), relevance, ledger, *edges)


def _edge_specs(first: TensorSpec, number: int, k: int, dtype: str) -> list[TensorSpec]:
    meanings = {
        "index": "neighbour of an element, as its position in the set; -1: no edge",
        "relevance": "relevance that flows along the edge",
        "share": "sum of absolute relevances over the channels of the edge, as a part of the whole graph's",
    }
    axes = (*first.axes[:2], "neighbour")
    return [
        TensorSpec(
            name=f"edge{number}_{kind}",
            axes=axes,
            dynamic=axes[:2],
            sizes={"neighbour": k},
            dtype="int64" if kind == "index" else dtype,
            meaning=meaning,
        )
        for kind, meaning in meanings.items()
    ]


class Explained(Explanation):
    """A network with its explanation: tensors in, tensors out, in the order of `explained_inputs` and `_outputs`.

    Parameters
    ----------
    model, network
        What is explained; the network is in evaluation mode.
    how
        Rules.
    """

    def __init__(self, model: Model, network: nn.Module, how: Relevance) -> None:
        super().__init__(model, network, how)
        self.temperature = how.temperature
        self.names = [spec.name for spec in graph_inputs(model)]

    def _run(self, arguments: Sequence[Tensor], explain: Callable[..., Any]) -> tuple[Tensor, ...]:
        *inputs, target = arguments
        features: Any = self.network.get_submodule("features")
        with torch.no_grad():
            values = features(**dict(zip(self.names, inputs, strict=True)))
        values = values if isinstance(values, tuple) else (values,)
        # Logits over T, weighed by w, are the logits weighed by w / T: rules, relevances and ledger hold as they are.
        warm = self.temperature != 1.0
        found, ledger, places = self._explained(values, target / self.temperature if warm else target, explain)
        sizes = [spec.sizes[spec.axes[-1]] for spec in self.model.outputs]
        raw = found.outputs / self.temperature if warm else found.outputs
        outputs = list(torch.split(raw, sizes, -1))
        logits = [number for number, spec in enumerate(self.model.outputs) if spec.name.endswith("logits")]
        probabilities = [torch.softmax(outputs[number], -1) for number in logits]
        parts = [part for graph, total, signed in places for part in (graph, signed, share(total))]
        return (*outputs, *probabilities, found.relevance, ledger, *parts)


def export_explained(
    model: Model,
    network: nn.Module,
    path: Path,
    how: Relevance,
    *,
    opset: int,
    metadata: Mapping[str, str],
) -> tuple[TensorSpec, ...]:
    """Write a network with its explanation as one ONNX graph; return its outputs.

    Parameters
    ----------
    model, network
        What is explained; the network is in evaluation mode.
    path
        File to write.
    how
        Rules: they are fixed in the graph. What is explained is an input.
    opset
        Version of the ONNX operators.
    metadata
        What the graph says about itself.

    Raises
    ------
    ModelError
        If the explanation can't be written as a graph; the line says why.
    """
    arguments = batch_to_record(model)
    with Explained(model, network, how) as explained:
        found, graph = record(explained, explained.recorded, arguments, explained_inputs(model), path.name)
    edges = [spec.shape[-1] for spec in found[len(found) - 3 * len(explained.edges) :: 3]] if explained.edges else []
    outputs = explained_outputs(model, edges)
    # A parameter that joins activations outside a layer, such as a token, stands in the graph as it is.
    with frozen(network):
        write_graph(graph, arguments, (explained_inputs(model), outputs), path, opset=opset, metadata=metadata)
    return outputs


def record(
    explained: Callable[..., tuple[Tensor, ...]],
    recorded: Callable[..., tuple[Tensor, ...]],
    arguments: Sequence[Tensor],
    inputs: Sequence[TensorSpec],
    name: str,
) -> tuple[tuple[Tensor, ...], GraphModule]:
    """Record an explanation operator by operator.

    Parameters
    ----------
    explained
        Explains a real batch, with all checks.
    recorded
        Does the same without looking at values.
    arguments, inputs
        A batch whose free axes can't be taken for something else, and what each of its tensors is.
    name
        Of what is recorded.

    Returns
    -------
    found, graph
        What is explained of the batch, and the record.

    Raises
    ------
    ModelError
        If it can't be recorded; the line says why.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    sums = Sums()

    def traced(*given: Tensor) -> tuple[Tensor, ...]:
        sums.sets = given[0].shape[0]
        return recorded(*given)

    try:
        found = explained(*arguments)
        # Weights are constants of the recorded graph.
        with quiet():
            rules = sums.decompositions()
            made = make_fx(traced, rules, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*arguments)
            graph = without_copies(made)
        hold_recorded(graph, inputs, name)
    except (ExplainError, ModelError):
        raise
    except Exception as error:  # whatever torch's tracer stumbles over
        raise ModelError(f"{name}: the explanation can't be recorded: {why(error)}") from error
    return found, graph


def batch_to_record(model: Model) -> tuple[Tensor, ...]:
    """Return a batch to record with, whose free axes can't be taken for something else."""
    batch = model.example(EXAMPLES, 0)
    sizes = {0: EXAMPLES, 1: ELEMENTS}
    arguments = []
    for spec in graph_inputs(model):
        values = batch[spec.name]
        for axis, size in sizes.items():
            if axis < len(spec.axes) and spec.axes[axis] in spec.dynamic:
                missing = size - values.shape[axis]
                more = values.new_zeros([*values.shape[:axis], max(0, missing), *values.shape[axis + 1 :]])
                values = torch.cat([values, more], axis).narrow(axis, 0, size)
        arguments.append(values)
    target = explained_inputs(model)[-1]
    shape = [sizes[number] if axis in target.dynamic else target.sizes[axis] for number, axis in enumerate(target.axes)]
    weights = torch.tensor(model.target(), dtype=getattr(torch, target.dtype))
    return (*arguments, weights.expand(shape).contiguous())
