"""Bodies of GravNet convolutions that relevance maps of whole events can follow, and one forward pass through one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from ..bundle.errors import ExplainError
from ..lrp.treatments import as_it_is, find_treatment, pass_on, rectify
from ..nets.gravnet import GravNet
from ..nets.layers import Rows
from .chains import Link, follow, forward, link
from .corrections import corrected

__all__ = ["ForwardPass", "GravNetBody", "Step", "blocks", "follow_body"]

#: Numbers that are gathered in memory at a time.
NUMBERS = 2**23


class GravNetBody(Protocol):
    """What a body must have, whoever wrote it; ``body(features, mask)`` gives logits and momenta of every element.

    The features of an element pass through ``embed``; every convolution sums over an element and its neighbours, and
    the activation after it, if there are activations, is applied. ``classify`` gives the logits, from the rows of the
    last convolution, with the features before them if ``classify_features``. ``regress`` gives the momenta, from the
    features and the logits, with the rows behind them if ``regress_rows``. Padding gives 0.

    A body may also have ``measured``, a function that gives what the detector measured of elements from their features
    ``[..., 6]``: then ``regress`` gives `CORRECTIONS` and the momenta are what `corrected` makes of both. What is
    explained of such a body are the corrections. And it may have ``places``, a function that gives where elements lie
    from their features, for convolutions that learn no space.

    Attributes
    ----------
    embed, classify, regress
        `torch.nn.Linear` layers with biases, and element-wise functions between them.
    convolutions
        One `GravNet` or more.
    activations
        One element-wise function for each convolution, or none at all.
    classify_features, regress_rows
        What the two heads read besides.
    """

    embed: nn.Sequential
    convolutions: nn.ModuleList
    activations: nn.ModuleList
    classify: nn.Sequential
    regress: nn.Sequential
    classify_features: bool
    regress_rows: bool
    training: bool


@dataclass(frozen=True)
class Step:
    """One convolution as the forward pass found it: neighbours and weights ``[rows, k]``, and both linear maps."""

    index: Tensor
    weight: Tensor
    propagate: Link
    combine: Link


@dataclass(frozen=True)
class ForwardPass:
    """What one forward pass found; rows are the elements of all (padded) events, one after the other.

    Parameters
    ----------
    given
        Features ``[rows, features]``.
    sent
        What elements send in the first convolution, split into the contributions of features, biases and stabiliser
        ``[rows, features + 2, columns]``.
    steps
        The convolutions.
    classify, regress
        The heads.
    classes
        Number of logits.
    held
        Number of momenta, the first ones, that come from no head: the charge of a body that corrects.
    outputs
        What is explained: logits, then momenta, or the corrections of a body that corrects ``[rows, outputs]``; 0 where
        held.
    answers
        Logits, then momenta, as the body gives them ``[rows, outputs]``.
    """

    given: Tensor
    sent: Tensor
    steps: Sequence[Step]
    classify: Sequence[Link]
    regress: Sequence[Link]
    classes: int
    held: int
    outputs: Tensor
    answers: Tensor


def follow_body(body: GravNetBody, features: Tensor, mask: Tensor, epsilon: float) -> ForwardPass:
    """Run a body; keep what relevance needs to flow back.

    Raises
    ------
    ExplainError
        If the body isn't one that can be followed or is in training mode, or something isn't finite or doesn't fit.
    """
    _check_body(body)
    _check_inputs(body, features, mask, epsilon)
    given = features.detach().flatten(0, 1)
    rows = Rows(mask, packed=False)
    values, embed = follow(body.embed, given, epsilon)
    steps: list[Step] = []
    find = getattr(body, "places", None)
    places = None if find is None else find(given)
    for number, convolution in enumerate(body.convolutions):
        activation = body.activations[number] if len(body.activations) else None
        values, step = _convolve(cast(GravNet, convolution), activation, values, rows, epsilon, places=places)
        steps.append(step)
    seen = torch.cat([given, values], 1) if body.classify_features else values
    logits, classify = follow(body.classify, seen, epsilon)
    seen = torch.cat([given, logits, values] if body.regress_rows else [given, logits], 1)
    learned, regress = follow(body.regress, seen, epsilon)
    measured = getattr(body, "measured", None)
    momenta = learned if measured is None else corrected(measured(given), learned)
    held = momenta.shape[1] - learned.shape[1]
    outputs = torch.cat([logits, learned.new_zeros(len(given), held), learned], 1)
    answers = torch.cat([logits, momenta], 1)
    if not bool(outputs[rows.mask].isfinite().all()):
        raise ExplainError("an activation isn't finite (NaN or infinity): look at inputs and weights")
    sent = _split(given, [*embed, steps[0].propagate])
    return ForwardPass(given, sent, steps, classify, regress, logits.shape[1], held, outputs, answers)


def blocks(count: int, numbers: int) -> Iterator[slice]:
    """Cut rows of so many numbers each into blocks that fit memory."""
    size = max(1, NUMBERS // numbers)
    for start in range(0, count, size):
        yield slice(start, start + size)


def _convolve(
    convolution: GravNet,
    activation: nn.Module | None,
    values: Tensor,
    rows: Rows,
    epsilon: float,
    *,
    places: Tensor | None,
) -> tuple[Tensor, Step]:
    index, weight = convolution.neighbourhood(convolution.places(values, places), rows)
    sent = convolution.propagate(values)
    propagate = link(convolution.propagate, sent, epsilon)
    # The same operations as in the network's own pass: its graph must not differ by a rounding error.
    output = convolution.combine((sent[index] * weight[..., None]).sum(1))
    combine = link(convolution.combine, output, epsilon)
    if activation is not None:
        after = activation(output)
        output, combine = after, combine.then(output, after)
    return output, Step(index, weight, propagate, combine)


def _split(given: Tensor, links: Sequence[Link]) -> Tensor:
    """Split what elements send into what features, biases and stabiliser contribute."""
    features = given.shape[1]
    found = []
    for rows in blocks(len(given), (features + 2) * max(len(part.bias) for part in links)):
        parts = given.new_zeros(len(given[rows]), features + 2, features)
        parts[:, :features] = torch.diag_embed(given[rows])
        chosen = [
            Link(p.weight, p.bias, p.factor[rows], None if p.sign is None else p.sign[rows], p.epsilon) for p in links
        ]
        found.append(forward(chosen, parts))
    return torch.cat(found)


def _check_body(body: GravNetBody) -> None:
    """Refuse a body whose relevance would flow otherwise than it is followed here."""
    if missing := [name for name in GravNetBody.__annotations__ if not hasattr(body, name)]:
        raise ExplainError(f"the network's body has no {missing[0]!r}: relevance maps need what GravNetBody describes")
    for name in ("embed", "classify", "regress"):
        for number, layer in enumerate(getattr(body, name)):
            linear = isinstance(layer, nn.Linear) and layer.bias is not None
            if not (linear or _is_element_wise(layer)):
                raise ExplainError(
                    f"{name}.{number} is {layer}: relevance maps follow Linear with a bias, and element-wise functions"
                )
    for number, convolution in enumerate(body.convolutions):
        if not isinstance(convolution, GravNet):
            raise ExplainError(
                f"convolutions.{number} is a {type(convolution).__name__}: relevance maps follow GravNet"
            )
    for number, activation in enumerate(body.activations):
        if not _is_element_wise(activation):
            raise ExplainError(f"activations.{number} is {activation}: relevance maps follow element-wise functions")
    if len(body.activations) not in (0, len(body.convolutions)):
        raise ExplainError(
            f"{len(body.activations)} activations for {len(body.convolutions)} convolutions: expected one each, or none"
        )


def _is_element_wise(module: nn.Module) -> bool:
    return not isinstance(module, nn.Linear) and find_treatment(module) in (as_it_is, pass_on, rectify)


def _check_inputs(body: GravNetBody, features: Tensor, mask: Tensor, epsilon: float) -> None:
    if body.training:
        raise ExplainError("the network is in training mode: call eval() first")
    if not (epsilon == 0 or 1e-12 <= epsilon < float("inf")):
        raise ExplainError(f"epsilon {epsilon!r}: expected 0, or a number of at least 1e-12")
    weight = next(layer.weight for layer in body.embed if isinstance(layer, nn.Linear))
    if features.ndim != 3 or features.shape[2] != weight.shape[1] or mask.shape != features.shape[:2]:
        raise ExplainError(
            f"features of shape {tuple(features.shape)} with a mask {tuple(mask.shape)}: expected "
            f"[events, elements, {weight.shape[1]}] and [events, elements]"
        )
    if not bool(mask.any()):
        raise ExplainError("no element to explain")
    if features.dtype != weight.dtype:
        raise ExplainError(f"features are {features.dtype}, the network is {weight.dtype}: convert one")
    if not bool(features.isfinite().all()):
        raise ExplainError("features hold NaN or infinity, expected finite numbers")
