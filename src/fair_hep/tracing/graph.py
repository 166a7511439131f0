"""One ONNX graph from raw inputs to raw outputs and probabilities, for any model of the contract."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..bundle import TensorSpec
from ..bundle.errors import ExplainError, ModelError
from ..lrp import folded
from ..models.contract import Model
from .simplified import simplify
from .sizes import hold_program
from .sums import losing, translations

if TYPE_CHECKING:
    import numpy as np
    import onnx

__all__ = [
    "Published",
    "export_graph",
    "folded_for_a_while",
    "frozen",
    "graph_inputs",
    "graph_outputs",
    "quiet",
    "why",
    "write_graph",
]

LOGITS = "logits"
PROBABILITIES = "probabilities"
NOISY = ("torch.onnx", "torch.fx.experimental.symbolic_shapes", "onnxscript", "onnx_ir")


def graph_inputs(model: Model) -> tuple[TensorSpec, ...]:
    """Return what the graph takes: the inputs that a caller must give; the network derives the others itself."""
    return tuple(spec for spec in model.inputs if not spec.optional)


def graph_outputs(model: Model) -> tuple[TensorSpec, ...]:
    """Return what the graph gives: the raw outputs, then the probabilities of each that is called logits."""
    logits = [spec for spec in model.outputs if spec.name.endswith(LOGITS)]
    probabilities = [
        spec.model_copy(
            update={
                "name": _probabilities(spec),
                "meaning": "probabilities of the classes: softmax of the logits",
                "range": (0.0, 1.0),
            }
        )
        for spec in logits
    ]
    return (*model.outputs, *probabilities)


def _probabilities(spec: TensorSpec) -> str:
    return spec.name.removesuffix(LOGITS) + PROBABILITIES


class Published(nn.Module):
    """A network as it is published: required inputs only, raw outputs and probabilities.

    Parameters
    ----------
    model
        What the network is.
    network
        The network in evaluation mode.
    temperature
        What the logits are divided by.
    """

    def __init__(self, model: Model, network: nn.Module, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature
        self.network = network
        self.names = [spec.name for spec in graph_inputs(model)]
        self.for_elements = all(spec.set_axis for spec in model.outputs)
        self.logits = [number for number, spec in enumerate(model.outputs) if spec.name.endswith(LOGITS)]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in the order of `graph_outputs`."""
        outputs = self.network(**dict(zip(self.names, inputs, strict=True)))
        raw = outputs if isinstance(outputs, tuple) else (outputs,)
        if self.temperature != 1.0:
            raw = tuple(v / self.temperature if n in self.logits else v for n, v in enumerate(raw))
        return (*raw, *(torch.softmax(raw[number], -1) for number in self.logits))

    def answers(self, output: np.ndarray) -> tuple[int, ...]:
        """Return how many answers an output holds: ``[examples]``, or ``[examples, elements]`` if each has its own."""
        return output.shape[: 2 if self.for_elements else 1]


def export_graph(
    model: Model,
    network: nn.Module,
    batch: Mapping[str, Tensor],
    path: Path,
    *,
    opset: int,
    metadata: Mapping[str, str],
    temperature: float = 1.0,
) -> None:
    """Write the network as one ONNX graph with every dynamic axis free.

    Parameters
    ----------
    model, network
        What to export; the network is in evaluation mode.
    batch
        Inputs to trace with.
    path
        File to write.
    opset
        Version of the ONNX operators.
    metadata
        What the graph says about itself (``metadata_props``).
    temperature
        What the logits are divided by.

    Raises
    ------
    ModelError
        If the network doesn't export, or the graph doesn't pass the full check of ONNX.
    """
    published = Published(model, network, temperature).eval()
    inputs = graph_inputs(model)
    arguments = tuple(batch[spec.name] for spec in inputs)
    with (
        frozen(network),
        folded_for_a_while(network, dict(zip((spec.name for spec in inputs), arguments, strict=True))),
    ):
        write_graph(published, arguments, (inputs, graph_outputs(model)), path, opset=opset, metadata=metadata)


def write_graph(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    specs: tuple[Sequence[TensorSpec], Sequence[TensorSpec]],
    path: Path,
    *,
    opset: int,
    metadata: Mapping[str, str],
) -> None:
    """Write a module as one ONNX graph; the parameters are those of `export_graph`.

    Parameters
    ----------
    module
        What is written; gradients of its parameters are off.
    arguments
        Inputs to trace with, in order.
    specs
        Inputs and outputs in order.

    Raises
    ------
    ModelError
        If it doesn't export, the graph doesn't pass the full check of ONNX, or ONNX Runtime can't be trusted with it.
    """
    import onnx

    inputs, outputs = specs
    name = path.name
    with quiet():
        try:
            program = torch.onnx.export(
                module,
                arguments,
                dynamo=True,
                input_names=[spec.name for spec in inputs],
                output_names=[spec.name for spec in outputs],
                dynamic_shapes=_free_axes(module, inputs),
                opset_version=opset,
                custom_translation_table=translations(),
                optimize=False,
                verbose=False,
            )
        except (torch.onnx.OnnxExporterError, torch._dynamo.exc.TorchDynamoException) as error:
            raise ModelError(f"{name}: doesn't export to ONNX: {why(error)}") from error
        assert program is not None and program.exported_program is not None
        hold_program(program.exported_program, inputs, name)
        simplify(program.model)
    proto = program.model_proto
    _tidy(proto, outputs, metadata)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # the checker's errors have no common public base
        raise ModelError(f"{name}: doesn't pass ONNX's check: {' '.join(str(error).split())[:300]}") from error
    if lost := losing(proto):
        raise ModelError(
            f"{name}: sums rows with index_add or index_put(accumulate=True) ({lost[0]}), and ONNX Runtime's threads "
            "may lose terms of such sums; write scatter_add instead, and gather in the place of x[i, :, j]"
        )
    onnx.save_model(proto, path)


def why(error: BaseException) -> str:
    """Say in one line what an exporter stumbled over, and in which line of the network if it knows."""
    text = str(error.__cause__ or error)
    first = " ".join(next(iter(text.strip().split("\n\n")), "").split())[:300]
    places = re.findall(r'File "([^"]+)", line (\d+), in \w+\n\s+(.+)', text)
    if not places:
        return first
    path, line, code = places[-1]
    return f"{first} ({Path(path).name}:{line}: {code.strip()})"


def _free_axes(module: nn.Module, inputs: Sequence[TensorSpec]) -> Any:
    """Return the axes that may have any length, as the exporter wants them."""
    free = tuple(
        {number: torch.export.Dim(axis, min=1) for number, axis in enumerate(spec.axes) if axis in spec.dynamic}
        for spec in inputs
    )
    # A module that takes any number of arguments has one parameter for all of them.
    kinds = [parameter.kind for parameter in inspect.signature(module.forward).parameters.values()]
    return (free,) if inspect.Parameter.VAR_POSITIONAL in kinds else free


def _tidy(proto: onnx.ModelProto, outputs: Sequence[TensorSpec], metadata: Mapping[str, str]) -> None:
    """Drop the traces of the author's machine, name the axes of the outputs, and say what the graph is."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        # The exporter leaves the source lines of every operator here, with the paths of the machine.
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for value, spec in zip(graph.output, outputs, strict=True):
        for dimension, axis in zip(value.type.tensor_type.shape.dim, spec.axes, strict=True):
            if axis in spec.dynamic:
                dimension.dim_param = axis
    for key, text in sorted(metadata.items()):
        proto.metadata_props.add(key=key, value=text)


@contextlib.contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Switch off the gradients of the parameters for a while."""
    wanted = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    network.requires_grad_(False)
    try:
        yield
    finally:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(wanted[name])


@contextlib.contextmanager
def folded_for_a_while(network: nn.Module, arguments: Mapping[str, Tensor]) -> Iterator[None]:
    """Fold batch norms for a while; a network that the engine doesn't know is written as it is."""
    parts = dict(network.named_children())
    with contextlib.ExitStack() as stack:
        if {"features", "body"} <= parts.keys():
            with torch.no_grad():
                values = parts["features"](**arguments)
            with contextlib.suppress(ExplainError):
                stack.enter_context(folded(parts["body"], values if isinstance(values, tuple) else (values,)))
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's notes about its own dependencies away from the user; errors still come through."""
    loggers: dict[logging.Logger, Any] = {logging.getLogger(name): logging.getLogger(name).level for name in NOISY}
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in loggers.items():
            logger.setLevel(level)
