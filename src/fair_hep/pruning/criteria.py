"""How much each channel matters, by several criteria of one interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from ..models.explaining import explainer_of
from ..nets.channels import of_each_channel
from .groups import Group, Member
from .heard import Heard
from .wanted import wanted

if TYPE_CHECKING:
    from ..models.contract import Batch, Model
    from ..provenance.configuration import ExplainRules

__all__ = ["CRITERIA", "Criterion", "Scores", "Subject", "scores_of"]

#: For each group, by its name, how much each channel matters ``[channels]``, 0 or more.
Scores: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True)
class Subject:
    """A network, and what it is judged by.

    Parameters
    ----------
    model, network
        The network is in evaluation mode; it isn't changed.
    batches
        Examples it was trained on, a few in each batch.
    rules
        How it is explained.
    loss
        Options of its loss.
    seed
        Of what is random.
    """

    model: Model
    network: nn.Module
    batches: Sequence[Batch]
    rules: ExplainRules
    loss: Mapping[str, Any]
    seed: int

    @property
    def body(self) -> nn.Module:
        """The part that learns."""
        return self.network.get_submodule("body")

    def inputs(self, batch: Batch) -> dict[str, Tensor]:
        """Return the raw inputs of a batch by name."""
        return {spec.name: batch[spec.name] for spec in self.model.inputs if spec.name in batch}


Criterion: TypeAlias = Callable[[Subject, Sequence[Group]], Scores]


def scores_of(name: str, subject: Subject, groups: Sequence[Group]) -> Scores:
    """Say how much each channel of every group matters, relative to the others of its group.

    Scores of a group are divided by their mean, so that layers of any width, and criteria of any scale, compare.

    Raises
    ------
    ExplainError
        By relevance: if nothing has any, as the explained outputs are constant.
    """
    found = CRITERIA[name](subject, groups)
    return {key: value / value.mean().clamp(min=torch.finfo(value.dtype).tiny) for key, value in found.items()}


def relevance(subject: Subject, groups: Sequence[Group]) -> Scores:
    """Return the share of relevance that flows through a channel, regardless of its sign.

    Every class, of the examples or elements that are taken for it, and every other output counts the same: its channels
    of a group share 1 among them (after Yeom et al., "Pruning by explaining", Pattern Recognition 115 (2021) 107899,
    arXiv:1912.08881).
    """
    with explainer_of(subject.model, subject.network, subject.rules, edges=False) as explainer:
        heard = Heard(subject.body, groups)
        for values, context in _features(subject):
            with torch.no_grad():
                outputs = subject.body(values, *context)
            for name, weights in wanted(subject.model, outputs, context):
                with heard.listening(name):
                    explainer(values, *context, target=weights)
    return heard.shares()


def magnitude(subject: Subject, groups: Sequence[Group]) -> Scores:
    """Return the root of the sum of squares of all weights that belong to a channel (DepGraph, arXiv:2301.12900)."""
    squares = {name: value.detach().square() for name, value in subject.body.named_parameters()}
    return {group.name: _sum(subject.body, group, squares).sqrt() for group in groups}


def taylor(subject: Subject, groups: Sequence[Group]) -> Scores:
    """Return how far the loss would change to first order: gradient times weight, summed over a channel's weights.

    Its size in each batch, in the mean over batches (Molchanov et al., "Importance estimation for neural network
    pruning", CVPR 2019, arXiv:1906.10771, eq. 8, without the square).
    """
    total = {group.name: torch.zeros(group.size) for group in groups}
    names, weights = zip(*subject.body.named_parameters(), strict=True)
    for batch in subject.batches:
        with torch.enable_grad():
            found = subject.network(**subject.inputs(batch))
            outputs = (found,) if isinstance(found, Tensor) else found
            loss = subject.model.loss([output.float() for output in outputs], batch, **subject.loss)
            gradients = torch.autograd.grad(loss, weights, materialize_grads=True)
        products = {n: (g * w).detach() for n, g, w in zip(names, gradients, weights, strict=True)}
        for group in groups:
            total[group.name] += _sum(subject.body, group, products).abs() / len(subject.batches)
    return total


def random(subject: Subject, groups: Sequence[Group]) -> Scores:
    """Return random numbers: what any other criterion has to beat."""
    source = torch.Generator().manual_seed(subject.seed)
    return {group.name: torch.rand(group.size, generator=source) for group in groups}


CRITERIA: Mapping[str, Criterion] = {
    "relevance": relevance, "magnitude": magnitude, "taylor": taylor, "random": random,
}  # fmt: skip


def _sum(body: nn.Module, group: Group, values: Mapping[str, Tensor]) -> Tensor:
    """Sum over everything that belongs to a channel of a group."""
    return torch.stack([_of_member(body, member, values) for member in group.members]).sum(0)


def _of_member(body: nn.Module, member: Member, values: Mapping[str, Tensor]) -> Tensor:
    layer = body.get_submodule(member.layer)
    own = {name: values[f"{member.layer}.{name}"] for name, _ in layer.named_parameters()}
    return of_each_channel(layer, member.side, own)[member.places].sum(1)


def _features(subject: Subject) -> Iterator[tuple[Tensor, Sequence[Any]]]:
    """Give the features of every batch, and what else the body takes."""
    for batch in subject.batches:
        with torch.no_grad():
            found = subject.network.get_submodule("features")(**subject.inputs(batch))
        values, *context = (found,) if isinstance(found, Tensor) else found
        yield values, context
