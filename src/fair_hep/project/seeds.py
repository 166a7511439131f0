"""Several trainings of one configuration, each with its own seed: which they are, and how far apart they lie.

The first is the model. The others are runs of their own, ``runs/<configuration>-seed2/`` and so on, which every verb
takes by their name; they say how much of a figure is the luck of a seed, which no statistical error of a test set says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..bundle.errors import ConfigError
from ..provenance.configuration import Config

__all__ = ["members", "spread", "training_seed"]

#: Behind the name of a metric: its statistical error.
_ERROR = "_error"


def training_seed(config: Config) -> int:
    """Return the seed of weights, order of examples and dropout; data that are simulated follow ``seed``."""
    return config.seed if config.train.seed is None else config.train.seed


def members(config: Config) -> list[Config]:
    """Return one configuration for each training that ``train.seeds`` asks for, the model's own first.

    Examples
    --------
    >>> from ..provenance.configuration import TrainConfig
    >>> made = members(Config(name="quick", seed=7, train=TrainConfig(seeds=3)))
    >>> [(one.name, training_seed(one), one.train.seeds) for one in made]
    [('quick', 7, 1), ('quick-seed2', 8, 1), ('quick-seed3', 9, 1)]

    Raises
    ------
    ConfigError
        If several are asked of a training with several processes.
    """
    train = config.train
    if train.seeds > 1 and train.devices * train.nodes > 1:
        raise ConfigError(
            f"train.seeds: got {train.seeds} with {train.devices * train.nodes} processes, expected 1: start one "
            "training after the other, with name=... and train.seed=..."
        )
    found = [config.model_copy(update={"train": train.model_copy(update={"seeds": 1})})]
    for number in range(2, train.seeds + 1):
        seed = (training_seed(config) + number - 1) % 2**32
        update = {"name": f"{config.name}-seed{number}", "train": train.model_copy(update={"seeds": 1, "seed": seed})}
        found.append(config.model_copy(update=update))
    return found


def spread(results: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Return mean and spread of the metrics that all evaluations have.

    Parameters
    ----------
    results
        What `evaluate` found of each training, at least two; the model's own first.
    names
        Names of the runs.

    Returns
    -------
    found
        As JSON values: ``runs``, and for each metric ``values`` of all runs, their ``mean`` with its standard
        ``error``, and the ``spread`` of a single training (the standard deviation, with n - 1).
    """
    metrics = [result["metrics"] for result in results]
    shared = [name for name in metrics[0] if not name.endswith(_ERROR) and all(name in one for one in metrics)]
    found = {}
    for name in shared:
        values = np.array([one[name] for one in metrics], np.float64)
        deviation = float(values.std(ddof=1))
        found[name] = {
            "values": values.tolist(),
            "mean": float(values.mean()),
            "error": deviation / len(values) ** 0.5,
            "spread": deviation,
        }
    return {"runs": list(names), "metrics": found}
