"""How the network is explained: which output, along which edges, what the study draws, and how trust is measured.

The rules are chosen in a configuration, by ``explain.composite``; null means `COMPOSITE`. The study measures which
rules find best what matters for the network at hand, and recommends them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fair_hep.jets.study import JetStudy

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CAPTIONS", "COMPOSITE", "REASON", "Explanation", "edges", "target"]

#: Rules of explanations where a configuration names none, and why these.
COMPOSITE = "epsilon"
REASON = "for the published network no others find more of what matters by over two errors, and they are the plainest"

#: What the figures of the study show, by file name without suffix, for the model card.
CAPTIONS = {
    "edges_between_prongs": "Fraction of the N most relevant edges (by |R| of z_top - z_QCD) that join two C/A "
    "subjets, groomed prongs, or quarks of the decay (QCD: sides of the leading splitting), trained and untrained",
    "edges_top_*": "Edges of one top jet with the most |R| of z_top - z_QCD, in every EdgeConv block, constituents "
    "coloured by C/A subjet. Drawn first: jets whose three subjets each carry a tenth of the jet's pT",
    "edges_QCD_*": "The same for one QCD jet, chosen by the same rule",
    "edge_spectra": "Distance and mass of the most relevant edges of the last block, for top jets and for QCD jets",
    "relevance_shares": "Share of the absolute relevance by feature, by rank in pT and by subjet",
    "r_scores": "R-scores: each feature's signed share of a jet's absolute relevance; above 0 speaks for top",
    "removal": "z_top - z_QCD while constituents are removed or inserted by falling relevance: the best three rules, "
    "the plain ones, gradient x input and a random order",
}


def target() -> Sequence[float]:
    """Explain z_top - z_QCD: a single logit is defined only up to a common shift."""
    return (-1.0, 1.0)


def edges(network: nn.Module) -> Mapping[str, str]:
    """Return the messages of every EdgeConv block with its graph."""
    body: Any = network.get_submodule("body")
    places: Mapping[str, str] = body.edges()
    return places


class Explanation(JetStudy):
    """Relevance of constituents, features and edges, and the edge graphs with their subjets."""

    #: Constituents are removed by mask: their features stay as computed from the whole jet. The score counts the graph
    #: that the network then finds; the one with the whole jet's graph stands beside it.
    removed = "mask"

    def stages(self, body: nn.Module) -> Sequence[str]:
        """Return the head, then the blocks from the last to the first."""
        parts: Any = body
        return ("classify", "hidden", *(f"blocks.{number}" for number in reversed(range(len(parts.blocks)))))
