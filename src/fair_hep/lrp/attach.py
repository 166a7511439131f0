"""Attach rules to the modules of a network for a while, and take them off again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from .escape import tensors_in

__all__ = ["hold", "replace", "trusting", "unwatched_if_constant"]


def trusting(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Hide a ruled module's own calls from the watch."""

    def trusting(*inputs: Any, **options: Any) -> Any:
        with torch._C.DisableTorchFunction():
            return forward(*inputs, **options)

    return trusting


def unwatched_if_constant(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Don't watch a module that is given no activation, such as a search for neighbours: it is only slower."""

    def unwatched(*inputs: Any, **options: Any) -> Any:
        if any(tensor.requires_grad for tensor in tensors_in((inputs, options))):
            return forward(*inputs, **options)
        with torch._C.DisableTorchFunction(), torch.no_grad():
            return forward(*inputs, **options)

    return unwatched


def replace(stack: contextlib.ExitStack, module: nn.Module, name: str, function: Callable[..., Any]) -> None:
    """Replace a method of one module; the stack puts the old one back."""
    before = module.__dict__.get(name)
    module.__dict__[name] = function
    if before is None:
        stack.callback(module.__dict__.pop, name)
    else:
        stack.callback(module.__dict__.__setitem__, name, before)


def hold(stack: contextlib.ExitStack, module: nn.Module, name: str) -> None:
    """Take what a method or a submodule gives as constant."""
    part = getattr(module, name)
    owner, method = (part, "forward") if isinstance(part, nn.Module) else (module, name)
    function = getattr(owner, method)

    def held(*inputs: Any, **options: Any) -> Any:
        with torch._C.DisableTorchFunction(), torch.no_grad():
            return function(*inputs, **options)

    replace(stack, owner, method, held)
