"""The nine questions: each asked in plain words, each with a default that is right."""

from __future__ import annotations

import json
from itertools import starmap

import pytest
import yaml

from support.template import ROOT, TEMPLATE, Bake, load

CONTEXT = json.loads((ROOT / "cookiecutter.json").read_text())
QUESTIONS = {name: default for name, default in CONTEXT.items() if not name.startswith("_")}


def test_nine_questions_at_most_and_the_hook_checks_them_all() -> None:
    assert len(QUESTIONS) <= 9
    assert tuple(QUESTIONS) == load(ROOT / "hooks" / "pre_gen_project.py").QUESTIONS


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_and_choice_has_a_prompt(question: str) -> None:
    prompt = CONTEXT["__prompts__"][question]
    if isinstance(QUESTIONS[question], list):
        assert set(prompt) == {"__prompt__", *QUESTIONS[question]}
    else:
        assert prompt
    # Square brackets are markup to the program that prints prompts: it would swallow them.
    assert "[" not in json.dumps(prompt)


CHOICES = [(name, choice) for name, choices in QUESTIONS.items() if isinstance(choices, list) for choice in choices]


@pytest.mark.parametrize(("question", "choice"), CHOICES, ids=list(starmap("{}={}".format, CHOICES)))
def test_every_choice_bakes(bake: Bake, question: str, choice: str) -> None:
    folder = bake(**{question: choice})
    values = yaml.safe_load((folder / "project.yaml").read_text())
    assert choice in {values["model"], values["licenses"]["code"]}


def test_only_what_works_is_offered() -> None:
    recipes = TEMPLATE / "recipes"
    assert set(QUESTIONS["model"]) == {path.parent.name for path in recipes.glob("*/__init__.py")}
    for model in QUESTIONS["model"]:
        assert {path.name for path in (recipes / model / "configs").iterdir()} == {"quick.yaml", "full.yaml"}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Top tagger", "top_tagger"),
        ("ParticleNet für Tops!", "particlenet_fur_tops"),
        ("3-body tagger", "model_3_body_tagger"),
        ("  H -> bb  ", "h_bb"),
    ],
)
def test_slug_follows_the_name(bake: Bake, name: str, slug: str) -> None:
    folder = bake(project_name=name)
    assert folder.name == slug
    assert (folder / "src" / slug / "__init__.py").is_file()


@pytest.mark.slow
def test_data_set_and_its_licence_follow_the_model(bake: Bake) -> None:
    for model in QUESTIONS["model"]:
        values = yaml.safe_load((bake(model=model, project_slug=model) / "project.yaml").read_text())
        known = CONTEXT["_models"][model]
        assert values.get("dataset") == ({"doi": known["doi"]} if known["doi"] else None)
        assert values["licenses"].get("data", "") == known["license"]


@pytest.mark.slow
def test_name_and_description_follow_the_model(bake: Bake) -> None:
    for model in QUESTIONS["model"]:
        folder = bake(model=model)
        values = yaml.safe_load((folder / "project.yaml").read_text())
        known = CONTEXT["_models"][model]
        assert (values["title"], values["description"]) == (known["name"], known["about"])
        assert folder.name == known["name"].lower().replace(" ", "_")
        assert (folder / "sample" / known["file"]).is_file()


def test_licence_of_unknown_data_is_left_out(bake: Bake) -> None:
    values = yaml.safe_load((bake(dataset_doi="10.5281/zenodo.1") / "project.yaml").read_text())
    assert values["dataset"] == {"doi": "10.5281/zenodo.1"}
    assert "data" not in values["licenses"]
