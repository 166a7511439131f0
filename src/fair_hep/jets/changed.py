"""The same jets with changed constituents: a cut on soft ones, a worse resolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.quantities import ENERGIES
from .momenta import four_momenta

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CHANGES", "MINIMUM", "POSITION", "WIDTH", "Changed", "drop_soft", "smear"]

#: Constituents below this pT are dropped, in GeV; width of the smearing of pT.
MINIMUM, WIDTH = 1.0, 0.1
#: Array of a changed batch: where each constituent was before.
POSITION = "position"

#: Given particles ``[jets, constituents, columns]``, columns and a generator: the changed particles; zeros are gone.
Change = Callable[[np.ndarray, Sequence[str], np.random.Generator], np.ndarray]


def drop_soft(particles: np.ndarray, columns: Sequence[str], generator: np.random.Generator) -> np.ndarray:
    """Return jets without constituents below `MINIMUM` in pT; where all are soft, the hardest stays."""
    momenta = four_momenta(particles, columns)
    pt = np.hypot(momenta[..., 1], momenta[..., 2])
    hardest = np.arange(pt.shape[1]) == pt.argmax(1)[:, None]
    return np.where(((pt >= MINIMUM) | hardest)[..., None], particles, 0.0).astype(particles.dtype)


def smear(particles: np.ndarray, columns: Sequence[str], generator: np.random.Generator) -> np.ndarray:
    """Return jets whose constituents' momenta are scaled by 1 ± `WIDTH` each; directions stay.

    Factors below 0.1 are taken for 0.1: no momentum turns around.
    """
    factor = np.maximum(generator.normal(1.0, WIDTH, particles.shape[:2]), 0.1)
    scaled = np.array([name in ENERGIES for name in columns])
    return np.where(scaled, particles * factor[..., None], particles).astype(particles.dtype)


#: By what is said of them.
CHANGES: dict[str, Change] = {
    f"constituents below {MINIMUM:g} GeV dropped": drop_soft,
    f"pT of each constituent smeared by {WIDTH:.0%}": smear,
}


class Changed:
    """A data set of jets whose constituents were changed; each batch has ``position`` besides.

    Parameters
    ----------
    dataset
        The jets as they are.
    change
        Name of one of `CHANGES`.
    name, columns
        Name of the set of constituents in a batch, and its columns.
    seed
        A jet's change depends on this and on its index, on nothing else.
    """

    def __init__(self, dataset: Any, change: str, name: str, columns: Sequence[str], seed: int) -> None:
        self.dataset, self.change, self.name, self.columns, self.seed = dataset, change, name, tuple(columns), seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Return changed jets in the order asked for; what is left of a jet moves up."""
        import torch

        batch = dict(self.dataset.__getitems__(list(indices)))
        old = batch[self.name].numpy()
        new = np.concatenate(
            [
                CHANGES[self.change](row[None], self.columns, np.random.default_rng([self.seed, index]))
                for row, index in zip(old, indices, strict=True)
            ]
        )
        order = np.argsort(~(new != 0).any(-1), axis=1, kind="stable")
        batch[self.name] = torch.from_numpy(np.take_along_axis(new, order[..., None], 1))
        batch[POSITION] = torch.from_numpy(order)
        if "axis" in batch:
            moved = [four_momenta(rows.astype(np.float64), self.columns).sum(1) for rows in (old, new)]
            batch["axis"] = batch["axis"] + torch.from_numpy(moved[1] - moved[0]).to(batch["axis"])
        return batch
