"""The networks have the sizes that were published."""

from __future__ import annotations

from pathlib import Path

import pytest
from fair_hep.models.recipe import recipe
from fair_hep.provenance.project import load_project


@pytest.mark.parametrize(("preset", "published"), [("explained", 311_722), ("compact", 42_832), ("wide", 335_496)])
def test_parameters_are_as_many_as_published(preset: str, published: int) -> None:
    network = recipe(load_project(Path(__file__).parent)).build(preset=preset)
    assert sum(parameter.numel() for parameter in network.parameters()) == published
