"""What can be explained: checks of network, values, outputs and target, each with one line that says what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ..bundle.errors import ExplainError
from .maps import find_affine
from .treatments import find_treatment

__all__ = [
    "Target",
    "check_module",
    "check_output",
    "check_values",
    "is_plain_leaf",
    "joined",
    "target_weights",
    "without_rule",
]

Target: TypeAlias = Tensor | Sequence[float] | int


def check_module(names: Mapping[nn.Module, str], ruled: Collection[nn.Module], places: Iterable[str]) -> None:
    """Refuse a network in training mode or half precision, a module without a rule, and a place that isn't there."""
    known = set(names.values())
    for name in places:
        if name not in known:
            raise ExplainError(f"place {name!r}: the network has no module of that name")
    for module, name in names.items():
        if module.training:
            raise ExplainError(f"the network is in training mode ({name or 'itself'!r}): call eval() first")
        if module not in ruled and not any(module.children()) and _needs_rule(module):
            raise ExplainError(
                f"module {name!r} of type {type(module).__name__} has no rule: fair_hep.lrp.register (a function of "
                "activations) or fair_hep.lrp.register_linear (a linear layer) adds one"
            )
        for part, parameter in module.named_parameters(name, recurse=False):
            if parameter.dtype not in (torch.float32, torch.float64):
                raise ExplainError(f"weight {part!r} is {parameter.dtype}: expected float32 or float64, call float()")


def check_values(values: Any, weights: Iterable[tuple[str, Tensor]]) -> None:
    """Refuse values that aren't finite numbers, or don't fit the weights."""
    if not isinstance(values, Tensor) or values.dtype not in (torch.float32, torch.float64):
        got = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise ExplainError(f"values to explain: got {got}, expected a float32 or float64 tensor")
    if values.numel() == 0:
        raise ExplainError(f"values to explain: got an empty tensor of shape {tuple(values.shape)}")
    if not bool(torch.isfinite(values).all()):
        bad = int((~torch.isfinite(values)).reshape(len(values), -1).any(1).nonzero()[0])
        raise ExplainError(f"values to explain: row {bad} holds NaN or infinity, expected finite numbers")
    for name, parameter in weights:
        if parameter.device != values.device:
            raise ExplainError(
                f"values are on {values.device}, weight {name!r} on {parameter.device}: move one of them"
            )
        if parameter.dtype != values.dtype:
            raise ExplainError(f"values are {values.dtype}, weight {name!r} is {parameter.dtype}: convert one")


def check_output(output: Any, infinite: Sequence[str] = ()) -> None:
    """Refuse outputs that aren't finite tensors; ``infinite`` names the first module that gave no finite ones."""
    if not isinstance(output, Tensor):
        raise ExplainError(
            f"the network returned {type(output).__name__}: expected raw outputs, one tensor or several with the "
            "same axes but the last"
        )
    if not output.requires_grad:
        raise ExplainError("the output doesn't depend on the values to explain")
    if not bool(torch.isfinite(output).all()):
        where = f", first after {infinite[0]!r}" if infinite else ""
        raise ExplainError(f"an activation isn't finite (NaN or infinity){where}: look at inputs and weights")


def joined(output: Any) -> Any:
    """Join several outputs along the last axis: one target weighs them all."""
    parts = output if isinstance(output, tuple | list) else ()
    if not parts or not all(isinstance(part, Tensor) and part.ndim for part in parts):
        return output
    return torch.cat(list(parts), -1) if all(part.shape[:-1] == parts[0].shape[:-1] for part in parts) else output


def is_plain_leaf(module: nn.Module) -> bool:
    """Say whether a module has neither parts nor anything that needs a rule."""
    return not any(module.children()) and not _needs_rule(module)


def without_rule(network: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return the modules of a network that need a rule and have none, with their names."""
    return [
        (module, name)
        for name, module in network.named_modules()
        if not any(module.children())
        and _needs_rule(module)
        and find_treatment(module) is None
        and find_affine(module, "") is None
    ]


def _needs_rule(module: nn.Module) -> bool:
    """Say whether a leaf module can hide something: it owns tensors or is torch's; others are watched by call."""
    if isinstance(module, nn.ModuleList | nn.ModuleDict):
        return False  # an empty list of layers does nothing
    owns = any(True for _ in module.parameters(recurse=False)) or any(True for _ in module.buffers(recurse=False))
    return owns or type(module).__module__.startswith("torch.nn") or isinstance(module, torch.jit.ScriptModule)


def target_weights(target: Target, output: Tensor, samples: int) -> Tensor:
    """Return the weights of what is explained, ``[samples, outputs]``."""
    columns = output.numel() // samples
    last = output.shape[-1] if output.ndim > 2 else 0
    if isinstance(target, int):
        if not 0 <= target < columns:
            raise ExplainError(f"output {target} doesn't exist: expected 0 to {columns - 1}")
        weights = output.new_zeros(columns)
        weights[target] = 1.0
    else:
        weights = torch.as_tensor(target, dtype=output.dtype, device=output.device)
    if weights.shape == output.shape:
        weights = weights.reshape(samples, columns)
    if last and tuple(weights.shape) in ((last,), (1, last)):
        weights = weights.reshape(-1).repeat(columns // last)
    if tuple(weights.shape) not in ((columns,), (1, columns), (samples, columns)):
        raise ExplainError(
            f"target: got weights of shape {tuple(weights.shape)}, expected ({columns},) or ({samples}, {columns})"
        )
    if not bool(torch.isfinite(weights).all()):
        raise ExplainError("target: weights must be finite")
    return weights.expand(samples, columns)
