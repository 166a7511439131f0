"""By how many threads numbers are added up, and in which order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

__all__ = ["reproducible", "threads"]


@contextlib.contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Sum gradients in one order inside the block, on a CPU: it costs nothing there.

    Otherwise the threads of a CPU add what a gather gives back in the order in which they come by, and two trainings
    differ in their last digits. A GPU keeps its faster ways.
    """
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Use ``count`` threads of torch inside the block; 0 leaves the number as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
