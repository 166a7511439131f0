"""Which rule where, by name: a composite chooses by a layer's position in the network.

``first`` are the linear layers that see the inputs directly; ``head`` those after the last aggregation (in networks
without one: all others); ``body`` everything between. The names are those of the literature and of zennit.

Examples
--------
>>> from fair_hep import COMPOSITES
>>> list(COMPOSITES)[:4]
['lrp-0', 'epsilon', 'gamma', 'epsilon-gamma']
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from ..bundle.errors import ExplainError
from .rules import AlphaBeta, Box, Epsilon, Flat, Gamma, Rule, WSquare, Zero, ZPlus

__all__ = ["COMPOSITES", "Bounds", "Composite", "Position", "bounds", "find_composite"]

#: Behind the name of a composite: relevance of a maximum is shared in proportion to the values.
PROPORTIONAL = "+proportional"

Position: TypeAlias = Literal["first", "body", "head"]
Bounds: TypeAlias = tuple[Tensor | float, Tensor | float]


@dataclass(frozen=True)
class Composite:
    """A rule for every position, and one for maxima.

    Examples
    --------
    >>> from fair_hep import COMPOSITES, Composite
    >>> from fair_hep.lrp.rules import Epsilon, Flat, Gamma
    >>> COMPOSITES["mine"] = Composite("mine", first=Flat(), body=Gamma(gamma=0.5), head=Epsilon())
    >>> COMPOSITES.pop("mine").rule("body").gamma
    0.5
    """

    name: str
    first: Rule
    body: Rule
    head: Rule
    maximum: Literal["winner", "proportional"] = "winner"

    def rule(self, position: Position) -> Rule:
        """Return the rule of a position."""
        return {"first": self.first, "body": self.body, "head": self.head}[position]

    def stabilised(self, epsilon: float, bounds: Bounds | None) -> Composite:
        """Return the composite with its stabiliser and, for the z-box rule, the bounds of the inputs."""
        rules = (self.first, self.body, self.head)
        first, body, head = (rule if isinstance(rule, Zero) else replace(rule, epsilon=epsilon) for rule in rules)
        if isinstance(first, Box):
            if bounds is None:
                raise ExplainError(f"composite {self.name!r} needs bounds of the inputs: pass bounds=(lowest, highest)")
            first = replace(first, low=bounds[0], high=bounds[1])
        return replace(self, first=first, body=body, head=head)


def _composites(*composites: Composite) -> dict[str, Composite]:
    return {composite.name: composite for composite in composites}


#: All composites by name, the simpler ones first.
COMPOSITES = _composites(
    Composite("lrp-0", Zero(), Zero(), Zero()),
    Composite("epsilon", Epsilon(), Epsilon(), Epsilon()),
    Composite("gamma", Gamma(), Gamma(), Gamma()),
    Composite("epsilon-gamma", Gamma(), Gamma(), Epsilon()),
    Composite("epsilon-plus", ZPlus(), ZPlus(), Epsilon()),
    Composite("epsilon-alpha2-beta1", AlphaBeta(), AlphaBeta(), Epsilon()),
    Composite("epsilon-gamma-box", Box(), Gamma(), Epsilon()),
    Composite("epsilon-plus-flat", Flat(), ZPlus(), Epsilon()),
    Composite("epsilon-plus-wsquare", WSquare(), ZPlus(), Epsilon()),
    Composite("epsilon-alpha2-beta1-flat", Flat(), AlphaBeta(), Epsilon()),
)


def find_composite(composite: str | Composite) -> Composite:
    """Return a composite by name; with ``+proportional`` behind it, maxima share relevance instead of giving it to one.

    Raises
    ------
    ExplainError
        If there is none of that name; the message names the nearest.
    """
    if isinstance(composite, Composite):
        return composite
    known = COMPOSITES.get(composite.removesuffix(PROPORTIONAL))
    if known is None:
        close = difflib.get_close_matches(composite, COMPOSITES, n=1, cutoff=0.0)
        raise ExplainError(
            f"composite {composite!r} is unknown, did you mean {close[0]!r}? There are {', '.join(COMPOSITES)}"
        )
    return replace(known, name=composite, maximum="proportional") if composite.endswith(PROPORTIONAL) else known


def bounds(ranges: Sequence[tuple[float, float]]) -> tuple[Tensor, Tensor] | None:
    """Return the lowest and highest values of features, for rules that need them; None if they aren't known."""
    if not ranges:
        return None
    low, high = torch.tensor(ranges).unbind(1)
    return low, high
