"""What a particle-flow model has without saying it, and what is left to its author."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from particle_flow import MODEL
from particle_flow.inputs import FEATURES, INPUTS, OUTPUTS

from fair_hep.bundle.errors import ConfigError
from fair_hep.particleflow.captions import CAPTIONS, HEADLINE, MEASURES
from fair_hep.particleflow.columns import CLASSES, ELEMENT, MOMENTA
from fair_hep.particleflow.columns import OUTPUTS as EXPLAINED
from fair_hep.particleflow.model import ParticleFlowModel


class Another(ParticleFlowModel):
    """A model that says the least; what must be written isn't asked for here."""

    name, title = "another", "Another network"
    inputs, outputs, features = INPUTS, OUTPUTS, FEATURES
    measures: Mapping[str, str] = {"another_depth": "how deep it is"}
    labels: Mapping[str, tuple[str, str]] = {"eta": (r"$\eta$", "η")}
    build = published = loss = target = None  # type: ignore[assignment]


def test_its_metrics_and_figures_are_described() -> None:
    model = Another()
    assert model.measures == {"another_*": "of this network", **MEASURES, "another_depth": "how deep it is"}
    assert model.captions == CAPTIONS
    assert model.headline == HEADLINE
    assert "mlpf_*" in MODEL.measures and "another_*" not in MODEL.measures


def test_a_feature_without_a_label_keeps_its_name() -> None:
    names = Another().feature_names
    place = ELEMENT.index("eta")
    assert (names.formulas[place], names.plain[place]) == (r"$\eta$", "η")
    assert names.plain[-1] == names.formulas[-1] == "is gen electron"
    assert names.names == ELEMENT


def test_without_a_generator_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Another network has no generator: set"):
        Another().simulate(tmp_path / "out", size=10, seed=0, processes=1)
    assert not (tmp_path / "out").exists()


def test_the_recipe_speaks_of_the_columns_that_the_library_reads() -> None:
    assert MODEL.inputs[0].columns == ELEMENT
    assert MODEL.outputs[0].columns == CLASSES
    assert MODEL.outputs[1].columns == MOMENTA
    assert len(MODEL.target()) == len(EXPLAINED)
