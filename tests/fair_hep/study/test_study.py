"""What a recipe may ask of the study besides: columns, tables, figures, lines, untrained networks, removal by mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from pydantic import Field
from torch import Tensor, nn

from fair_hep.bundle.errors import ConfigError
from fair_hep.provenance.configuration import Config, ExplainConfig
from fair_hep.study.case import Case, Study
from fair_hep.study.options import StudyOptions
from fair_hep.study.relevances import ELEMENTS, NOTHING, Column, Relevances, read_relevances
from fair_hep.study.removal import by_mask, from_inputs
from fair_hep.study.study import study
from fair_hep.study.summary import Summary
from support.sets import Sets


class Options(StudyOptions):
    controls: int = Field(2, ge=0)
    power: int = Field(1, ge=1)


class Heavy(Summary):
    """Tells how much relevance the heaviest point has."""

    def __init__(self, classes: Sequence[str], power: int) -> None:
        super().__init__(classes)
        self.power, self.heavy = power, 0.0

    def add(self, part: Relevances) -> None:
        super().add(part)
        first = part["element/order"] == 0
        self.heavy += float((np.abs(part["element/relevance"]).sum(2)[first] ** self.power).sum())

    def found(self, *, draws: int = 200) -> dict[str, Any]:
        return {**super().found(draws=draws), "heavy": self.heavy}


class Asked(Study):
    options = Options
    examples, elements = "sets", "points"
    removed = "mask"
    layout: Mapping[str, Column] = {
        "example/weight": Column("[examples] sum of weights"),
        "element/order": Column("[elements] order by falling weight", ELEMENTS, NOTHING),
    }

    def columns(self, inputs: Mapping[str, Tensor], values: Sequence[Tensor]) -> Mapping[str, np.ndarray]:
        weight = inputs["points"][..., 2]
        assert values[1].shape == weight.shape
        return {"example/weight": weight.sum(1).numpy(), "element/order": (-weight).argsort(1).argsort(1).numpy()}

    def stages(self, body: nn.Module) -> Sequence[str]:
        return ("whole.2",)

    def summary(self, case: Case) -> Heavy:
        return Heavy(case.classes, case.options.power)

    def draw(self, case: Case, found: Mapping[str, Any], path: Path) -> None:
        case.figure("heavy").write_text(str(found["heavy"]))

    def lines(self, case: Case, found: Mapping[str, Any]) -> Iterator[str]:
        yield f"heavy: {found['heavy']:.3f}"


class Points(torch.utils.data.Dataset[Any]):
    """Sets in memory, the first without a point."""

    def __init__(self, model: Sets, seed: int) -> None:
        self.batch = model.example(12, seed)
        self.batch["points"][0] = 0

    def __len__(self) -> int:
        return 12

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        return {name: values[indices] for name, values in self.batch.items()}


@pytest.fixture
def model(tmp_path: Path) -> Sets:
    return Sets(tmp_path)


def run(model: Sets, folder: Path, asked: Study, **options: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    chosen = {"trust": 5, "trust_composites": ["epsilon"], **options}
    config = Config(name="tried", model={"width": 8}, explain=ExplainConfig(size=12, options=chosen))
    data = {"val": Points(model, 1), "test": Points(model, 2)}
    return study(model, model.build(width=8).eval(), data, config, folder, asked)


@pytest.mark.slow
def test_what_a_recipe_asks_for_is_in_file_tables_figures_and_headline(model: Sets, tmp_path: Path) -> None:
    found = run(model, tmp_path / "one", Asked())
    (part,) = read_relevances(tmp_path / "one" / "relevances.h5")
    weight = Points(model, 2).batch["points"][..., 2].numpy()[part["example/index"]]
    np.testing.assert_allclose(part["example/weight"], weight.sum(1), rtol=1e-6)
    assert (part["element/order"][~part.mask] == NOTHING).all()
    assert np.take_along_axis(weight, part["element/order"].argmin(1)[:, None], 1).shape == (11, 1)
    with h5py.File(tmp_path / "one" / "relevances.h5") as file:
        assert file["element/order"].attrs["meaning"] == "[elements] order by falling weight"
        assert file.attrs["title"] == "Relevances of Sets on sets of the test split"
    assert found["heavy"] > 0
    assert (tmp_path / "one" / "heavy.png").read_text() == str(found["heavy"])
    assert f"heavy: {found['heavy']:.3f}" in found["headline"]
    assert "explained 11 sets (" in found["headline"][0] and "1 without points left out" in found["headline"][0]
    assert any("Points removed by relevance" in table["title"] for table in found["tables"])
    assert [row["down_to"] for row in found["trust"]["randomised"]] == ["whole.2"]


@pytest.mark.slow
def test_untrained_networks_are_gathered_alike_and_averaged(model: Sets, tmp_path: Path) -> None:
    found = run(model, tmp_path / "one", Asked())
    untrained = found["untrained"]
    assert (untrained["networks"], untrained["examples"]) == (2, 11)
    for kind in ("one", "two"):
        # A network with random weights may give a set no relevance at all.
        assert 0.5 < sum(untrained["shares"]["feature"][kind]["mean"]) <= 1 + 1e-9
        assert max(untrained["shares"]["feature"][kind]["error"]) > 0
    assert "untrained" not in run(model, tmp_path / "other", Asked(), controls=0)


@pytest.mark.slow
def test_options_of_a_recipe_are_validated_with_the_others(model: Sets, tmp_path: Path) -> None:
    assert run(model, tmp_path / "one", Asked(), power=2)["heavy"] != run(model, tmp_path / "two", Asked())["heavy"]
    with pytest.raises(ConfigError, match="unknown key 'powers', did you mean 'power'"):
        run(model, tmp_path / "three", Asked(), powers=2)
    with pytest.raises(ConfigError, match="unknown key 'power'"):
        run(model, tmp_path / "three", Study(), power=2)


def test_elements_are_removed_from_inputs_or_by_mask(model: Sets) -> None:
    network = model.build(width=8).eval()
    inputs = {"points": Points(model, 2).batch["points"][1:5]}
    mask, weights = (inputs["points"] != 0).any(-1), torch.tensor([-1.0, 1.0])
    masked, frozen = by_mask(network, inputs, weights, {})
    raw = from_inputs(network, inputs, weights)
    with torch.no_grad():
        whole = network(**inputs) @ weights
    assert frozen is None  # there are no edges
    torch.testing.assert_close(masked(mask), whole)
    torch.testing.assert_close(raw(mask), whole)
    # These features know nothing of the other points, so both ways are one.
    kept = mask & (torch.arange(mask.shape[1]) % 2 == 0)
    torch.testing.assert_close(masked(kept), raw(kept))
    assert not torch.allclose(masked(kept), whole)
