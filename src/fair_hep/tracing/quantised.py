"""Linear maps with eight bits: a graph by ONNX Runtime's own tool, and the network that has the same weights.

Every map whose weights are known rounds what enters it to 256 steps between the lowest and the highest value that
real examples gave, multiplies integers, and gives single precision again. Weights are rounded symmetrically, for every
output on a scale of its own, to seven bits: with eight, processors without instructions for it (AVX2 alone) would
saturate, and give other answers than those that have them.

What a search for neighbours reads stays in single precision: a choice among candidates that are nearly as good is what
rounding changes first, and everything behind it with it. So do maps of a whole set, behind the sum over its elements:
they are a small part of the work, and nothing averages what they round.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import tempfile
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..bundle.errors import ModelError
from ..bundle.session import compute, session
from .absorbed import matrices, put

if TYPE_CHECKING:
    import onnx
    from torch import Tensor, nn

__all__ = ["LinearMap", "dequantised", "linear_maps", "quantise", "to_quantise"]

#: Operators that multiply with weights.
_MAPS = ("MatMul", "Gemm")


@dataclass(frozen=True)
class LinearMap:
    """A node of a graph that multiplies with the weights of a network's layer.

    Parameters
    ----------
    layer, node, weight
        Names of the layer, of the node and of its weights.
    transposed
        Whether they are stored as ``[outputs, inputs]``.
    searched
        Whether a search for neighbours reads what the node gives, directly or through others.
    rows
        How many rows it maps for each example.
    """

    layer: str
    node: str
    weight: str
    transposed: bool
    searched: bool
    rows: float


def linear_maps(proto: onnx.ModelProto, network: nn.Module, inputs: Mapping[str, Tensor]) -> list[LinearMap]:
    """Return the nodes of a graph that multiply with weights of a network's layers, in order.

    Parameters
    ----------
    proto
        The graph of the network, in single precision.
    network, inputs
        The network, and a real batch, in which rows are counted.
    """
    names = {module: name for name, module in network.named_modules()}
    layers = {
        _key(factor.numpy()): names[layer] for layer, factors in matrices(network, inputs).items() for factor in factors
    }
    weights, read, found = _floats(proto), _ancestors(proto, "TopK"), []
    rows = _rows(proto, inputs)
    for node in proto.graph.node:
        matrix = weights.get(node.input[1]) if node.op_type in _MAPS else None
        if matrix is None:
            continue
        transposed = any(one.name == "transB" and one.i for one in node.attribute)
        layer = layers.get(_key(matrix if transposed else matrix.T))
        if layer is not None:
            found.append(LinearMap(layer, node.name, node.input[1], transposed, node.name in read, rows[node.name]))
    return found


def _floats(proto: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return the matrices among the constants of a graph."""
    from onnx import TensorProto, numpy_helper

    return {
        one.name: numpy_helper.to_array(one)
        for one in proto.graph.initializer
        if one.data_type == TensorProto.FLOAT and len(one.dims) == 2
    }


def _rows(proto: onnx.ModelProto, inputs: Mapping[str, Tensor]) -> dict[str, float]:
    """Return how many rows every product of matrices gives for an example of a batch, by the name of its node."""
    import onnx

    probed = copy.deepcopy(proto)
    nodes = [node for node in probed.graph.node if node.op_type in _MAPS]
    known = {value.name for value in probed.graph.output}
    for node in nodes:
        if node.output[0] not in known:
            value = onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None)
            probed.graph.output.append(value)
    arrays = {name: values.numpy() for name, values in inputs.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probed.onnx"
        onnx.save_model(probed, path)
        found = compute(session(path, threads=1), [node.output[0] for node in nodes], arrays)
    examples = len(next(iter(arrays.values())))
    return {node.name: found[node.output[0]].size / found[node.output[0]].shape[-1] / examples for node in nodes}


def _ancestors(proto: onnx.ModelProto, kind: str) -> set[str]:
    """Return the names of the nodes whose outputs reach a node of some kind."""
    makers = {name: node for node in proto.graph.node for name in node.output}
    todo = [name for node in proto.graph.node if node.op_type == kind for name in node.input]
    found: set[str] = set()
    while todo:
        node = makers.get(todo.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            todo += node.input
    return found


def to_quantise(maps: Sequence[LinearMap], *, sets: bool) -> list[LinearMap]:
    """Return the maps to quantise: what no search reads, and where examples are sets, what maps their elements."""
    return [one for one in maps if not one.searched and (one.rows > 1 or not sets)]


class _Reader:
    """Gives batches one by one, as ONNX Runtime's tool asks for them."""

    def __init__(self, batches: Sequence[Mapping[str, np.ndarray]]) -> None:
        self._rest = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._rest, None)
        return None if batch is None else dict(batch)


def quantise(
    plain: onnx.ModelProto,
    batches: Sequence[Mapping[str, np.ndarray]],
    maps: Sequence[LinearMap],
    ranges: Path | None = None,
) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """Return a graph some of whose maps work with eight bits, and their weights as they are now, by name.

    Parameters
    ----------
    plain
        The graph in single precision.
    batches
        Real examples, which say between which values the steps lie.
    maps
        Which of `linear_maps`.
    ranges
        File that keeps between which values the steps lie, for other choices among the maps of the same graph.

    Raises
    ------
    ModelError
        If ONNX Runtime's tool can't do it.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    CalibrationDataReader.register(_Reader)
    with tempfile.TemporaryDirectory() as folder, _silent():
        path, written = (Path(folder) / name for name in ("plain.onnx", "quantised.onnx"))
        onnx.save_model(_apart(plain), path)
        try:
            quantize_static(
                path,
                written,
                _Reader(batches),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(_MAPS),
                nodes_to_quantize=[one.node for one in maps],
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibration_cache_path=ranges,
                extra_options={"OpTypesToExcludeOutputQuantization": list(_MAPS), "MatMulConstBOnly": True},
            )
        except Exception as error:  # the tool's errors have no common base
            line = " ".join(str(error).split())[:300]
            raise ModelError(f"export.precision=int8: ONNX Runtime's tool can't quantise the graph: {line}") from error
        proto = _joined(onnx.load(written), {one.node for one in maps})
    return proto, _weights(proto, maps)


#: What a tensor is called that only maps read, which are quantised.
_ROUNDED = "_rounded"


def _apart(plain: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph in which products of matrices read a copy of what they read.

    ONNX Runtime's tool lets everybody read what it has rounded for one: a search for neighbours would read it too.
    """
    import onnx

    made = copy.deepcopy(plain)
    nodes, known = [], set()
    for node in made.graph.node:
        if node.op_type in _MAPS:
            source = node.input[0]
            if source not in known:
                nodes.append(onnx.helper.make_node("Identity", [source], [source + _ROUNDED], name=source + _ROUNDED))
                known.add(source)
            node.input[0] = source + _ROUNDED
        nodes.append(node)
    nodes = [copy.deepcopy(node) for node in nodes]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


def _joined(made: onnx.ModelProto, names: Container[str]) -> onnx.ModelProto:
    """Take the copies out again: what rounds them reads what they were copied from, and so does who isn't quantised."""
    copies = {node.output[0]: node.input[0] for node in made.graph.node if node.name.endswith(_ROUNDED)}
    nodes = [copy.deepcopy(node) for node in made.graph.node if not node.name.endswith(_ROUNDED)]
    makers = {node.output[0]: node for node in nodes}
    for node in nodes:
        # A copy is shared by all who read the same: of these, some may not be quantised.
        if node.op_type in _MAPS and node.name not in names:
            node.input[0] = _unrounded(node.input[0], makers)
        for place, name in enumerate(node.input):
            node.input[place] = copies.get(name, name)
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


def _unrounded(name: str, makers: Mapping[str, onnx.NodeProto]) -> str:
    """Return what was rounded, if a tensor is that; else its own name."""
    for kind in ("DequantizeLinear", "QuantizeLinear"):
        node = makers.get(name)
        if node is None or node.op_type != kind:
            break
        name = node.input[0]
    return name


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep the tool's advice, given to the root logger, away from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _weights(proto: onnx.ModelProto, maps: Sequence[LinearMap]) -> dict[str, np.ndarray]:
    """Return the weights that a quantised graph multiplies with, by the names that they had."""
    from onnx import numpy_helper

    stored = {one.name: one for one in proto.graph.initializer}
    makers = {name: node for node in proto.graph.node for name in node.output}
    nodes = {node.name: node for node in proto.graph.node}
    found = {}
    for one in maps:
        reads = makers[nodes[one.node].input[1]]
        whole, scale = (numpy_helper.to_array(stored[name]) for name in reads.input[:2])
        # Symmetric: a zero point other than 0 would be a surprise.
        wide = scale[:, None] if one.transposed else scale[None, :]
        found[one.weight] = (whole.astype(np.float32) * wide).astype(np.float32)
    return found


def dequantised(
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    proto: onnx.ModelProto,
    maps: Sequence[LinearMap],
    weights: Mapping[str, np.ndarray],
) -> None:
    """Give a network the weights that its quantised graph multiplies with.

    Parameters
    ----------
    network, inputs
        What was exported, and a real batch.
    proto
        The graph in single precision.
    maps, weights
        What was quantised of it, and to what.
    """
    before = _floats(proto)
    new: dict[tuple[Any, ...], np.ndarray] = {}
    for one in maps:
        old, now = before[one.weight], weights[one.weight]
        new[_key(old if one.transposed else old.T)] = now if one.transposed else now.T
    for layer, factors in matrices(network, inputs).items():
        found = [new.get(_key(factor.numpy())) for factor in factors]
        if any(matrix is not None for matrix in found):
            changed = (
                factor if matrix is None else torch.from_numpy(np.ascontiguousarray(matrix))
                for factor, matrix in zip(factors, found, strict=True)
            )
            put(layer, tuple(changed))


def _key(matrix: np.ndarray) -> tuple[Any, ...]:
    """Return what tells one matrix from another: its numbers."""
    return matrix.shape, np.ascontiguousarray(matrix).tobytes()
