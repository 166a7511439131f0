"""Relevance maps of every element of whole events: what each output owes to the features of the elements that it sees.

Epsilon rule with biases absorbed, graph and weights of the convolutions held constant, as in Mokhtar et al.,
arXiv:2111.12840; the generic engine (`explain`) gives the same for one output at a time. Here all outputs are done
together. Each head carries relevance back to the rows of the last convolution; from there on it lives on pairs of an
output and an element that it sees (`receptive`). What an element sends in the first convolution is split once into the
contributions of its features, whatever output asks. Nothing is ever as large as elements times elements.

Of a body whose momenta correct what was measured, the corrections are explained: what the detector says itself is no
answer of the network. The engine explains the momenta, and books what was measured as a constant, beside the biases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..bundle.errors import ExplainError
from ..lrp.ledger import Ledger
from .chains import Taken, backward
from .columns import OUTPUTS
from .gravnet_body import GravNetBody, blocks, follow_body
from .receptive import Pairs, Paths, spread

__all__ = ["Fields", "RelevanceFlow", "RelevanceMaps", "one_output"]

#: Paths that are in memory at a time.
PATHS = 2**19


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
        Relevance of their features ``[pairs, features]``.
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
        """Return the elements on one map ``[n]`` and their relevances ``[n, features]``."""
        chosen = slice(int(self.offsets[number]), int(self.offsets[number + 1]))
        return self.element[chosen], self.relevance[chosen]


@dataclass(frozen=True)
class _Level:
    """What one convolution adds to receptive fields: the pairs at its output, and the paths to what it sums."""

    pairs: Pairs
    paths: Paths


@dataclass(frozen=True)
class _Field:
    """Receptive fields of a few elements: the steps that lead there, and the pairs at their end."""

    elements: Tensor
    levels: Sequence[_Level]
    pairs: Pairs


@dataclass(frozen=True)
class Fields:
    """Receptive fields of some elements, in pieces that fit memory; see `RelevanceFlow.fields`."""

    elements: Tensor
    pieces: Sequence[_Field]


class RelevanceFlow:
    """One forward pass over some events, kept such that relevance of any output can flow back.

    Parameters
    ----------
    body
        A network's body in evaluation mode, float32 or float64.
    features
        ``[events, elements, features]``, as the network's own ``features`` gives them.
    mask
        Real elements ``[events, elements]``.
    epsilon
        Stabiliser of every denominator.

    Raises
    ------
    ExplainError
        If the body isn't one that can be followed or is in training mode, or something isn't finite or doesn't fit.
    """

    @torch.no_grad()
    def __init__(self, body: GravNetBody, features: Tensor, mask: Tensor, *, epsilon: float = 1e-6) -> None:
        found = follow_body(body, features, mask, epsilon)
        self.mask, self.found, self.outputs = mask, found, found.outputs
        self.classify_features, self.regress_rows = body.classify_features, body.regress_rows

    @torch.no_grad()
    def check(self, outputs: Sequence[Tensor]) -> None:
        """Compare with what the network says itself: a body may have the layers and use them otherwise.

        Parameters
        ----------
        outputs
            Logits and momenta of the network, ``[events, elements, ...]`` each.

        Raises
        ------
        ExplainError
            If an answer differs by more than a thousandth of the largest one.
        """
        own = torch.cat(list(outputs), -1).flatten(0, 1)[self.mask.flatten()]
        apart = float((own - self.found.answers[self.mask.flatten()]).abs().max())
        if not apart <= 1e-3 * max(1.0, float(own.abs().max())):
            raise ExplainError(
                f"the network's answers differ from those that relevance maps follow by {apart:.1e}: its forward must "
                "do what GravNetBody describes"
            )

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
        size = max(1, PATHS // math.prod(step.index.shape[1] for step in self.found.steps))
        return Fields(elements, [self._field(few) for few in elements.split(size)])

    @torch.no_grad()
    def maps(self, target: Tensor, fields: Fields | None = None) -> RelevanceMaps:
        """Explain outputs of elements, one combination of outputs for each.

        Parameters
        ----------
        target
            Weights of logits, then momenta: ``[outputs]``, or ``[elements, outputs]`` for another
            combination for each element.
        fields
            Elements to explain; None: all real ones.
        """
        fields = self.fields() if fields is None else fields
        weights = _weights(target, fields.elements, self.outputs)
        maps, start = [], 0
        for piece in fields.pieces:
            maps.append(self._explain(piece, weights[start : start + len(piece.elements)]))
            start += len(piece.elements)
        return _joined(maps, fields.elements)

    def _field(self, elements: Tensor) -> _Field:
        pairs = Pairs(torch.arange(len(elements), device=elements.device), elements)
        levels = []
        for step in reversed(self.found.steps):
            after, paths = spread(pairs, step.index, step.weight)
            levels.append(_Level(pairs, paths))
            pairs = after
        return _Field(elements, levels, pairs)

    def _explain(self, field: _Field, weights: Tensor) -> RelevanceMaps:
        elements, levels, pairs, given = field.elements, field.levels, field.pairs, self.found.given
        taken = Taken(len(elements))
        own, gradient = self._heads(elements, weights, taken)
        for number, (step, level) in enumerate(zip(reversed(self.found.steps), levels, strict=True)):
            at = level.pairs
            gradient = backward([step.combine], gradient, taken, rows=at.element, owner=at.output)
            gradient = level.paths.carry(gradient)
            if number + 1 < len(levels):
                at = levels[number + 1].pairs
                gradient = backward([step.propagate], gradient, taken, rows=at.element, owner=at.output)
        found = _meet(self.found.sent, gradient, pairs.element)
        taken.add("bias", found[:, -2], pairs.output)
        taken.add("size", found[:, -2].abs(), pairs.output)
        taken.add("epsilon", found[:, -1], pairs.output)
        relevance = found[:, :-2].contiguous()
        # An element sees itself in every convolution, so its own pair is there for the features that go to the heads.
        key = pairs.output * len(given) + pairs.element
        place = torch.searchsorted(key, torch.arange(len(elements)) * len(given) + elements)
        relevance[place] += own * given[elements]
        explained = (self.outputs[elements] * weights).sum(1).double()
        sums = torch.zeros(2, len(elements), dtype=torch.float64)
        sums[0].index_add_(0, pairs.output, relevance.double().sum(1))
        sums[1].index_add_(0, pairs.output, relevance.double().abs().sum(1))
        lost = torch.zeros_like(explained)
        scale = explained.abs() + sums[1] + taken.size
        ledger = Ledger(explained, sums[0], taken.bias, taken.epsilon, lost, scale)
        return RelevanceMaps(elements, pairs.offsets(len(elements)), pairs.element, relevance, ledger)

    def _heads(self, elements: Tensor, weights: Tensor, taken: Taken) -> tuple[Tensor, Tensor]:
        """Return what flows back to features ``[n, features]`` and to rows of the last convolution ``[n, width]``."""
        features, classes = self.found.given.shape[1], self.found.classes
        logits, momenta = weights[:, :classes], weights[:, classes + self.found.held :]
        own = weights.new_zeros(len(elements), features)
        rows: Tensor | float = 0.0
        if bool((momenta != 0).any()):
            back = backward(self.found.regress, momenta, taken, rows=elements)
            own = own + back[:, :features]
            logits = logits + back[:, features : features + classes]
            rows = back[:, features + classes :] if self.regress_rows else rows
        back = backward(self.found.classify, logits, taken, rows=elements)
        if not self.classify_features:
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


def _meet(sent: Tensor, gradient: Tensor, element: Tensor) -> Tensor:
    """Multiply ``[pairs, columns]`` by what the elements sent ``[rows, sources, columns]``: ``[pairs, sources]``."""
    found = gradient.new_empty(len(element), sent.shape[1])
    for pairs in blocks(len(element), sent.shape[1] * sent.shape[2]):
        torch.bmm(sent[element[pairs]], gradient[pairs, :, None], out=found[pairs, :, None])
    return found


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
    shapes = ((outputs.shape[1],), (len(elements), outputs.shape[1]))
    if tuple(target.shape) not in shapes:
        raise ExplainError(f"target: got weights of shape {tuple(target.shape)}, expected {shapes[0]} or {shapes[1]}")
    if not bool(target.isfinite().all()):
        raise ExplainError("target: weights must be finite")
    return target.to(outputs.dtype).expand(shapes[1])
