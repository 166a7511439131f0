"""What kind of sample stands behind the figures, and what is counted under them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fair_hep.bundle.files import read_json
from fair_hep.describe.card_analyses import _caption
from fair_hep.describe.sample import sample_sentence
from fair_hep.project.data import _simulated
from support.recipes import FOLDER


def facts(
    source: str, simulated: dict[str, Any], doi: str | None = None, *, axis: str = "jets", elsewhere: object = None
) -> Any:
    return SimpleNamespace(
        metrics={"test_set": {"examples": 1700}, "source": source},
        data=SimpleNamespace(doi=doi, simulated=simulated),
        signature=SimpleNamespace(inputs=[SimpleNamespace(axes=(axis, "elements"))]),
        training={"examples": 2600},
        elsewhere=elsewhere,
    )


@pytest.mark.parametrize("name", ["particlenet", "custom", "graph"])
def test_the_samples_of_jets_tell_their_generator_level_card_and_pile_up(name: str) -> None:
    noted = read_json(FOLDER / name / "sample" / "provenance.json")
    said = sample_sentence(facts("sample", _simulated(noted)))
    assert said.startswith("Measured on 1,700 jets of the test split (trained on 2,600), from the small sample")
    for word in (f"pythia8mc {noted['generator']['pythia8mc']}", "detector: energy flow", "ATLAS card", "no pile-up"):
        assert word in said


def test_events_tell_their_pile_up() -> None:
    noted = read_json(FOLDER / "mlpf" / "sample" / "provenance.json")
    for pileup, words in ((0.0, "no pile-up"), (10.0, "10 pile-up interactions on average")):
        said = sample_sentence(facts("sample", _simulated({**noted, "pileup_mean": pileup}), axis="events"))
        assert "1,700 events" in said and words in said and "CMS card" in said


def test_published_data_have_their_doi_and_what_is_not_known_is_not_told() -> None:
    said = sample_sentence(facts("doi", {}, "10.5281/zenodo.2603256"))
    assert "https://doi.org/10.5281/zenodo.2603256" in said and "isn't known" not in said and "pile-up" not in said
    assert sample_sentence(facts("folder", {})).endswith("how they were made isn't known here.")
    assert "trained on" not in sample_sentence(facts("folder", {}, elsewhere=object()))
    told = facts("folder", {})
    told.metrics = {"headline": []}
    assert sample_sentence(told) == ""


def test_a_caption_says_how_many_jets_pass_the_rule() -> None:
    model: Any = SimpleNamespace(captions={"edges_top_*": "Edges of one top jet"})
    counted = {"edges_top_*": "15 of 100 explained top jets have three subjets"}
    assert _caption(Path("edges_top_7.png"), model, counted) == (
        "Edges of one top jet. 15 of 100 explained top jets have three subjets"
    )
    assert _caption(Path("other_one.png"), model, counted) == "other one"
