"""Can explanations of particle flow be trusted? They must change when the network's weights become random.

After Adebayo et al., arXiv:1810.03292: weights are made random from the output down, one stage further each time, and
the relevances of the same outputs are compared with the trained network's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..lrp.faithfulness import cascade, rank_correlation
from .choices import Choice, load_event
from .columns import OUTPUTS
from .rmaps import RelevanceFlow, RelevanceMaps

__all__ = ["randomised"]


def randomised(
    network: Any, dataset: Dataset[Any], choices: Sequence[Choice], *, epsilon: float, seed: int, limit: int
) -> list[dict[str, Any]]:
    """Compare the relevances of class outputs with those of networks whose weights become random.

    Parameters
    ----------
    network
        The network in evaluation mode.
    dataset, choices
        Elements whose true class's logit is explained.
    epsilon
        Stabiliser.
    seed
        Seed of the random weights.
    limit
        Largest number of elements to compare.

    Returns
    -------
    stages
        For each stage, the output's side first: its name, Spearman's correlation of the relevances of all features of
        all elements that either network's output sees (mean over elements, its error), and the number of elements.
    """
    body = network.body
    last = range(len(body.convolutions) - 1, -1, -1)
    stages = ["classify", *(f"convolutions.{number}" for number in last), "embed"]
    some = _some(choices, limit)
    trained = [_explain(body, network, dataset, choice, epsilon) for choice in some]
    found = []
    for stage, changed in cascade(body, stages, seed):
        values = []
        for choice, before in zip(some, trained, strict=True):
            after = _explain(changed, network, dataset, choice, epsilon)
            values += [_correlation(before, after, number) for number in range(len(before))]
        known = np.array([value for value in values if np.isfinite(value)])
        error = float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else None
        mean = float(known.mean()) if len(known) else None
        found.append({"stage": stage, "correlation": mean, "error": error, "elements": len(known)})
    return found


def _some(choices: Sequence[Choice], limit: int) -> list[Choice]:
    """Return the first elements of every event, as many of each as fit the limit."""
    share = max(1, limit // max(1, len(choices)))
    cut = [Choice(c.index, c.rows[:share], c.true[:share], c.predicted[:share]) for c in choices]
    return cut[:limit]


def _explain(body: Any, network: Any, dataset: Dataset[Any], choice: Choice, epsilon: float) -> RelevanceMaps:
    elements = load_event(dataset, choice.index)["elements"]
    with torch.no_grad():
        features, mask = network.features(elements.to(next(network.parameters()).dtype))
    flow = RelevanceFlow(body, features, mask, epsilon=epsilon)
    targets = torch.eye(len(OUTPUTS), dtype=features.dtype)[torch.from_numpy(choice.true)]
    return flow.maps(targets, flow.fields(torch.from_numpy(choice.rows)))


def _correlation(first: RelevanceMaps, second: RelevanceMaps, number: int) -> float:
    """Return Spearman's correlation of two maps over all that either of them sees."""
    parts = [first.map(number), second.map(number)]
    seen = torch.cat([element for element, _ in parts]).unique()
    rows = [_on(seen, element, relevance) for element, relevance in parts]
    return float(rank_correlation(rows[0], rows[1], torch.ones_like(rows[0], dtype=torch.bool))[0])


def _on(seen: Tensor, element: Tensor, relevance: Tensor) -> Tensor:
    found = relevance.new_zeros(len(seen), relevance.shape[1])
    found[torch.searchsorted(seen, element)] = relevance
    return found.reshape(1, -1)
