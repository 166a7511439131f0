"""A network whose linear maps multiply integers: as many of them as its answers bear, and the tolerance that fits.

Rounding to 256 steps is tried on examples that didn't say between which values the steps lie. Where the tolerance that
follows is looser than a bundle may have, the maps that alone do most harm stay in single precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..bundle.errors import BundleError, ModelError
from ..bundle.signature import LOOSEST
from ..tracing.absorbed import absorbed
from ..tracing.graph import Published
from ..tracing.quantised import LinearMap, dequantised, linear_maps, quantise, to_quantise
from .parity import compare
from .precision import Arrays, How, Lowered, graph_of, some

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from ..models.contract import Model

__all__ = ["MARGIN", "to_int8", "tolerance"]

#: How much larger the tolerance is than the largest difference that was measured on other examples.
MARGIN = 2.0


def tolerance(largest: float, least: float) -> float:
    """Return the tolerance of a graph of integers: `MARGIN` times what was measured, with two digits, rounded up.

    Examples
    --------
    >>> tolerance(0.01234, 1e-4), tolerance(1e-7, 1e-4)
    (0.025, 0.0001)
    """
    wanted = max(least, MARGIN * largest)
    step = 10.0 ** (math.floor(math.log10(wanted)) - 1)
    return float(f"{math.ceil(wanted / step - 1e-9) * step:.2g}")


def to_int8(model: Model, network: nn.Module, examples: tuple[Sequence[Arrays], Sequence[Arrays]], how: How) -> Lowered:
    """Return a network whose linear maps multiply integers.

    Parameters
    ----------
    model, network
        As trained, in evaluation mode.
    examples
        Batches of real examples that say between which values the steps lie, and others to try it on.
    how
        Of the graph.

    Raises
    ------
    ModelError
        If it has no linear maps for that.
    BundleError
        If no choice of them is within the loosest tolerance of a bundle.
    """
    batches, tried = examples
    given = some(batches[0])
    plain = absorbed(network, given)
    graph = graph_of(model, plain, how)
    maps = linear_maps(graph, plain, given)
    chosen = to_quantise(maps, sets=model.inputs[0].set_axis is not None)
    if not chosen:
        why = "none that maps elements without being read by a search for neighbours" if maps else "no linear maps"
        raise ModelError(
            f"export.precision=int8: {model.title} has {why} among the layers that are known; take float16"
        )
    with TemporaryDirectory() as folder:
        trials = _Trials(model, plain, graph, batches, tried, how.temperature, Path(folder))
        best = trials.best(chosen)
    count = sum(len(next(iter(batch.values()))) for batch in tried)
    return Lowered(
        precision="int8",
        network=best.network,
        graph=best.graph,
        before=graph_of(model, network, how),
        maps=tuple(one.layer for one in maps if one in best.maps),
        left=tuple(one.layer for one in maps if one not in best.maps),
        largest=best.largest,
        tried_on=count,
    )


@dataclass(frozen=True)
class _Made:
    """A graph some of whose maps multiply integers, the same weights in PyTorch, and how far their answers differ."""

    maps: Sequence[LinearMap]
    graph: onnx.ModelProto
    network: nn.Module
    largest: float


@dataclass(frozen=True)
class _Trials:
    """Choices among the maps of a graph, each made and tried."""

    model: Model
    plain: nn.Module
    graph: onnx.ModelProto
    batches: Sequence[Arrays]
    tried: Sequence[Arrays]
    temperature: float
    folder: Path

    def best(self, chosen: Sequence[LinearMap]) -> _Made:
        """Return the choice with as many maps as answers bear, least harmful first."""
        made = self._made(chosen)
        if _fits(made):
            return made
        whole = made.largest
        alone = {one: self._made([one]).largest for one in chosen}
        order = sorted(chosen, key=lambda one: alone[one])
        least, most, best = 0, len(order) - 1, None
        while least < most:
            count = (least + most + 1) // 2
            made = self._made(order[:count])
            if _fits(made):
                least, best = count, made
            else:
                most = count - 1
        if best is None:
            raise BundleError(
                f"export.precision=int8: answers to validation examples differ by {whole:.2g} from those of the same "
                f"weights in float32, and by {min(alone.values()):.2g} if a single map is quantised; {MARGIN:g} times "
                f"that is beyond {LOOSEST:g}, the loosest tolerance of a bundle: take float16"
            )
        return best

    def _made(self, chosen: Sequence[LinearMap]) -> _Made:
        given = some(self.batches[0])
        graph, weights = quantise(self.graph, self.batches, chosen, self.folder / "ranges.json")
        network = absorbed(self.plain, given)
        dequantised(network, given, self.graph, chosen, weights)
        path = self.folder / "int8.onnx"
        path.write_bytes(graph.SerializeToString())
        published = Published(self.model, network, self.temperature).eval()
        largest = max(compare(published, path, "validation", batch).largest for batch in self.tried)
        return _Made(chosen, graph, network, largest)


def _fits(made: _Made) -> bool:
    return tolerance(made.largest, 1e-12) <= LOOSEST
