"""The relevance of every channel, read off the layers that hear it, while the network is explained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..bundle.errors import ExplainError
from ..nets.channels import layout_of
from .groups import Group

__all__ = ["Heard"]


class Heard:
    """Sums of absolute relevance ``[channels]`` for every group, and for everything that was explained.

    Parameters
    ----------
    body
        The network that is explained.
    groups
        Its groups of channels; each has a layer that hears it.
    """

    def __init__(self, body: nn.Module, groups: Sequence[Group]) -> None:
        self.body, self.groups = body, groups
        self.sums: dict[str, dict[str, Tensor]] = {}

    @contextlib.contextmanager
    def listening(self, name: str) -> Iterator[None]:
        """Add up what flows through channels inside the block; ``name`` says what is explained."""
        sums = self.sums.setdefault(name, {group.name: torch.zeros(group.size) for group in self.groups})
        with contextlib.ExitStack() as stack:
            for group in self.groups:
                member = group.of("inputs")[0]
                layer = self.body.get_submodule(member.layer)
                hook = _hook(sums, group.name, member.places)
                stack.callback(layer.register_forward_pre_hook(hook, with_kwargs=True).remove)
            yield

    def shares(self) -> dict[str, Tensor]:
        """Return for every group what part of its relevance each channel has, in the mean over all explained.

        Raises
        ------
        ExplainError
            If nothing has any relevance.
        """
        shares: dict[str, list[Tensor]] = {group.name: [] for group in self.groups}
        for sums in self.sums.values():
            for name, found in sums.items():
                # A head has none of what another head says.
                if float(found.sum()) > 0:
                    shares[name].append(found / found.sum())
        if not any(shares.values()):
            raise ExplainError(
                "no channel has any relevance: what is explained is constant; is the network trained, and are there "
                "examples that aren't empty?"
            )
        return {
            g.name: torch.stack(shares[g.name]).mean(0) if shares[g.name] else torch.zeros(g.size) for g in self.groups
        }


def _hook(sums: dict[str, Tensor], name: str, places: Tensor) -> Any:
    def note(module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
        values, layout = next(iter((*inputs, *options.values()))), layout_of(module)
        assert layout is not None  # members of groups have one
        if not values.requires_grad:
            return
        with torch._C.DisableTorchFunction():
            activation = values.detach()

            def add(gradient: Tensor) -> None:
                flows = (activation * gradient).abs().movedim(layout.axis, -1)
                sums[name] += flows.reshape(-1, flows.shape[-1]).sum(0)[places].sum(1)

            values.register_hook(add)

    return note
