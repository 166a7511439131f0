"""Layer-wise relevance propagation for networks on sets and graphs: exact, batched, with a ledger that closes."""

from __future__ import annotations

from .composites import COMPOSITES, Composite, find_composite
from .engine import Explainer, explain
from .fold import folded
from .ledger import Ledger
from .maps import Affine, register_linear
from .result import Explanation
from .treatments import register, register_held, register_maximum

__all__ = [
    "COMPOSITES",
    "Affine",
    "Composite",
    "Explainer",
    "Explanation",
    "Ledger",
    "explain",
    "find_composite",
    "folded",
    "register",
    "register_held",
    "register_linear",
    "register_maximum",
]
