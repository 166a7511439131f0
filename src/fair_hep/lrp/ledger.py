"""The ledger: where every unit of relevance went.

``f = sum(R_input) + R_bias + R_epsilon + R_lost`` for every sample: what is explained, what reached the inputs, what
biases and the stabiliser took, and what empty denominators of a rule dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..bundle.errors import ExplainError

__all__ = ["TOLERANCE", "Book", "Groups", "Ledger", "check_ledger", "on_gradient"]

#: Largest relative error of a ledger that closes.
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def check_ledger(error: float, precision: str) -> None:
    """Refuse relevances that don't add up to what is explained.

    Raises
    ------
    ExplainError
        If the largest error is a hundred times the tolerance of a precision (by its name): that isn't rounding.
    """
    tolerance = TOLERANCE[getattr(torch, precision)]
    if not error <= 100 * tolerance:
        raise ExplainError(
            f"the ledger is open by {error:.1e}, expected at most {tolerance:.0e}: relevance went missing"
        )


def on_gradient(tensor: Tensor, act: Callable[[Tensor], None]) -> None:
    """Call a function with a tensor's gradient when the backward pass reaches it."""
    tensor.register_hook(act)


class Groups:
    """Which sample an entry along the first axis belongs to.

    Parameters
    ----------
    samples
        Number of samples. A tensor's first axis is ``samples`` equal blocks, one after the other: so it is for padded
        sets, whether flattened or not.
    owners
        For graphs of different sizes: sample of every node ``[nodes]``, of every edge ``[edges]``, …; a tensor is
        matched by the length of its first axis. What has a row for each sample, as a pooled tensor has, needs none.

    Raises
    ------
    ExplainError
        If two owners of the same length differ.
    """

    def __init__(self, samples: int, owners: Sequence[Tensor] = ()) -> None:
        self.samples = samples
        self.owners: dict[int, Tensor] = {}
        for owner in [*owners, *(torch.arange(samples, device=owner.device) for owner in owners[:1])]:
            known = self.owners.setdefault(len(owner), owner)
            if samples > 1 and not torch.equal(known, owner):
                raise ExplainError(
                    f"groups: {len(owner)} rows belong to samples in two ways, and a tensor tells only "
                    "how many there are: explain other graphs together, or one at a time"
                )

    def columns(self, values: Tensor) -> Tensor:
        """Sum ``[rows, ..., columns]`` over everything but sample and column: ``[samples, columns]``."""
        columns = values.shape[-1]
        if self.samples == 1:
            return values.reshape(-1, columns).sum(0)[None]
        if self.owners and values.shape[0] in self.owners:
            owner = self.owners[values.shape[0]]
            rows = values.reshape(values.shape[0], -1, columns).sum(1)
            return rows.new_zeros(self.samples, columns).index_add(0, owner, rows)
        if self.owners or values.shape[0] % self.samples:
            raise ExplainError(
                f"a tensor with {values.shape[0]} rows can't be shared among {self.samples} samples: pass groups= with "
                "the sample of every row"
            )
        return values.reshape(self.samples, -1, columns).sum(1)

    def total(self, values: Tensor) -> Tensor:
        """Sum everything but the sample: ``[samples]``."""
        return self.columns(values.reshape(*values.shape, 1) if values.ndim == 1 else values).sum(1)

    def dot(self, first: Tensor, second: Tensor) -> Tensor:
        """Sum the products of two tensors of the same shape for every sample: ``[samples]``."""
        if self.samples == 1 or (not self.owners and first.shape[0] % self.samples == 0):
            # One batched product reads both tensors once and writes nothing between.
            left, right = first.reshape(self.samples, 1, -1), second.reshape(self.samples, -1, 1)
            return (left @ right).reshape(self.samples)
        return self.total(first * second)


@dataclass(frozen=True)
class Ledger:
    """Where the relevance of every sample went, in float64 ``[samples]``.

    Parameters
    ----------
    explained
        What is explained: the chosen combination of outputs, f.
    inputs
        Sum of the relevance of the inputs.
    bias, epsilon, lost
        What biases took, what the stabiliser took, what empty denominators dropped.
    scale
        ``|f| + sum |R_input| + sum |R_bias terms|``, what the error is relative to.
    layers
        What each layer's bias took.
    """

    explained: Tensor
    inputs: Tensor
    bias: Tensor
    epsilon: Tensor
    lost: Tensor
    scale: Tensor
    layers: dict[str, Tensor] = field(default_factory=dict)

    @property
    def error(self) -> Tensor:
        """What is missing, relative to ``scale``: ``[samples]``, 0 where nothing was explained."""
        missing = self.explained - self.inputs - self.bias - self.epsilon - self.lost
        return missing.abs() / self.scale.clamp(min=torch.finfo(torch.float64).tiny)

    def closes(self, dtype: torch.dtype) -> bool:
        """Say whether every sample's error is within the tolerance of the precision used."""
        return bool((self.error <= TOLERANCE[dtype]).all())


@dataclass(frozen=True)
class _Carried:
    """What a layer carried on, summed to ``[samples, channels]``; its bias and its stabiliser, each ``[channels]``."""

    name: str
    columns: Tensor
    bias: Tensor
    epsilon: Tensor


class Book:
    """Where entries are made during one backward pass."""

    def __init__(self, groups: Groups) -> None:
        self.groups = groups
        self.bias = self.epsilon = self.lost = self.scale = torch.zeros((), dtype=torch.float64)
        self.layers: dict[str, Tensor] = {}
        self._carried: list[_Carried] = []

    def take_channels(
        self, name: str, gradient: Tensor, bias: Tensor | None, *, axis: int = -1, epsilon: float = 0.0
    ) -> None:
        """Book the share of a bias ``[channels]`` and ``epsilon`` times all that is carried on; `close` enters it."""
        if bias is None and not epsilon:
            return
        if axis == 1 and gradient.ndim > 2:
            gradient = gradient.flatten(2).sum(2)
        columns = self.groups.columns(gradient)
        nothing = columns.new_zeros(columns.shape[1], dtype=torch.float64)
        taken = nothing if bias is None else bias.double()
        self._carried.append(_Carried(name, columns, taken, nothing + epsilon))

    def take_bias(self, name: str, gradient: Tensor, bias: Tensor) -> None:
        """Book the share of a bias that broadcasts against ``gradient``."""
        product = gradient * bias
        taken = self.groups.total(product).double()
        self._enter(taken, self.groups.total(product.abs()).double())
        self._note(name, taken)

    def take_epsilon(self, amount: Tensor) -> None:
        """Book what a stabiliser took from every sample."""
        self.epsilon = self.epsilon + amount.double()

    def take_lost(self, amount: Tensor) -> None:
        """Book what empty denominators dropped from every sample."""
        self.lost = self.lost + amount.double()

    def close(self, explained: Tensor, relevance: Tensor) -> Ledger:
        """Return the ledger, given what was explained ``[samples]`` and the relevance of the inputs."""
        self._settle()
        total = explained.double()
        inputs = self.groups.total(relevance.double())
        scale = total.abs() + self.groups.total(relevance.double().abs()) + self.scale
        bias, epsilon, lost = (torch.zeros_like(total) + amount for amount in (self.bias, self.epsilon, self.lost))
        return Ledger(total, inputs, bias, epsilon, lost, scale, dict(self.layers))

    def _settle(self) -> None:
        """Enter what layers carried on, all of them at once: many small tensors take longer than a large one."""
        carried, self._carried = self._carried, []
        if not carried:
            return
        columns = torch.cat([entry.columns for entry in carried], 1).double()
        products = columns * torch.cat([entry.bias for entry in carried])
        self.take_epsilon(columns @ torch.cat([entry.epsilon for entry in carried]))
        self._enter(products.sum(1), products.abs().sum(1))
        sizes = [entry.columns.shape[1] for entry in carried]
        for entry, part in zip(carried, products.split(sizes, 1), strict=True):
            self._note(entry.name, part.sum(1))

    def _enter(self, taken: Tensor, size: Tensor) -> None:
        self.bias, self.scale = self.bias + taken, self.scale + size

    def _note(self, name: str, taken: Tensor) -> None:
        self.layers[name] = self.layers[name] + taken if name in self.layers else taken
