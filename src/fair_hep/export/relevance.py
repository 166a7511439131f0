"""Relevances of raw inputs by the network of a bundle: for stored answers and for ``predict --explain``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from ..bundle import Relevance, Signature
from ..lrp import explain
from ..lrp.composites import bounds

__all__ = ["RELEVANCE_TOLERANCE", "relevances"]

#: Largest difference of a relevance, as a fraction of the example's largest: relevances pass through every layer twice,
#: so rounding shows more than in the outputs.
RELEVANCE_TOLERANCE = 1e-3

#: Examples in one pass: relevance propagation is bound by memory, small batches are faster.
BATCH = 8


def relevances(
    network: nn.Module, signature: Signature, arrays: Mapping[str, np.ndarray], how: Relevance
) -> tuple[np.ndarray, np.ndarray]:
    """Explain examples at the network's features.

    Parameters
    ----------
    network
        Network in evaluation mode, with ``features`` and ``body`` as the contract says.
    signature
        Names of the inputs.
    arrays
        Raw inputs by name, examples along the first axis.
    how
        Rules, and the combination of outputs that is explained.

    Returns
    -------
    relevance, explained
        One value for each feature, in the shape of the features, and what is explained ``[examples]``: the values of an
        example sum to it, up to what biases take.
    """
    parts: Any = network
    tensors = {spec.name: torch.from_numpy(np.ascontiguousarray(arrays[spec.name])) for spec in signature.inputs}
    count = len(next(iter(tensors.values())))
    relevance, explained = [], []
    for start in range(0, count, BATCH):
        with torch.no_grad():
            features = parts.features(**{name: values[start : start + BATCH] for name, values in tensors.items()})
        features = features if isinstance(features, tuple) else (features,)
        explanation = explain(
            parts.body,
            features,
            torch.tensor(how.target, dtype=features[0].dtype) / how.temperature,
            composite=how.composite,
            bias="exclude" if how.bias == "exclude" else "absorb",
            epsilon=how.epsilon,
            bounds=bounds(signature.relevant.ranges),
        )
        relevance.append(explanation.relevance.numpy())
        explained.append(explanation.explained.numpy())
    return np.concatenate(relevance), np.concatenate(explained)
