"""Checks of what goes in and out: shapes, types, and that nothing happens in between that shouldn't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..models.contract import CONTRACT
from .running import miscounted
from .trial import TOLERANCE, Broken, Trial, difference, promise

if TYPE_CHECKING:
    from torch import Tensor

    from ..bundle import TensorSpec

__all__ = [
    "complaint",
    "contract_fits",
    "example_fits",
    "features_fit",
    "features_learn_nothing",
    "inputs_unchanged",
    "outputs_fit",
]


@promise("install the version of fair-hep that the recipe was written for, or bring the recipe to this one")
def contract_fits(trial: Trial) -> None:
    """The recipe was written for this version of the contract."""
    if (version := trial.model.contract_version) != CONTRACT:
        raise Broken(f"contract_version: got {version}, expected {CONTRACT}, that of this library")


@promise("make example() return every input and target as its specification says")
def example_fits(trial: Trial) -> None:
    """The example batch has every declared input and target, of the declared type and shape."""
    model, batch = trial.model, trial.batch(4)
    lengths = trial.lengths(batch)
    for spec in (*(spec for spec in model.inputs if not spec.optional), *model.targets):
        if found := complaint(spec, batch.get(spec.name), lengths):
            raise Broken(found)


@promise("let forward return what the outputs' specifications say, or correct them")
def outputs_fit(trial: Trial) -> None:
    """Outputs are finite and have the axes, sizes and number that the model declares."""
    model, batch = trial.model, trial.batch(4)
    found = trial.outputs(trial.network(), batch)
    if len(found) != len(model.outputs):
        raise Broken(f"the network returned {len(found)} outputs, expected {len(model.outputs)}")
    for spec, values in zip(model.outputs, found, strict=True):
        if said := complaint(spec, values, trial.lengths(batch)):
            raise Broken(f"output {said}")
    if len(target := trial.rules().target) != (columns := sum(len(spec.columns) for spec in model.outputs)):
        raise Broken(
            f"target() gives {len(target)} weights, expected one for each of the {columns} columns of outputs",
            "give each output's specification its columns, and target() a weight for each",
        )


@promise("let features() return first what the specification says, one column for each feature that it names")
def features_fit(trial: Trial) -> None:
    """The first tensor that ``features`` returns fits the declared features, and padding is 0 there."""
    model, batch = trial.model, trial.batch(4)
    values = trial.features(trial.network(), batch)[0]
    if said := complaint(model.features, values, trial.lengths(batch)):
        counted = miscounted(trial, values)
        raise Broken(f"features {said}" + f"; {counted}" * bool(counted))
    columns, ranges = len(model.features.columns), len(model.features.ranges)
    if columns != values.shape[-1] or ranges not in (0, columns):
        raise Broken(f"features have {values.shape[-1]} columns, but {columns} names and {ranges} ranges")
    padding = _padding(trial, batch)
    if padding is not None and padding.shape == values.shape[:2] and bool((values[padding] != 0).any()):
        raise Broken(
            "features of padding aren't 0, so relevance could live there",
            "end features() with torch.where(mask[..., None], features, 0.0)",
        )


@promise("move what learns into network.body, and make forward just body(*features(*inputs))")
def features_learn_nothing(trial: Trial) -> None:
    """``features`` has no parameter, and ``body(*features(*inputs))`` is the whole network."""
    network = trial.network().double()
    learning = [name for name, _ in network.features.named_parameters()]
    if learning:
        raise Broken(f"network.features has parameters: {', '.join(learning[:5])}")
    batch = trial.batch(4, double=True)
    values = network.body(*trial.features(network, batch))
    values = values if isinstance(values, tuple) else (values,)
    if (gap := difference(values, trial.outputs(network, batch))) > TOLERANCE:
        raise Broken(f"body(*features(*inputs)) differs from the network by {gap:.1e}")


@promise("compute on a copy, and draw random numbers only while training")
def inputs_unchanged(trial: Trial) -> None:
    """The network changes no input, and answers the same twice."""
    network, batch = trial.network(), trial.batch(4)
    before = {name: values.clone() for name, values in batch.items()}
    for mode in (network.train, network.eval):
        mode()
        first = trial.outputs(network, batch)
        changed = [name for name, values in batch.items() if not values.equal(before[name])]
        if changed:
            raise Broken(f"forward changed its input {', '.join(changed)} in place", "compute on a copy")
    if difference(first, trial.outputs(network, batch)) > 0:
        raise Broken("two calls in evaluation mode gave different outputs", "remove what is random in evaluation")


def complaint(spec: TensorSpec, values: Any, lengths: Mapping[str, int]) -> str:
    """Say what doesn't fit about a tensor: missing, of another type or shape, not finite; nothing if all is well."""
    import torch

    if not isinstance(values, torch.Tensor):
        got = "nothing" if values is None else type(values).__name__
        return f"{spec.name}: got {got}, expected a tensor with the axes {_list(spec.axes)}"
    wanted = [spec.sizes.get(axis, lengths.get(axis, "any")) for axis in spec.axes]
    shape = list(values.shape)
    if len(shape) != len(wanted) or any(w not in (s, "any") for s, w in zip(shape, wanted, strict=True)):
        return f"{spec.name}: got shape {shape}, expected {_list(wanted)} for {_list(spec.axes)}"
    dtype = str(values.dtype).removeprefix("torch.")
    if dtype != spec.dtype:
        return f"{spec.name}: got {dtype}, expected {spec.dtype}"
    if not bool(values.isfinite().all()):
        return f"{spec.name}: got values that aren't finite for the example batch"
    return ""


def _padding(trial: Trial, batch: Mapping[str, Tensor]) -> Tensor | None:
    """Return which elements of the features' own set are padding, if one input is that set."""
    for spec in trial.model.inputs:
        if spec.set_axis is not None and spec.set_axis == trial.model.features.set_axis and spec.name in batch:
            return (batch[spec.name] == 0).all(-1)
    return None


def _list(values: Sequence[Any]) -> str:
    return f"[{', '.join(map(str, values))}]"
