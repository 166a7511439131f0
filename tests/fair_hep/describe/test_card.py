"""The model card: the sections of Mitchell et al., only what is known, pictures that are there, a way to redo it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from fair_hep.bundle.files import read_json, write_json
from fair_hep.describe.card import card_sections, write_card
from fair_hep.describe.card_details import CONFIGURATION
from fair_hep.describe.energy import Cost, cost
from fair_hep.describe.facts import gather
from fair_hep.models.recipe import recipe
from fair_hep.pages.document import Code, Items, Paragraph, Section, Table, markdown
from fair_hep.provenance.configuration import Config, load_config
from fair_hep.provenance.project import Project
from support.published import copy

Bundled = tuple[Project, Config]
#: doi:10.1145/3287560.3287596, figure 1.
MITCHELL = (
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data", "Quantitative analyses",
    "Ethical considerations", "Caveats and recommendations",
)  # fmt: skip


@pytest.fixture(scope="module")
def card(bundled: Bundled) -> str:
    return (bundled[0].bundle / "README.md").read_text(encoding="utf-8")


def test_sections_are_those_of_mitchell_in_their_order(card: str) -> None:
    found = re.findall(r"^## (.*)$", card, re.MULTILINE)
    assert tuple(found[: len(MITCHELL)]) == MITCHELL
    assert found[len(MITCHELL) :] == ["How to reproduce", "How to cite"]


def test_pictures_are_linked_and_all_of_them(bundled: Bundled, card: str) -> None:
    folder = bundled[0].bundle
    linked = re.findall(r"!\[(.+)\]\((\S+)\)", card)
    drawn = {path.relative_to(folder).as_posix() for path in (folder / "figures" / "evaluate").rglob("*.png")}
    assert {path for _, path in linked} >= drawn
    assert all((folder / path).is_file() for _, path in linked)
    titles = recipe(bundled[0]).captions.values()
    assert all(title in titles for title, _ in linked), "every figure has a caption of the model"


def test_numbers_are_those_of_the_evaluation(bundled: Bundled, card: str) -> None:
    metrics = read_json(bundled[0].bundle / "metrics.json")
    assert all(line in card for line in metrics["headline"])
    assert metrics["tables"]
    for table in metrics["tables"]:
        assert table["rows"]
        assert all(cell in card.replace("\\|", "|") for row in table["rows"] for cell in row)
    model = recipe(bundled[0])
    assert all(f"- {limit}" in card for limit in (*model.limits, *model.factors))
    assert all(f"`{name}`" in card for name in model.measures)


def test_files_and_values_that_are_unknown_are_left_out(bundled: Bundled, card: str) -> None:
    project, _ = bundled
    table = re.search(r"\*Files of the bundle\*\n\n((?:\|.*\n)+)", card)
    assert table
    named = re.findall(r"^\| `([^`]+)`", table[1], re.MULTILINE)
    assert len(named) > 8
    assert all((project.bundle / name).exists() for name in named)
    for word in ("None", "NaN", "TODO", "kWh", "- DOI", "- Questions"):
        assert word not in card
    published = project.model_copy(update={"doi": "10.5281/zenodo.1", "repository": "https://example.org/x"})
    text = write_card(gather(published))
    assert "- DOI: [doi:10.5281/zenodo.1](https://doi.org/10.5281/zenodo.1)" in text
    assert "git clone https://example.org/x" in text
    assert "- Questions: <https://example.org/x/issues>" in text


def test_only_a_commit_that_made_it_is_to_be_checked_out(bundled: Bundled, tmp_path: Path) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    path, commit = project.bundle / "provenance.json", "c0ffee" * 6 + "c0ff"
    found = {}
    for stated in (None, commit, f"{commit}-dirty"):
        write_json(path, {**read_json(path), "git_commit": stated})
        found[stated] = write_card(gather(project))
    assert "Commit" not in str(found[None])
    assert f"- Commit: `{commit}`\n" in found[commit]
    assert [f"git checkout {commit}" in card for card in found.values()] == [False, True, False]
    assert f"- Commit: `{commit}`, with changes that weren't committed" in found[f"{commit}-dirty"]


def test_time_and_energy_are_told_and_the_estimate_is_said_to_be_one(bundled: Bundled, tmp_path: Path) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    path = project.bundle / "provenance" / "train.json"
    spent = {"seconds": 7200.0, "processes": 2, "threads": 4, "device": "cpu", "resumed": True, "parameters": 26416}
    write_json(path, {**read_json(path), "result": spent})
    card = write_card(gather(project))
    assert "- Parameters: 26,416" in card
    assert "Training took 2.0 h (measured) in 2 processes, each on 4 threads of a CPU; it was resumed" in card
    assert "Energy: 0.24 kWh, an estimate from this time and an assumed power of 15 W for each thread" in card


def test_energy_is_power_times_time_and_unknown_where_a_factor_is() -> None:
    assert Cost(3600, 1, 2, "cpu").kilowatt_hours == pytest.approx(2 * 15 / 1000)
    assert Cost(3600, 4, 2, "cuda").kilowatt_hours == pytest.approx(4 * 300 / 1000)
    assert cost({"seconds": 3.0}) is None
    assert cost({}) is None


def test_explanations_come_with_how_far_they_can_be_trusted(bundled: Bundled, tmp_path: Path) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    table = Table("Weights made random", ("random down to", "correlation"), (("classify", "+0.10"),))
    study = {"headline": ["explained 2"], "explained": {"composite": "epsilon"}, "tables": [table.as_dict()]}
    metrics = read_json(project.bundle / "metrics.json")

    def titles() -> list[str]:
        (analyses,) = (s for s in card_sections(gather(project)) if s.title == "Quantitative analyses")
        return [section.title for section in analyses.sections]

    metrics.pop("explanation", None)
    write_json(project.bundle / "metrics.json", metrics)
    assert titles() == ["Performance", "How it was checked"]
    write_json(project.bundle / "metrics.json", {**metrics, "explanation": study})
    assert titles() == ["Performance", "How it explains, and how far that can be trusted", "How it was checked"]
    card = write_card(gather(project))
    assert "| classify | +0.10 |" in card
    assert "Settings: composite epsilon." in card


def test_the_configuration_in_the_bundle_makes_the_same_again(bundled: Bundled, card: str) -> None:
    project, config = bundled
    assert load_config(project.bundle / CONFIGURATION) == config
    assert f"{project.slug} run --config bundle/{CONFIGURATION}" in card


def test_front_matter_is_yaml(card: str) -> None:
    _, head, _ = card.split("---\n", 2)
    values = yaml.safe_load(head)
    assert values["library_name"] == "onnx"
    # What a hub ranks is the model's own, on all test examples.
    assert values["metrics"]
    assert not any(name.startswith("baseline_") or "_bin" in name for name in values["metrics"])


def test_markdown_of_every_block() -> None:
    document = [
        Section(
            "One",
            (Paragraph("words"), Items(("a", "b")), Code("ls\n", "bash"), Table("t", ("x", "y"), (("1|2", "3"),))),
            (Section("Two"),),
        )
    ]
    assert markdown(document) == (
        "## One\n\nwords\n\n- a\n- b\n\n```bash\nls\n```\n\n*t*\n\n| x | y |\n| --- | --- |\n| 1\\|2 | 3 |\n\n### Two"
    )
