"""Channels that stay or go together: a layer's outputs, and the inputs of all layers that read them.

Which these are follows from one pass of the network, by the dependency graph of torch-pruning (Fang et al., "DepGraph:
towards any structural pruning", CVPR 2023, arXiv:2301.12900).
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..bundle.errors import ModelError
from ..nets.channels import heads_of, narrowed, silence, sizes_of
from .traced import Traced, unknown_layers

__all__ = ["Group", "Member", "Removed", "find_groups", "silenced", "without"]

#: For each group, by its name, the channels that are taken out.
Removed = Mapping[str, Tensor]


@dataclass(frozen=True)
class Member:
    """One side of a layer that belongs to a group.

    Parameters
    ----------
    layer
        Name within the body.
    side
        Which channels of the layer belong to the group: those that enter, or those that leave.
    places
        For each channel of the group which ones it is there ``[channels, times]``: one, or one in every head.
    """

    layer: str
    side: Literal["inputs", "outputs"]
    places: Tensor


@dataclass(frozen=True)
class Group:
    """Channels that stay or go together; ``name`` is the first layer that makes them."""

    name: str
    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        """How many channels there are."""
        return len(self.members[0].places)

    def of(self, side: Literal["inputs", "outputs"]) -> tuple[Member, ...]:
        """Return the members whose channels leave a layer, or enter one."""
        return tuple(member for member in self.members if member.side == side)


def find_groups(body: nn.Module, features: Sequence[Any], *, keep: Sequence[str] = ()) -> tuple[Group, ...]:
    """Find which channels can go, and which go together.

    Parameters
    ----------
    body
        Network in evaluation mode; it isn't changed.
    features
        What it takes: tensors of some real examples, the first one the features.
    keep
        Names of layers whose channels stay, and of what these lie in.

    Returns
    -------
    groups
        Those whose channels can go: not those of features and outputs, nor of what explanations hold constant.

    Raises
    ------
    ModelError
        If there is nothing to prune, of a layer that isn't kept nobody told where it has its channels
        (`fair_hep.nets.channels.register`), or they can't be followed through the network.
    """
    kept = tuple(name for name, _ in body.named_modules() if any(_within(name, one) for one in keep))
    traced = Traced(body, features[0].shape[-1], unknown_layers(body, kept))
    graph, found = _dependencies(traced, features)
    groups = (_group(graph, traced, group) for group in found)
    free = tuple(group for group in groups if group is not None and not {m.layer for m in group.members} & set(kept))
    if not free:
        raise ModelError("there is nothing to prune: every channel belongs to features, to outputs, or is kept")
    return free


def _dependencies(traced: Traced, features: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Return the dependency graph, and its groups as torch-pruning gives them."""
    import torch_pruning

    graph = torch_pruning.DependencyGraph()
    with warnings.catch_warnings():
        # What isn't a layer moves channels about; whether it does is checked by `verified.apart`.
        warnings.filterwarnings("ignore", category=UserWarning)
        try:
            graph.build_dependency(
                traced,
                tuple(features),
                forward_fn=lambda module, inputs: module(*inputs),
                customized_pruners=traced.pruners(),
                verbose=False,
            )
            return graph, list(graph.get_all_groups(root_module_types=traced.roots()))
        except Exception as error:  # whatever torch-pruning meets in a network that it can't follow
            text = " ".join(str(error).split())[:200] or "without a word"
            raise ModelError(
                f"torch-pruning can't follow the channels of this network: {type(error).__name__}: {text}"
            ) from error


def _within(name: str, whole: str) -> bool:
    return name == whole or name.startswith(f"{whole}.")


def _group(graph: Any, traced: Traced, found: Any) -> Group | None:
    """Read a group of torch-pruning; None if some of its channels must stay."""
    members, ties, names, watched = [], [], traced.names(), traced.watched
    for item in found:
        node = item.dep.target
        fixed = isinstance(node.module, nn.Parameter) or node.module in traced.fixed
        if fixed or node.type == graph.ops.OPTYPE.OUTPUT or node.grad_fn in watched.products:
            return None
        known = node.module in names
        before, after = watched.reshaped.get(node.grad_fn, (0, 0))
        if not known and before == after:
            continue
        places = _places(item, len(found[0].idxs))
        if places is None:
            return None  # some of the channels only: what is split or joined otherwise stays as it is
        if known:
            leaves = graph.is_out_channel_pruning_fn(item.dep.handler)
            member = Member(names[node.module], "outputs" if leaves else "inputs", places)
            members.append(member)
            layer = traced.layers[member.layer]
            if leaves and heads_of(layer) > 1:
                ties.append((places, sizes_of(layer)[1] // heads_of(layer)))
        elif before == len(item.idxs) and before % after == 0:
            ties.append((places, after))  # cut into heads
        elif after != len(item.idxs) or after % before:
            return None  # neither that nor heads that are joined again
    return _joined(members, ties)


def _places(item: Any, size: int) -> Tensor | None:
    """Return for each channel where it is ``[channels, times]``; None if it isn't as often there as the others."""
    times = len(item.idxs) // size
    pairs = sorted(zip(item.root_idxs, item.idxs, strict=True))
    if [root for root, _ in pairs] != [channel for channel in range(size) for _ in range(times)]:
        return None
    return torch.tensor([place for _, place in pairs]).reshape(size, times)


def _joined(members: Sequence[Member], ties: Sequence[tuple[Tensor, int]]) -> Group | None:
    """Make one channel of those that go together, as they have the same number in all heads of so many channels."""
    first = torch.arange(len(members[0].places))
    before = None
    while before is None or not before.equal(first):
        before = first
        for places, size in ties:
            here = (places % size)[:, 0]
            first = torch.full((size,), len(first)).scatter_reduce(0, here, first, "amin")[here]
    names, times = first.unique(return_counts=True)
    if len(times.unique()) > 1:
        return None  # heads of one layer cut across those of another
    order = first.argsort(stable=True).reshape(len(names), -1)
    joined = (Member(member.layer, member.side, member.places[order].flatten(1)) for member in members)
    return Group(members[0].layer, tuple(joined))


def without(body: nn.Module, groups: Sequence[Group], removed: Removed) -> nn.Module:
    """Return a copy of a body without some of the channels of its groups."""
    made = copy.deepcopy(body)
    for name, sides in _staying(body, groups, removed).items():
        inputs, outputs = (sides[side].nonzero()[:, 0] for side in ("inputs", "outputs"))
        made.set_submodule(name, narrowed(body.get_submodule(name), inputs, outputs))
    return made


def silenced(body: nn.Module, groups: Sequence[Group], removed: Removed) -> nn.Module:
    """Return a copy of a body whose layers don't hear some channels of its groups: its weights on them are 0."""
    made = copy.deepcopy(body)
    for name, sides in _staying(body, groups, removed).items():
        inputs, outputs = ((~sides[side]).nonzero()[:, 0] for side in ("inputs", "outputs"))
        silence(made.get_submodule(name), inputs, outputs)
    return made


def _staying(body: nn.Module, groups: Sequence[Group], removed: Removed) -> dict[str, dict[str, Tensor]]:
    """Return for both sides of every layer that loses channels which ones stay."""
    stay: dict[str, dict[str, Tensor]] = {}
    for group in groups:
        gone = removed.get(group.name)
        if gone is None or not len(gone):
            continue
        for member in group.members:
            if member.layer not in stay:
                sizes = sizes_of(body.get_submodule(member.layer))
                both = zip(("inputs", "outputs"), sizes, strict=True)
                stay[member.layer] = {side: torch.ones(size, dtype=torch.bool) for side, size in both}
            stay[member.layer][member.side][member.places[gone]] = False
    return stay
