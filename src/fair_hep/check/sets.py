"""Checks of sets: any number of elements, in any order, with any padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .trial import TOLERANCE, Broken, Trial, difference, promise

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["any_size", "order_ignored", "padding_ignored"]


@promise("take sizes from the tensors, and let sums, maxima and top-k stand on few elements or none")
def any_size(trial: Trial) -> None:
    """One example, one element, many of both: every size works."""
    network, batch = trial.network(), trial.batch(5)
    for examples in (1, 5):
        for elements in (1, 2, None):
            part = {
                spec.name: batch[spec.name][:examples, :elements] if spec.set_axis else batch[spec.name][:examples]
                for spec in trial.model.inputs
                if spec.name in batch and not spec.optional
            }
            size = f"{examples} examples with {elements or 'all'} elements"
            try:
                found = network(**part)
            except (RuntimeError, IndexError, ValueError) as error:
                raise Broken(f"{size}: {' '.join(str(error).split())}") from error
            for values in found if isinstance(found, tuple) else (found,):
                if not bool(values.isfinite().all()):
                    raise Broken(f"{size}: the outputs aren't finite")


@promise("mask every sum, mean, maximum and statistic; batch norms see real elements only (fair_hep.nets.layers)")
def padding_ignored(trial: Trial) -> None:
    """More padding changes nothing, in evaluation and in training."""
    _same_after(trial, _padded, "padding")


@promise("use sums, means and maxima over elements, never their positions")
def order_ignored(trial: Trial) -> None:
    """The order of the elements changes nothing, in evaluation and in training."""
    _same_after(trial, _reversed, "the order of the elements")


def _same_after(trial: Trial, change: Callable[[Tensor], Tensor], what: str) -> None:
    """Compare the outputs before and after a change of the inputs that must not matter."""
    network, batch = trial.network().double(), trial.batch(6, double=True)
    sets = {spec.name for spec in trial.model.inputs if spec.set_axis}
    elements = {spec.set_axis for spec in trial.model.inputs if spec.set_axis}
    changed = {name: change(values) if name in sets else values for name, values in batch.items()}
    for module in network.modules():
        # Dropout draws by position; what is compared here is everything else.
        if type(module).__name__.startswith("Dropout"):
            module.p = 0.0
    for mode in (network.eval, network.train):
        mode()
        before, after = trial.outputs(network, batch), trial.outputs(network, changed)
        before = tuple(
            change(values) if spec.set_axis in elements else values
            for spec, values in zip(trial.model.outputs, before, strict=True)
        )
        if (gap := difference(before, after)) > TOLERANCE:
            state = "training" if network.training else "evaluation"
            raise Broken(f"{what} changes the outputs by {gap:.1e} in {state}")


def _padded(values: Tensor) -> Tensor:
    import torch

    return torch.cat([values, torch.zeros_like(values[:, :3])], 1)


def _reversed(values: Tensor) -> Tensor:
    return values.flip(1)
