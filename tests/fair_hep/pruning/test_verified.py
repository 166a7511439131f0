"""Channels that go must be those that nobody hears: what was told wrongly is found before anything is trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fair_hep.bundle.errors import ModelError
from fair_hep.pruning.groups import Group, Member, find_groups
from fair_hep.pruning.verified import require_unheard


def test_a_group_that_was_told_wrongly_is_one_line() -> None:
    body = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).eval()
    values = (torch.randn(5, 4),)
    groups = find_groups(body, values)
    removed = {groups[0].name: torch.tensor([1, 4])}
    require_unheard(body, values, groups, removed)
    made, heard = groups[0].members
    shifted = Group(made.layer, (made, Member(heard.layer, heard.side, heard.places.roll(1, 0))))
    with pytest.raises(
        ModelError, match=r"outputs differ by .* `check` says of which layer; name it in prune.keep"
    ) as error:
        require_unheard(body, values, (shifted,), removed)
    assert "\n" not in str(error.value)
    lost = Group(made.layer, (made,))
    with pytest.raises(ModelError, match="the network doesn't run"):
        require_unheard(body, values, (lost,), removed)
