"""Checks of sets: any number of elements, in any order, with any padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .attention import nested
from .trial import TOLERANCE, Broken, Trial, difference, promise

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["any_size", "order_ignored", "padding_ignored", "silence_dropout"]


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
    _require_finite_of_nothing(trial, network)


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
    # Dropout draws by position; what is compared here is everything else.
    silence_dropout(network)
    for mode in (network.eval, network.train):
        mode()
        before, after = trial.outputs(network, batch), trial.outputs(network, changed)
        before = tuple(
            change(values) if spec.set_axis in elements else values
            for spec, values in zip(trial.model.outputs, before, strict=True)
        )
        if (gap := difference(before, after)) > TOLERANCE:
            if network.training and _draws(trial, network, batch):
                raise Broken(
                    "the network draws random numbers in training outside of torch.nn.Dropout (as dropout does), so "
                    f"what {what} changes can't be told",
                    "write dropout as modules of torch.nn, or keep its probability in an attribute `dropout`: then "
                    "this check switches it off, and a training draws it from (seed, step, process)",
                )
            state = "training" if network.training else "evaluation"
            raise Broken(f"{what} changes the outputs by {gap:.1e} in {state}")


def _require_finite_of_nothing(trial: Trial, network: nn.Module) -> None:
    """Refuse NaN for examples without elements; without gradients, as an evaluation runs."""
    import torch

    empty = {name: torch.zeros_like(values) for name, values in trial.inputs(trial.batch(2)).items()}
    try:
        with torch.no_grad():
            found = trial.outputs(network, empty)
    except (RuntimeError, IndexError, ValueError) as error:
        raise Broken(f"an example without elements: {' '.join(str(error).split())}", nested(network)) from error
    if not all(bool(values.isfinite().all()) for values in found):
        raise Broken(
            "the network gives NaN or infinity for an example without elements",
            "divide by a number of elements that is at least 1, count.clamp(min=1); mask a softmax with a large "
            "negative number, not with infinity; take no logarithm or maximum of nothing",
        )


def silence_dropout(network: nn.Module) -> None:
    """Set the probability of dropout to 0, in place: of its modules, and of those that keep it as ``dropout``.

    The latter are attention and recurrent layers of torch, and convolutions and the MLP of PyTorch Geometric.
    """
    for module in network.modules():
        if type(module).__name__.startswith("Dropout"):
            module.p = 0.0  # type: ignore[assignment]
        kept = getattr(module, "dropout", None)
        if isinstance(kept, float):
            module.dropout = 0.0  # type: ignore[assignment]
        elif isinstance(kept, list | tuple) and all(isinstance(one, float) for one in kept):
            module.dropout = type(kept)(0.0 for _ in kept)  # type: ignore[assignment]


def _draws(trial: Trial, network: nn.Module, batch: Mapping[str, Tensor]) -> bool:
    """Say whether the outputs depend on the seed of torch's random numbers, and on nothing that changes by itself."""
    import torch

    def outputs(seed: int) -> tuple[Tensor, ...]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return trial.outputs(network, batch)

    first = outputs(1)
    return difference(first, outputs(1)) <= TOLERANCE < difference(first, outputs(2))


def _padded(values: Tensor) -> Tensor:
    import torch

    return torch.cat([values, torch.zeros_like(values[:, :3])], 1)


def _reversed(values: Tensor) -> Tensor:
    return values.flip(1)
