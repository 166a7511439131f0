"""Relevance maps of every element of whole events: what each output owes to the features of the elements that it sees.

Epsilon rule with biases absorbed, graph and weights of the convolutions held constant, as in Mokhtar et al.,
arXiv:2111.12840; the generic engine (`explain`) gives the same for one output at a time. Here all outputs are done
together. Each head carries relevance back to the rows of the last convolution; from there on it lives on pairs of an
output and an element that it sees (`receptive`). What an element sends in the first convolution is split once into the
contributions of its features, whatever output asks. Nothing is ever as large as elements times elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..bundle.errors import ExplainError
from ..lrp.ledger import Ledger
from ..nets.gravnet import GravNet
from ..nets.layers import Rows
from .chains import Link, Taken, backward, follow, forward, link
from .features import COLUMNS
from .network import Body
from .particles import CLASSES, MOMENTA
from .receptive import Pairs, Paths, spread

__all__ = ["OUTPUTS", "Fields", "RelevanceFlow", "RelevanceMaps", "one_output"]

#: Names of what can be explained: logits of the classes, then components of the momentum.
OUTPUTS = (*CLASSES, *MOMENTA)
#: Paths that are in memory at a time.
PATHS = 2**19
#: Numbers that are gathered in memory at a time.
_NUMBERS = 2**23


@dataclass(frozen=True)
class RelevanceMaps:
    """Relevance of the elements that each of some outputs sees; element rows count through all (padded) events.

    Parameters
    ----------
    outputs
        Elements whose output is explained ``[outputs]``.
    offsets
        Where the map of each of them starts ``[outputs + 1]``.
    element
        The elements on the maps, in rising order within each ``[pairs]``.
    relevance
        Relevance of their features ``[pairs, 12]``.
    ledger
        Where the relevance of every output went ``[outputs]``.
    """

    outputs: Tensor
    offsets: Tensor
    element: Tensor
    relevance: Tensor
    ledger: Ledger

    def __len__(self) -> int:
        return len(self.outputs)

    def map(self, number: int) -> tuple[Tensor, Tensor]:
        """Return the elements on one map ``[n]`` and their relevances ``[n, 12]``."""
        chosen = slice(int(self.offsets[number]), int(self.offsets[number + 1]))
        return self.element[chosen], self.relevance[chosen]


@dataclass(frozen=True)
class _Level:
    """What one convolution adds to receptive fields: the pairs at its output, and the paths to what it sums."""

    pairs: Pairs
    paths: Paths


@dataclass(frozen=True)
class Fields:
    """Receptive fields of some elements, in parts that fit memory; see `RelevanceFlow.fields`."""

    elements: Tensor
    parts: Sequence[tuple[Tensor, Sequence[_Level], Pairs]]


@dataclass(frozen=True)
class _Step:
    """One convolution as the forward pass found it."""

    index: Tensor
    weight: Tensor
    propagate: Link
    combine: Link


class RelevanceFlow:
    """One forward pass over some events, kept such that relevance of any output can flow back.

    Parameters
    ----------
    body
        The network in evaluation mode, float32 or float64.
    features
        ``[events, elements, 12]``; see `ElementFeatures`.
    mask
        Real elements ``[events, elements]``.
    epsilon
        Stabiliser of every denominator.

    Raises
    ------
    ExplainError
        If the network is in training mode, or something isn't finite or doesn't fit.
    """

    @torch.no_grad()
    def __init__(self, body: Body, features: Tensor, mask: Tensor, *, epsilon: float = 1e-6) -> None:
        _check(body, features, mask, epsilon)
        self.architecture = body.architecture
        self.mask = mask
        given = features.detach().flatten(0, 1)
        rows = Rows(mask, packed=False)
        values, embed = follow(body.embed, given, epsilon)
        self.steps: list[_Step] = []
        for number, convolution in enumerate(body.convolutions):
            assert isinstance(convolution, GravNet)
            activation = body.activations[number] if body.activations else None
            values, step = _convolve(convolution, activation, values, rows, epsilon)
            self.steps.append(step)
        a = self.architecture
        seen = torch.cat([given, values], 1) if a.classify_features else values
        logits, self.classify = follow(body.classify, seen, epsilon)
        seen = torch.cat([given, logits, values] if a.regress_rows else [given, logits], 1)
        momenta, self.regress = follow(body.regress, seen, epsilon)
        self.outputs = torch.cat([logits, momenta], 1)
        if not bool(self.outputs[rows.mask].isfinite().all()):
            raise ExplainError("an activation isn't finite (NaN or infinity): look at inputs and weights")
        self.given = given
        self.sent = _split(given, [*embed, self.steps[0].propagate])

    def fields(self, elements: Tensor | None = None) -> Fields:
        """Return receptive fields, to be used for several targets.

        Parameters
        ----------
        elements
            Rows of elements, counted through all (padded) events; None: all real ones.
        """
        real = self.mask.flatten()
        if elements is None:
            elements = real.nonzero()[:, 0]
        elif not len(elements):
            raise ExplainError("no element to explain")
        elif len(bad := elements[(elements < 0) | (elements >= len(real))]):
            raise ExplainError(f"element {int(bad[0])} doesn't exist: expected 0 to {len(real) - 1}")
        elif not bool(real[elements].all()):
            row = int(elements[~real[elements]][0])
            raise ExplainError(f"element {row} is padding: expected rows of real elements")
        size = max(1, PATHS // self.architecture.k ** len(self.steps))
        return Fields(elements, [self._field(part) for part in elements.split(size)])

    @torch.no_grad()
    def maps(self, target: Tensor, fields: Fields | None = None) -> RelevanceMaps:
        """Explain outputs of elements, one combination of outputs for each.

        Parameters
        ----------
        target
            Weights of the outputs in the order of `OUTPUTS`: ``[12]``, or ``[elements, 12]`` for another combination
            for each element.
        fields
            Elements to explain; None: all real ones.
        """
        fields = self.fields() if fields is None else fields
        weights = _weights(target, fields.elements, self.outputs)
        maps, start = [], 0
        for part in fields.parts:
            maps.append(self._explain(part, weights[start : start + len(part[0])]))
            start += len(part[0])
        return _joined(maps, fields.elements)

    def _field(self, elements: Tensor) -> tuple[Tensor, Sequence[_Level], Pairs]:
        pairs = Pairs(torch.arange(len(elements), device=elements.device), elements)
        levels = []
        for step in reversed(self.steps):
            after, paths = spread(pairs, step.index, step.weight)
            levels.append(_Level(pairs, paths))
            pairs = after
        return elements, levels, pairs

    def _explain(self, part: tuple[Tensor, Sequence[_Level], Pairs], weights: Tensor) -> RelevanceMaps:
        elements, levels, pairs = part
        taken = Taken(len(elements))
        own, gradient = self._heads(elements, weights, taken)
        for number, (step, level) in enumerate(zip(reversed(self.steps), levels, strict=True)):
            at = level.pairs
            gradient = backward([step.combine], gradient, taken, rows=at.element, owner=at.output)
            gradient = level.paths.carry(gradient)
            if number + 1 < len(levels):
                at = levels[number + 1].pairs
                gradient = backward([step.propagate], gradient, taken, rows=at.element, owner=at.output)
        found = _meet(self.sent, gradient, pairs.element)
        taken.add("bias", found[:, -2], pairs.output)
        taken.add("size", found[:, -2].abs(), pairs.output)
        taken.add("epsilon", found[:, -1], pairs.output)
        relevance = found[:, : len(COLUMNS)].contiguous()
        # An element sees itself in every convolution, so its own pair is there for the features that go to the heads.
        key = pairs.output * len(self.given) + pairs.element
        place = torch.searchsorted(key, torch.arange(len(elements)) * len(self.given) + elements)
        relevance[place] += own * self.given[elements]
        explained = (self.outputs[elements] * weights).sum(1).double()
        sums = torch.zeros(2, len(elements), dtype=torch.float64)
        sums[0].index_add_(0, pairs.output, relevance.double().sum(1))
        sums[1].index_add_(0, pairs.output, relevance.double().abs().sum(1))
        lost = torch.zeros_like(explained)
        scale = explained.abs() + sums[1] + taken.size
        ledger = Ledger(explained, sums[0], taken.bias, taken.epsilon, lost, scale)
        return RelevanceMaps(elements, pairs.offsets(len(elements)), pairs.element, relevance, ledger)

    def _heads(self, elements: Tensor, weights: Tensor, taken: Taken) -> tuple[Tensor, Tensor]:
        """Return what flows back to the features ``[n, 12]`` and to the rows of the last convolution ``[n, width]``."""
        a, features = self.architecture, len(COLUMNS)
        logits, momenta = weights.split([len(CLASSES), len(MOMENTA)], 1)
        own, rows = weights.new_zeros(len(elements), features), weights.new_zeros(len(elements), a.width)
        if bool((momenta != 0).any()):
            back = backward(self.regress, momenta, taken, rows=elements)
            own = own + back[:, :features]
            logits = logits + back[:, features : features + len(CLASSES)]
            if a.regress_rows:
                rows = rows + back[:, features + len(CLASSES) :]
        back = backward(self.classify, logits, taken, rows=elements)
        if not a.classify_features:
            return own, rows + back
        return own + back[:, :features], rows + back[:, features:]


def one_output(name: str, like: Tensor) -> Tensor:
    """Return the weights ``[12]`` of one of `OUTPUTS`.

    Raises
    ------
    ExplainError
        If there is no output of that name.
    """
    if name not in OUTPUTS:
        raise ExplainError(f"output {name!r} doesn't exist: expected one of {', '.join(OUTPUTS)}")
    weights = like.new_zeros(len(OUTPUTS))
    weights[OUTPUTS.index(name)] = 1.0
    return weights


def _convolve(
    convolution: GravNet, activation: torch.nn.Module | None, values: Tensor, rows: Rows, epsilon: float
) -> tuple[Tensor, _Step]:
    index, weight = convolution.neighbourhood(convolution.space(values), rows)
    sent = convolution.propagate(values)
    propagate = link(convolution.propagate, sent, epsilon)
    # The same operations as in the network's own pass: its graph must not differ by a rounding error.
    output = convolution.combine((sent[index] * weight[..., None]).sum(1))
    combine = link(convolution.combine, output, epsilon)
    if activation is not None:
        after = activation(output)
        output, combine = after, combine.then(output, after)
    return output, _Step(index, weight, propagate, combine)


def _split(given: Tensor, links: Sequence[Link]) -> Tensor:
    """Split what elements send into what features, biases and stabiliser contribute: ``[rows, 14, columns]``."""
    features = given.shape[1]
    found = []
    for rows in _blocks(len(given), (features + 2) * max(len(part.bias) for part in links)):
        parts = given.new_zeros(len(given[rows]), features + 2, features)
        parts[:, :features] = torch.diag_embed(given[rows])
        chosen = [
            Link(p.weight, p.bias, p.factor[rows], None if p.sign is None else p.sign[rows], p.epsilon) for p in links
        ]
        found.append(forward(chosen, parts))
    return torch.cat(found)


def _meet(sent: Tensor, gradient: Tensor, element: Tensor) -> Tensor:
    """Multiply ``[pairs, columns]`` by what the elements sent ``[rows, sources, columns]``: ``[pairs, sources]``."""
    found = gradient.new_empty(len(element), sent.shape[1])
    for pairs in _blocks(len(element), sent.shape[1] * sent.shape[2]):
        torch.bmm(sent[element[pairs]], gradient[pairs, :, None], out=found[pairs, :, None])
    return found


def _blocks(count: int, numbers: int) -> Iterator[slice]:
    """Cut rows of so many numbers each into blocks that fit memory."""
    size = max(1, _NUMBERS // numbers)
    for start in range(0, count, size):
        yield slice(start, start + size)


def _joined(maps: Sequence[RelevanceMaps], elements: Tensor) -> RelevanceMaps:
    offsets, start = [maps[0].offsets[:1]], 0
    for part in maps:
        offsets.append(part.offsets[1:] + start)
        start += len(part.element)
    ledgers = [part.ledger for part in maps]
    columns = ((x.explained, x.inputs, x.bias, x.epsilon, x.lost, x.scale) for x in ledgers)
    explained, inputs, bias, epsilon, lost, scale = (torch.cat(column) for column in zip(*columns, strict=True))
    ledger = Ledger(explained, inputs, bias, epsilon, lost, scale)
    element, relevance = torch.cat([part.element for part in maps]), torch.cat([part.relevance for part in maps])
    return RelevanceMaps(elements, torch.cat(offsets), element, relevance, ledger)


def _weights(target: Tensor, elements: Tensor, outputs: Tensor) -> Tensor:
    shapes = ((len(OUTPUTS),), (len(elements), len(OUTPUTS)))
    if tuple(target.shape) not in shapes:
        raise ExplainError(f"target: got weights of shape {tuple(target.shape)}, expected {shapes[0]} or {shapes[1]}")
    if not bool(target.isfinite().all()):
        raise ExplainError("target: weights must be finite")
    return target.to(outputs.dtype).expand(shapes[1])


def _check(body: Body, features: Tensor, mask: Tensor, epsilon: float) -> None:
    if body.training:
        raise ExplainError("the network is in training mode: call eval() first")
    if not (epsilon == 0 or 1e-12 <= epsilon < float("inf")):
        raise ExplainError(f"epsilon {epsilon!r}: expected 0, or a number of at least 1e-12")
    if features.ndim != 3 or features.shape[2] != len(COLUMNS) or mask.shape != features.shape[:2]:
        raise ExplainError(
            f"features of shape {tuple(features.shape)} with a mask {tuple(mask.shape)}: expected "
            f"[events, elements, {len(COLUMNS)}] and [events, elements]"
        )
    if not bool(mask.any()):
        raise ExplainError("no element to explain")
    weight = body.embed[0].weight
    if features.dtype != weight.dtype:
        raise ExplainError(f"features are {features.dtype}, the network is {weight.dtype}: convert one")
    if not bool(features.isfinite().all()):
        raise ExplainError("features hold NaN or infinity, expected finite numbers")
