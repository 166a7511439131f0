"""Whether a graph holds for sets of every size: torch notes what it took for granted of the sizes that it saw.

A network that cuts its sets, or treats large ones otherwise, is recorded as it went for the sizes at hand. Parity tries
sets of 1, 2 and up to 200 elements, and can't see what happens beyond.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..bundle.errors import ModelError

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import GraphModule

    from ..bundle import TensorSpec

__all__ = ["hold_program", "hold_recorded"]

#: Sizes that are put into what was assumed.
TRIED = (2, 3, 1000, 10**6)
ADVICE = "write the network so that it does the same for sets of every size"


def hold_program(program: ExportedProgram, inputs: Sequence[TensorSpec], name: str) -> None:
    """Check what ``torch.export`` noted of the free axes of the inputs.

    Raises
    ------
    ModelError
        If one is fixed, or was narrowed to a range.
    """
    values = {node.name: node.meta["val"] for node in program.graph.find_nodes(op="placeholder")}
    given = [values[user] for user in program.graph_signature.user_inputs]
    for axis, size in _free(given, inputs, name):
        known = program.range_constraints.get(size)
        # Parity tries 1 and 2.
        if known is not None and (known.lower > 2 or known.upper < TRIED[-1]):
            upper = f"to {known.upper}" if known.upper < TRIED[-1] else "or more"
            raise ModelError(f"{name}: holds for {known.lower} {upper} {axis} only: {ADVICE}")


def hold_recorded(graph: GraphModule, inputs: Sequence[TensorSpec], name: str) -> None:
    """Check what ``make_fx`` decided on the way by the sizes of its example.

    Raises
    ------
    ModelError
        If a free axis is fixed, or sets of another size would have gone another way.
    """
    import sympy

    environment: Any = graph.shape_env
    given = [node.meta["val"] for node in graph.graph.find_nodes(op="placeholder")]
    symbols = {size: axis for axis, size in _free(given, inputs, name)}
    for sizes in itertools.product(TRIED, repeat=len(symbols)):
        tried = dict(zip(symbols, sizes, strict=True))
        for guard in environment.guards:
            if environment.replace(guard.expr).xreplace(tried) is sympy.false:
                sizes_tried = ", ".join(f"{size} {symbols[symbol]}" for symbol, size in tried.items())
                assumed = environment.replace(guard.expr).xreplace({s: sympy.Symbol(symbols[s]) for s in symbols})
                raise ModelError(f"{name}: takes {assumed} for granted, which isn't so for {sizes_tried}: {ADVICE}")


def _free(given: Sequence[Any], inputs: Sequence[TensorSpec], name: str) -> Iterator[tuple[str, Any]]:
    """Give every free axis with the symbol of its size."""
    for value, spec in zip(given, inputs, strict=True):
        for axis, size in zip(spec.axes, value.shape, strict=True):
            if axis not in spec.dynamic:
                continue
            if isinstance(size, int) or size.node.expr.is_number:
                raise ModelError(f"{name}: the number of {axis} is fixed at {size} on the way: {ADVICE}")
            yield axis, size.node.expr
