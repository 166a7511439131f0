"""Examples that channels are judged on: everything that belongs to elements is cut alike."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fair_hep.pruning.drawn import draw, in_batches
from support import recipes


class Events:
    """Events of particle flow; the target that was chosen has a name that no specification has."""

    def __init__(self, *sizes: int) -> None:
        self.elements = torch.zeros(len(sizes), max(sizes), 12)
        for event, size in enumerate(sizes):
            self.elements[event, :size] = 1.0 + event
        self.target = self.elements[..., :7] * 2.0

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        return {"elements": self.elements[indices], "target": self.target[indices], "number": torch.tensor(indices)}


def test_what_belongs_to_elements_is_cut_to_the_largest_event() -> None:
    model: Any = recipes.model("mlpf")
    found = list(in_batches(model, Events(40, 1900, 30, 0, 35), [0, 1, 2, 3, 4]))
    assert sorted(int(row) for rows, _ in found for row in rows) == [0, 1, 2, 4], "the empty one is left out"
    assert {batch["elements"].shape[1] for _, batch in found} == {40, 1900}
    for rows, batch in found:
        assert batch["target"].shape[:2] == batch["elements"].shape[:2]
        assert torch.equal(batch["target"], batch["elements"][..., :7] * 2.0)
        assert torch.equal(batch["number"], rows)


def test_examples_follow_from_the_seed() -> None:
    assert draw(100, 10, 3) == draw(100, 10, 3) != draw(100, 10, 4)
    assert draw(5, 10, 3) == [0, 1, 2, 3, 4]
