"""What learns of a network, with its explanation, as one ONNX graph: for many examples whose features PyTorch makes.

The published graph begins at raw inputs, and so derives itself what an example may bring along, such as the axis of a
jet of which a loader kept some constituents. Here features are computed as ever, and only the body and its explanation
run elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..models.contract import Model
from ..provenance.configuration import ExplainRules
from .body import spec_of, values_to_record
from .explained import LEDGER, RELEVANCE, TARGET, batch_to_record, record
from .explanation import Explanation
from .graph import frozen, write_graph

__all__ = ["OUTPUTS", "ExplainedBody", "edge_names", "export_explained_body"]

#: What the graph gives first: the raw outputs, joined.
OUTPUTS = "outputs"


def edge_names(number: int) -> tuple[str, str, str]:
    r"""Return the names of a place's graph, and of what its edges carry: sums over channels of \|R\| and of R."""
    return f"edge{number}_index", f"edge{number}_total", f"edge{number}_signed"


class ExplainedBody(Explanation):
    """A body with its explanation: features and weights in; outputs, relevance, ledger and edges out."""

    def _run(self, arguments: Sequence[Tensor], explain: Callable[..., Any]) -> tuple[Tensor, ...]:
        *values, target = arguments
        found, ledger, places = self._explained(values, target, explain)
        return (found.outputs, found.relevance, ledger, *(part for place in places for part in place))


def export_explained_body(model: Model, network: nn.Module, path: Path, settings: ExplainRules, *, opset: int) -> None:
    """Write the body of a network with its explanation as one ONNX graph.

    It takes what ``features`` returns, in order, under the names ``value0``, ``value1``, ..., and the weights of the
    outputs that are explained; it gives `OUTPUTS`, the relevance, the ledger and what `edge_names` says of every place.

    Raises
    ------
    ModelError
        If the explanation can't be written as a graph; the line says why.
    """
    values, target = values_to_record(model, network), batch_to_record(model)[-1]
    arguments = (*values, target)
    inputs = (*(spec_of(f"value{number}", value) for number, value in enumerate(values)), spec_of(TARGET, target))
    with ExplainedBody(model, network, settings) as explained:
        found, graph = record(explained, explained.recorded, arguments, inputs, path.name)
    edges = [name for number in range(len(explained.edges)) for name in edge_names(number)]
    outputs = [spec_of(name, value) for name, value in zip((OUTPUTS, RELEVANCE, LEDGER, *edges), found, strict=True)]
    with frozen(network):
        write_graph(graph, arguments, (inputs, outputs), path, opset=opset, metadata={})
