"""Relevance propagation by its textbook formulas, in float64: slow, short, and independent of the engine.

Every rule is written with the contributions ``z_jk = a_j w_jk`` of single inputs to single outputs; nothing here uses
autograd. What tests compare the engine with.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["batch_norm", "linear", "passed", "shared"]


def stabilised(values: Tensor, epsilon: float) -> Tensor:
    """Add ``epsilon sign(z)``, with sign(0) = +1."""
    return values + epsilon * torch.where(values >= 0, 1.0, -1.0)


def divided(relevance: Tensor, whole: Tensor, epsilon: float) -> Tensor:
    """Divide, and give 0 where there is nothing to divide by."""
    return torch.where(whole == 0, 0.0, relevance / stabilised(torch.where(whole == 0, 1.0, whole), epsilon))


def linear(
    rule: str,
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    relevance: Tensor,
    *,
    epsilon: float = 1e-6,
    gamma: float = 0.25,
    bounds: tuple[float, float] = (-1.0, 1.0),
    absorb: bool = True,
) -> Tensor:
    """Return the relevance of ``inputs`` ``[rows, in]``, given that of ``inputs @ weight.T + bias`` ``[rows, out]``."""
    contributions = inputs[:, :, None] * weight.T[None]
    offset = torch.zeros(weight.shape[0], dtype=inputs.dtype) if bias is None else bias
    output = contributions.sum(1) + offset
    taken = offset if absorb else torch.zeros_like(offset)
    if rule in ("epsilon", "lrp-0"):
        if rule == "lrp-0":
            epsilon = 0.0
        whole = contributions.sum(1) + taken
        return (contributions * (relevance / stabilised(whole, epsilon))[:, None, :]).sum(2)
    plus, minus = contributions.clamp(min=0), contributions.clamp(max=0)
    if rule == "gamma":
        up = (output > 0)[:, None, :]
        favoured = contributions + gamma * torch.where(up, plus, minus)
        with_bias = taken + gamma * torch.where(output > 0, taken.clamp(min=0), taken.clamp(max=0))
        whole = favoured.sum(1) + with_bias
        return (favoured * divided(relevance, whole, epsilon)[:, None, :]).sum(2)
    if rule in ("alpha2-beta1", "plus"):
        alpha, beta = (2.0, 1.0) if rule == "alpha2-beta1" else (1.0, 0.0)
        first = divided(alpha * relevance, plus.sum(1) + taken.clamp(min=0), epsilon)
        second = divided(beta * relevance, minus.sum(1) + taken.clamp(max=0), epsilon)
        return (plus * first[:, None, :] - minus * second[:, None, :]).sum(2)
    if rule == "wsquare":
        contributions = (weight.T**2)[None].expand_as(contributions)
    elif rule == "flat":
        contributions = torch.ones_like(contributions)
    elif rule == "box":
        low, high = bounds
        contributions = contributions - low * weight.T.clamp(min=0)[None] - high * weight.T.clamp(max=0)[None]
    else:
        raise ValueError(rule)
    return (contributions * divided(relevance, contributions.sum(1), epsilon)[:, None, :]).sum(2)


def passed(relevance: Tensor, output: Tensor) -> Tensor:
    """Return the relevance before an element-wise function: the same, or none where the function gave 0."""
    return torch.where(output == 0, 0.0, relevance)


def shared(relevance: Tensor, parts: list[Tensor]) -> list[Tensor]:
    """Return the relevance of summands in proportion to their values (LRP-0 of a sum)."""
    total = torch.stack(parts).sum(0)
    scale = torch.where(total == 0, 0.0, relevance / torch.where(total == 0, 1.0, total))
    return [part * scale for part in parts]


def batch_norm(norm: torch.nn.Module) -> tuple[Tensor, Tensor]:
    """Return a batch norm as ``x * scale + shift``."""
    values = {name: tensor.detach() for name, tensor in norm.state_dict().items()}
    scale = values["weight"] / torch.sqrt(values["running_var"] + norm.eps)
    return scale, values["bias"] - values["running_mean"] * scale
