"""Checks of the graphs: exported with random weights, they say what PyTorch says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..bundle.errors import ModelError, ProjectError
from .attention import nested
from .explaining import unexplained
from .trial import Broken, NotPossible, Trial, promise

if TYPE_CHECKING:
    import numpy as np

    from ..export.parity import Parity

__all__ = ["explained_onnx_parity", "onnx_parity"]

EXAMPLES = 6


@promise("compute with tensors only: no branch on values, no .item(), no size written as a number")
def onnx_parity(trial: Trial) -> None:
    """Exported to ONNX, the network gives the same outputs at every shape."""
    from ..export.parity import compare_shapes
    from ..tracing.graph import Published, export_graph

    network, config = trial.network(), trial.config.export
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            export_graph(trial.model, network, trial.batch(4), path, opset=config.opset, metadata={})
            published = Published(trial.model, network).eval()
            compare_shapes(published, path, _inputs(trial), _arrays(trial), config.tolerance)
        except (ProjectError, RuntimeError) as error:
            if not (advice := nested(network)):
                raise
            raise Broken(" ".join(str(error).split()), advice) from error


@promise("raise explain.epsilon, or look for a rule that computes otherwise while it is recorded")
def explained_onnx_parity(trial: Trial) -> None:
    """Exported with its explanation, the network gives the engine's relevances, and every ledger closes."""
    if unexplained(trial):
        raise NotPossible("nothing explains the network yet: see rule_for_every_module")
    with TemporaryDirectory() as folder:
        found = _explained(trial, Path(folder) / "model_explained.onnx")
    if all(parity.flipped == parity.answers for parity in found):
        raise NotPossible(
            "single precision determines no relevance with random weights; `export` compares trained ones"
        )


def _explained(trial: Trial, path: Path) -> Sequence[Parity]:
    from ..bundle import Relevance
    from ..export.explained_parity import compare_explained
    from ..export.relevance import RELEVANCE_TOLERANCE
    from ..tracing.explained import export_explained

    model, network, config = trial.model, trial.network(), trial.config
    rules = trial.rules()
    how = Relevance(
        composite=rules.composite,
        bias=rules.bias,
        epsilon=rules.epsilon,
        target=rules.target,
        tolerance=RELEVANCE_TOLERANCE,
    )
    if how.bias == "exclude":
        raise NotPossible("explain.bias exclude is for comparison in float64, and a graph explains in float32")
    try:
        export_explained(model, network, path, how, opset=config.export.opset, metadata={})
    except ModelError as error:
        raise NotPossible(f"{error}; `export` will say the same") from error
    return compare_explained(model, network, path, _arrays(trial), inputs=_inputs(trial), how=how)


def _inputs(trial: Trial) -> list[Any]:
    from ..tracing.graph import graph_inputs

    return list(graph_inputs(trial.model))


def _arrays(trial: Trial) -> dict[str, np.ndarray]:
    batch = trial.batch(EXAMPLES)
    return {spec.name: batch[spec.name].numpy() for spec in _inputs(trial)}
