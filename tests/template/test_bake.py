"""A generated project: exactly the right files, every answer kept as it was given, valid from the first minute."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from cookiecutter.main import cookiecutter

from support.installed import Environment
from support.needs import require
from support.template import MODELS, ROOT, TEMPLATE, Bake, attempt, run, the_wheel, tracked

TOP = {
    ".github/workflows/ci.yml",
    ".github/workflows/image.yml",
    ".github/workflows/pages.yml",
    ".github/workflows/release.yml",
    ".gitignore",
    "CHANGELOG.md",
    "CITATION.cff",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    ".dockerignore",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "codemeta.json",
    "configs/full.yaml",
    "configs/quick.yaml",
    "notebooks/use.ipynb",
    "project.yaml",
    "pyproject.toml",
    "reana.yaml",
    "tests/test_recipe.py",
    "workflow/Dockerfile",
    "workflow/Snakefile",
    "workflow/config.yaml",
    "workflow/profiles/default/config.yaml",
}
#: What every recipe has: a file for each verb that reads one.
RECIPE = {"__init__.py", "inputs.py", "network.py", "data.py", "train.py", "evaluate.py", "explain.py"}
#: Most files of a project, and most lines without sample, wheel and lock files.
MOST_FILES, MOST_LINES = 45, 2000
#: What only a cluster reads is counted apart: nobody needs to know it to use or to change a model.
WORKFLOW = ("workflow/", "reana.yaml")
MOST_OF_WORKFLOW = 200
HOSTILE = {
    "project_name": 'The "top" \\ tagger\n{of} O\'Neil: é 😀 #1, <b>',
    "project_slug": "hostile",
    "description": 'Tags\t"tops" \\n \\\n- key: {value} }} %} #} & é 😀 \'\'\' """ ${HOME} $(id) \\',
    "author": 'O\'Neil "Löve" \\, A\\da {L} <a>',
    "orcid": "0000-0002-1694-233X",
    "email": "o'neil+tag@example.org",
    "dataset_doi": "10.1000/a_(b);c:d",
}
CODEMETA_KEYS = {
    "@context", "@type", "applicationCategory", "author", "description", "keywords", "license", "name",
    "programmingLanguage", "runtimePlatform", "citation", "version",
}  # fmt: skip


def files(folder: Path) -> set[str]:
    """Return all files below a folder, by path."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def read(folder: Path) -> dict[str, Any]:
    """Parse everything that was rendered."""
    return {
        "project": yaml.safe_load((folder / "project.yaml").read_text(encoding="utf-8")),
        "citation": yaml.safe_load((folder / "CITATION.cff").read_text(encoding="utf-8")),
        "codemeta": json.loads((folder / "codemeta.json").read_text(encoding="utf-8")),
        "pyproject": tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")),
    }


@pytest.mark.parametrize("model", MODELS)
def test_exact_set_of_files(bake: Bake, model: str) -> None:
    recipe = f"{TEMPLATE.name}/recipes/{model}/"
    names = [path.as_posix().removeprefix(recipe) for path in tracked(ROOT) if path.as_posix().startswith(recipe)]
    top = {name for name in names if name.startswith(("configs/", "sample/", "tests/"))}
    folder = bake(model=model, project_slug="kept")
    wheel = f"vendor/{the_wheel(folder).name}"
    assert re.fullmatch(r"vendor/fair_hep-\d+\.\d+\.\d+(\+g[0-9a-f]{12})?-py3-none-any\.whl", wheel)
    assert files(folder) == TOP | {wheel} | top | {f"src/kept/{name}" for name in {*names} - top}
    assert set(names) >= RECIPE | {"configs/quick.yaml", "configs/full.yaml", "sample/provenance.json"}


@pytest.mark.parametrize("model", MODELS)
def test_a_project_is_thin(bake: Bake, model: str) -> None:
    """What a physicist owns is what a physicist can read."""
    folder = bake(model=model)
    everything = {name for name in files(folder) if not name.startswith(WORKFLOW)}
    own = {name for name in files(folder) if not name.startswith(("sample/", "vendor/"))}
    lines = {name: len((folder / name).read_text(encoding="utf-8").splitlines()) for name in own}
    workflow = sum(lines.pop(name) for name in own - everything)
    assert len(everything) <= MOST_FILES, sorted(everything)
    assert sum(lines.values()) <= MOST_LINES, sorted(lines.items(), key=lambda item: -item[1])
    assert workflow <= MOST_OF_WORKFLOW


def test_nothing_is_left_to_render(project: Path) -> None:
    verbatim = ("src/", "sample/", "tests/", "vendor/", ".github/workflows/", "notebooks/")
    for name in files(project):
        assert not re.search(r"[{}]", name)
        if not name.startswith(verbatim):
            assert not re.search(r"\{\{|\{%|\{#|cookiecutter\.", (project / name).read_text()), name


def test_no_caches_and_no_bytecode(project: Path, clone: Path, tmp_path: Path) -> None:
    """Neither from a clean template nor from one in which tools have been at work."""
    dirty = clone / TEMPLATE.name
    for cache in (".ruff_cache/0/a", ".mypy_cache/b", "recipes/particlenet/__pycache__/c.pyc"):
        (dirty / cache).parent.mkdir(parents=True, exist_ok=True)
        (dirty / cache).write_bytes(b"\xff{{ cookiecutter.nothing }}")
    library = clone / "src" / "fair_hep" / "lrp" / "__pycache__" / "rules.cpython-311.pyc"
    library.parent.mkdir()
    library.write_bytes(b"\xff")
    worked = Path(cookiecutter(str(clone), no_input=True, default_config=True, output_dir=str(tmp_path / "worked")))
    assert files(worked) == files(project)
    assert not [name for name in files(project) if re.search(r"\.pyc$|__pycache__|_cache/|\.DS_Store|~$", name)]


def test_files_end_with_one_line_break(project: Path) -> None:
    for name in TOP:
        text = (project / name).read_text(encoding="utf-8")
        assert text.endswith("\n"), name
        assert not text.endswith("\n\n"), name
        assert not text.startswith("\n"), name


def test_defaults_leave_out_what_is_not_known(project: Path) -> None:
    found = read(project)
    assert set(found["project"]) == {"title", "slug", "description", "version", "model", "licenses", "dataset"}
    assert found["citation"]["authors"] == [{"name": "The Top tagger developers"}]
    assert found["codemeta"]["author"] == [{"@type": "Organization", "name": "The Top tagger developers"}]
    for name in files(project):
        if name in TOP - {"Makefile"}:
            text = (project / name).read_text()
            assert not re.search(r"XXXX|TODO|FIXME|your[ _-]?name|example\.(com|org)", text), name
            # In Python it is a word like any other.
            assert name.endswith((".py", "Snakefile")) or not re.search(r"None\b", text), name


def test_hostile_answers_stay_data(bake: Bake) -> None:
    found = read(bake(**HOSTILE))
    project, citation, codemeta = found["project"], found["citation"], found["codemeta"]
    assert project["title"] == citation["title"] == codemeta["name"] == HOSTILE["project_name"]
    assert project["description"] == citation["abstract"] == codemeta["description"] == HOSTILE["description"]
    author = {"name": HOSTILE["author"], "orcid": HOSTILE["orcid"], "email": HOSTILE["email"]}
    assert project["authors"] == [author]
    family, given = HOSTILE["author"].split(", ")
    orcid = "https://orcid.org/" + HOSTILE["orcid"]
    person = {"family-names": family, "given-names": given, "orcid": orcid, "email": HOSTILE["email"]}
    assert citation["authors"] == [person]
    assert codemeta["author"][0]["familyName"] == family
    assert codemeta["author"][0]["givenName"] == given
    assert codemeta["author"][0]["@id"] == orcid
    assert project["dataset"] == {"doi": HOSTILE["dataset_doi"]}
    assert found["pyproject"]["project"]["description"] == " ".join(HOSTILE["description"].split())


@pytest.mark.parametrize(
    "text", ["on", "null", "1e3", "2026-01-01", "- a", "a: b", "'", '"', "\\", "#", "&a *a", "!x", "|", "~"]
)
def test_short_answers_stay_text(bake: Bake, text: str) -> None:
    found = read(bake(project_name=text, project_slug="short", description=text, author=text))
    assert found["project"]["title"] == found["citation"]["title"] == text
    assert found["project"]["description"] == found["codemeta"]["description"] == text
    assert found["project"]["authors"] == [{"name": text}]


@pytest.mark.parametrize("slug", ["null", "true", "on", "no", "e1"])
def test_slugs_that_yaml_would_take_for_something_else(bake: Bake, slug: str) -> None:
    found = read(bake(project_slug=slug))
    assert found["project"]["slug"] == found["pyproject"]["project"]["name"] == slug
    assert found["pyproject"]["project"]["scripts"] == {slug: "fair_hep.cli.project:main"}


def test_a_group_is_cited_as_a_group(bake: Bake) -> None:
    found = read(bake(author="The ABC Collaboration"))
    assert found["citation"]["authors"] == [{"name": "The ABC Collaboration"}]
    assert found["codemeta"]["author"] == [{"@type": "Organization", "name": "The ABC Collaboration"}]


@pytest.mark.parametrize(
    ("author", "family", "given"),
    [("Ada  Lovelace", "Lovelace", "Ada"), ("Byron, Ada King", "Byron", "Ada King"), ("Plato", "Plato", None)],
)
def test_who_has_an_orcid_is_a_person(bake: Bake, author: str, family: str, given: str | None) -> None:
    folder = bake(author=author, orcid="0000-0002-1825-0097")
    found, orcid = read(folder), "https://orcid.org/0000-0002-1825-0097"
    names = {"family-names": family, "given-names": given, "orcid": orcid}
    assert found["citation"]["authors"] == [{key: value for key, value in names.items() if value}]
    stated = {"@id": orcid, "@type": "Person", "familyName": family, "givenName": given}
    assert found["codemeta"]["author"] == [{key: value for key, value in stated.items() if value}]
    assert found["project"]["authors"][0]["name"] == (f"{family}, {given}" if given else family)
    assert f"Copyright (c) {given} {family}" in (folder / "LICENSE").read_text() or given is None


def test_empty_answers_leave_no_trace(bake: Bake) -> None:
    found = read(bake(description="", dataset_doi=""))
    assert "dataset" not in found["project"]
    assert "data" not in found["project"]["licenses"]
    assert "abstract" not in found["citation"]
    assert not {"description", "citation"} & set(found["codemeta"])


@pytest.mark.parametrize(
    ("license_", "first", "holder"),
    [
        ("MIT", "MIT License", True),
        ("BSD-3-Clause", "BSD 3-Clause License", True),
        ("Apache-2.0", "Apache License", False),
    ],
)
def test_licence_text(bake: Bake, license_: str, first: str, holder: bool) -> None:
    folder = bake(license=license_, author="Lovelace, Ada")
    text = (folder / "LICENSE").read_text()
    assert text.split("\n")[0].strip() == first
    assert ("Copyright (c) Ada Lovelace" in text) == holder
    found = read(folder)
    assert found["pyproject"]["project"]["license"] == found["citation"]["license"] == license_
    assert found["codemeta"]["license"] == f"https://spdx.org/licenses/{license_}"


@pytest.mark.parametrize("answers", [{}, HOSTILE, {"author": "A Group", "orcid": "0000-0002-1825-0097"}])
def test_citation_is_valid(bake: Bake, answers: dict[str, str]) -> None:
    validator = Path(sys.executable).with_name("cffconvert")
    require(validator.exists(), "cffconvert isn't installed: make environment")
    run(validator, "--validate", cwd=bake(**answers))


@pytest.mark.parametrize("answers", [{}, HOSTILE])
def test_codemeta_has_the_shape_of_version_3(bake: Bake, answers: dict[str, str]) -> None:
    codemeta = read(bake(**answers))["codemeta"]
    assert codemeta["@context"] == "https://w3id.org/codemeta/3.0"
    assert codemeta["@type"] == "SoftwareSourceCode"
    assert set(codemeta) <= CODEMETA_KEYS
    person = {"@id", "@type", "email", "familyName", "givenName", "name"}
    assert all(set(author) <= person for author in codemeta["author"])


@pytest.mark.parametrize("answers", [{}, {**HOSTILE, "license": "Apache-2.0"}])
def test_metadata_agree_with_each_other(bake: Bake, answers: dict[str, str]) -> None:
    found = read(bake(**answers))
    versions = {values["version"] for values in (found["project"], found["citation"], found["codemeta"])}
    assert versions == {found["pyproject"]["project"]["version"]}


@pytest.mark.parametrize("answers", [{}, HOSTILE, *({"model": model, "author": "Lovelace, Ada"} for model in MODELS)])
def test_a_fresh_project_is_as_fair_as_it_can_be(bake: Bake, environment: Environment, answers: dict[str, str]) -> None:
    """Before its first run nothing fails; what needs a bundle or a publication says so."""
    require(importlib.util.find_spec("pyshacl"), "pyshacl isn't installed: make environment")
    folder = bake(**answers)
    done = run(
        environment.bin / "python", "-m", "fair_hep.cli", "fair", "--json", cwd=folder, env={"PYTHONPATH": "src"}
    )
    found = json.loads(done)
    assert found["counts"]["failed"] == 0
    assert found["counts"]["run `export` first"] >= 20
    passed = {one["check"] for one in found["evidence"] if one["state"] == "passed"}
    # All that needs neither a bundle nor the network.
    alone = {"citation", "codemeta", "description", "licence_text", "licences", "people", "practice", "version"}
    # Data without a DOI are a warning, no failure.
    assert passed >= alone | ({"data_identifier"} if "dataset" in read(folder)["project"] else set())


def test_project_reads_its_own_answers(bake: Bake, environment: Environment) -> None:
    folder = bake(**HOSTILE)
    code = (
        "from fair_hep.provenance.project import load_project; p = load_project()\n"
        "print(p.title, p.authors[0].name, sep='|')"
    )
    printed = run(environment.bin / "python", "-c", code, cwd=folder)
    assert printed == f"{HOSTILE['project_name']}|{HOSTILE['author']}\n"


def test_command_line_starts_everywhere(bake: Bake, environment: Environment) -> None:
    folder = bake(project_slug="null")
    help_text = run(environment.bin / "python", "-m", "fair_hep.cli", "--help", cwd=folder)
    verbs = re.search(r"^VERBS = (.*)$", (folder / "Makefile").read_text(), re.MULTILINE)
    assert verbs
    for verb in (*verbs[1].split(), "run", "predict", "check", "simulate"):
        assert re.search(rf"^  {verb}\b", help_text, re.MULTILINE), verb


def test_make_lists_its_targets(project: Path) -> None:
    assert "make quick" in run("make", "help", cwd=project)


def test_a_checkout_of_the_library_takes_the_place_of_the_wheel(project: Path) -> None:
    told = run("make", "--dry-run", "install", "FAIR_HEP=../fair hep", cwd=project)
    *_, last = (line for line in told.splitlines() if "pip install" in line)
    assert last == '.venv/bin/python -m pip install --quiet --editable "../fair hep"'
    assert "../fair hep" not in run("make", "--dry-run", "quick", cwd=project)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_the_projects_own_tests_and_linters_pass(bake: Bake, environment: Environment, model: str) -> None:
    folder = bake(model=model, author="Lovelace, Ada")
    env = {"PYTHONPATH": "src", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    # The fast ones here; what takes long is run by the tests of each recipe, which are more.
    run(environment.bin / "python", "-m", "pytest", "-m", "not slow", cwd=folder, env=env)
    run(environment.bin / "ruff", "check", cwd=folder)
    run(environment.bin / "ruff", "format", "--check", cwd=folder)
    if model == "custom":  # minutes: mypy reads the library and what that imports; the recipes are checked in place
        run(environment.bin / "python", "-m", "mypy", "src", "tests", cwd=folder, env={"MYPYPATH": "src"})


def test_another_library_than_pinned_is_one_line(bake: Bake, environment: Environment, tmp_path: Path) -> None:
    folder = bake()
    command = (environment.bin / "python", "-m", "fair_hep.cli", "verify")
    wheel = the_wheel(folder)
    whole = wheel.read_bytes()
    for change, says in (
        (wheel.unlink, "there is no such file, and pyproject.toml asks for it"),
        (lambda: wheel.write_bytes(whole[:-1] + b"x"), "damaged or replaced"),
        (lambda: another(folder), "as pyproject.toml asks: run `make install`"),
    ):
        change()
        done = attempt(*command, cwd=folder, env={"PYTHONPATH": "src"})
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1, done.stderr
        assert says in done.stderr
        if "make install" not in says:
            made = attempt("make", "install", f"VENV={tmp_path / 'none'}", f"PYTHON={sys.executable}", cwd=folder)
            assert f"error: vendor/{wheel.name}: " in made.stderr
            assert not (tmp_path / "none").exists()
        wheel.write_bytes(whole)


def another(project: Path) -> None:
    """Give a project another wheel, as whole as the one that is installed, and refer to it."""
    wheel, settings = the_wheel(project), project / "pyproject.toml"
    before = hashlib.sha256(wheel.read_bytes()).hexdigest()
    wheel.write_bytes(wheel.read_bytes() + b"x")
    settings.write_text(settings.read_text().replace(before, hashlib.sha256(wheel.read_bytes()).hexdigest()))
