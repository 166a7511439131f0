"""Fold batch norms into their linear neighbours, and find out where each linear layer stands.

Nothing in the network is changed: a plan holds folded copies of the weights, which live as long as the explanation.
A batch norm is folded into the linear layer before it (also through a concatenation of several), else into all linear
layers after it. One that has neither stands alone as a layer that scales and shifts each channel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from ..bundle.errors import ExplainError
from .calls import AGGREGATIONS, MOVES
from .composites import Position
from .escape import Call, Record
from .maps import Affine, find_affine, is_batch_norm, scale_and_shift

__all__ = ["Fold", "Plan", "make_plan"]


@dataclass(frozen=True)
class Fold:
    """What a batch norm became part of.

    Parameters
    ----------
    layers
        Linear layers; those of a concatenation in order.
    before
        Whether they read the norm, instead of being read by it.
    """

    layers: tuple[nn.Module, ...]
    before: bool


@dataclass(frozen=True)
class Plan:
    """What the record of a forward pass says about the layers.

    Parameters
    ----------
    layers
        Linear layers, folded, by module.
    positions
        Where each linear layer stands.
    folded
        Batch norms that are part of other layers now, and of which.
    direct
        Whether only first layers read the inputs, through calls that move entries (what input rules need).
    """

    layers: Mapping[nn.Module, Affine]
    positions: Mapping[nn.Module, Position]
    folded: Mapping[nn.Module, Fold]
    direct: bool


def make_plan(record: Record, names: Mapping[nn.Module, str], values: int, *, absorb: bool) -> Plan:
    """Read a plan off the record of a forward pass.

    Parameters
    ----------
    record
        The forward pass.
    names
        Names of the modules.
    values
        ``id`` of the tensor whose relevance is wanted.
    absorb
        Whether biases take their share of relevance.
    """
    flow = _Flow(record)
    layers = {module: affine for module, name in names.items() if (affine := find_affine(module, name)) is not None}
    folded: dict[nn.Module, Fold] = {}
    for norm in [module for module in layers if is_batch_norm(module)]:
        back = _fold_back(norm, flow, layers)
        changed = back or _fold_forward(norm, flow, layers)
        if changed:
            layers.update(changed)
            del layers[norm]
            folded[norm] = Fold(tuple(changed), before=not back)
    rectified = {module for module in layers if _is_rectified(module, flow, folded)}
    layers = {m: replace(layer, absorb=absorb, rectified=m in rectified) for m, layer in layers.items()}
    raw = flow.moved(values, folded)
    positions = _positions(record, layers, raw)
    direct = all(
        call.module in folded
        or (call.module in layers and call.inputs[0] in raw)
        or (call.module is None and (call.name in MOVES or call.name == "detach"))
        for call in record.calls
        if raw & set(call.inputs) and (call.active or call.module is not None)
    )
    return Plan(layers, positions, folded, direct)


class _Flow:
    """Who made each tensor and who reads it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.maker: dict[int, Call] = {}
        self.readers: dict[int, list[Call]] = defaultdict(list)
        self.calls: dict[nn.Module, list[Call]] = defaultdict(list)
        for call in record.calls:
            for tensor in set(call.inputs):
                self.readers[tensor].append(call)
            for tensor in call.outputs:
                # A module that hands its input on (a dropout, a place) hasn't made it.
                if tensor not in call.inputs:
                    self.maker.setdefault(tensor, call)
            if call.module is not None:
                self.calls[call.module].append(call)

    def once(self, module: nn.Module) -> Call | None:
        """Return the one call of a module, None if it was called more often (or never)."""
        calls = self.calls[module]
        return calls[0] if len(calls) == 1 else None

    def reads(self, tensor: int) -> list[Call]:
        """Return the calls that read a tensor, without those that hand it on unchanged."""
        return [call for call in self.readers[tensor] if tensor not in call.outputs]

    def makers(self, call: Call) -> list[nn.Module]:
        """Return the modules whose outputs, alone or concatenated, a call reads, if nothing else reads them."""
        source = self.maker.get(call.inputs[0])
        if source is None or self.reads(call.inputs[0]) != [call]:
            return []
        parts: list[Call | None] = [source]
        if source.module is None:
            if source.name not in ("cat", "concat", "concatenate"):
                return []
            parts = [self.maker.get(tensor) if self.reads(tensor) == [source] else None for tensor in source.inputs]
        modules = [part.module for part in parts if part is not None and part.module is not None]
        return modules if len(modules) == len(parts) and all(self.once(module) for module in modules) else []

    def moved(self, tensor: int, folded: Container[nn.Module]) -> set[int]:
        """Return a tensor and everything that is only a rearrangement of it."""
        known = {tensor}
        for call in self.record.calls:
            moves = call.module in folded or (call.module is None and call.name in MOVES)
            if call.active and moves and call.inputs and call.inputs[0] in known:
                known.update(call.outputs)
        return known


def _fold_back(norm: nn.Module, flow: _Flow, layers: Mapping[nn.Module, Affine]) -> dict[nn.Module, Affine] | None:
    """Fold a batch norm into the layer (or the concatenated layers) that it normalises, if nothing else reads them."""
    call = flow.once(norm)
    if call is None:
        return None
    known = [(module, layers[module]) for module in flow.makers(call) if module in layers]
    scale, shift = scale_and_shift(norm)
    sizes = [layer.factors[0].shape[0] for _, layer in known]
    if not known or sum(sizes) != len(scale) or any(layer.diagonal for _, layer in known):
        return None
    pieces = zip(known, torch.split(scale, sizes), torch.split(shift, sizes), strict=True)
    return {module: layer.after(s, t) for (module, layer), s, t in pieces}


def _fold_forward(norm: nn.Module, flow: _Flow, layers: Mapping[nn.Module, Affine]) -> dict[nn.Module, Affine] | None:
    """Fold a batch norm into all linear layers that read it, if nothing else does."""
    call = flow.once(norm)
    if call is None or len(call.outputs) != 1:
        return None
    readers = flow.reads(call.outputs[0])
    if not readers:
        return None
    scale, shift = scale_and_shift(norm)
    changed = {}
    for reader in readers:
        layer = layers.get(reader.module) if reader.module is not None else None
        if layer is None or reader.module is None or not flow.once(reader.module):
            return None
        fits = layer.pointwise and not layer.diagonal and layer.factors[0].shape[1] == len(scale)
        if not fits or reader.inputs[0] != call.outputs[0]:
            return None
        changed[reader.module] = layer.before(scale, shift)
    return changed


def _is_rectified(module: nn.Module, flow: _Flow, folded: Container[nn.Module]) -> bool:
    """Say whether the output of every call of a layer goes into one ReLU and nowhere else."""
    for call in flow.calls[module]:
        readers = flow.reads(call.outputs[0])
        while len(readers) == 1 and readers[0].module in folded:
            readers = flow.reads(readers[0].outputs[0])
        if len(readers) != 1 or type(readers[0].module) is not nn.ReLU:
            return False
    return bool(flow.calls[module])


def _positions(record: Record, layers: Mapping[nn.Module, Affine], raw: set[int]) -> dict[nn.Module, Position]:
    last = max((n for n, call in enumerate(record.calls) if _aggregates(call)), default=-1)
    positions: dict[nn.Module, Position] = {}
    for number, call in enumerate(record.calls):
        if call.module in layers and call.module is not None:
            first = bool(call.inputs) and call.inputs[0] in raw
            positions[call.module] = "first" if first else "head" if number > last else "body"
    return positions


def _aggregates(call: Call) -> bool:
    if call.module is None:
        return call.active and call.name in AGGREGATIONS
    return isinstance(call.module, nn.AdaptiveAvgPool1d | nn.AdaptiveMaxPool1d | nn.AvgPool1d | nn.MaxPool1d)


def same_output(plain: torch.Tensor, explained: torch.Tensor) -> None:
    """Refuse to go on if the explained network isn't the plain one.

    Raises
    ------
    ExplainError
        If outputs differ by more than rounding. Samples whose graph flips on a near-tie are few; if more than one in
        five differ, something else is wrong.
    """
    tolerance = 1e-9 if plain.dtype == torch.float64 else 1e-3
    rows = (plain - explained).abs().reshape(plain.shape[0], -1).amax(1)
    wrong = rows > tolerance * (1.0 + plain.abs().amax())
    largest = float(rows.amax())
    if int(wrong.sum()) > max(1, len(wrong) // 5) or (len(wrong) < 2 and largest > 0.1):
        raise ExplainError(
            f"the explained network gives other outputs than the plain one (largest difference {largest:.3g}): "
            "a module changes its behaviour while it is watched"
        )
