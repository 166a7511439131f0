"""The repository itself: Python that needs no rendering, workflows and metadata that are valid, no machine's paths."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from support.needs import require
from support.template import MODELS, ROOT, SLUGS, TEMPLATE, attempt, run, tracked

TRACKED = tracked(ROOT)
#: Links lead to files that are looked at anyway.
FILES = [path for path in TRACKED if not (ROOT / path).is_symlink()]
PYTHON = [path for path in FILES if path.suffix == ".py"]
INSIDE = [path for path in PYTHON if path.parts[0] == TEMPLATE.name]
WORKFLOWS = [path for path in FILES if ".github" in path.parts and path.suffix == ".yml"]
WRITERS = [
    ("release.yml", {"actions": "read", "id-token": "write"}),
    ("release.yml", {"actions": "read", "contents": "write"}),
    ("release.yml", {"actions": "write"}),
    ("image.yml", {"id-token": "write"}),
    ("docs.yml", {"pages": "write", "id-token": "write"}),
    ("pages.yml", {"pages": "write", "id-token": "write"}),
]
TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".json", ".cff", ".txt", ".ini", "", ".ipynb", ".cfg"}


@pytest.mark.parametrize("path", PYTHON, ids=str)
def test_python_is_python_before_rendering(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    if path in INSIDE:
        assert "cookiecutter." not in (ROOT / path).read_text(encoding="utf-8")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not node.module.startswith(tuple(SLUGS.values())), f"{path}:{node.lineno} names the package"


def test_every_recipe_and_the_library_are_copied_as_they_are() -> None:
    context = json.loads((ROOT / "cookiecutter.json").read_text())
    assert {"recipes/*", "tests/*", "vendor/*", ".github/workflows/*"} <= set(context["_copy_without_render"])
    assert {path.parts[1] for path in INSIDE} == {"recipes", "tests"}
    links = {path.name: (ROOT / path).readlink() for path in TRACKED if path.parts[:2] == (TEMPLATE.name, "vendor")}
    up = Path("..", "..")
    wanted = {"fair_hep": up / "src" / "fair_hep", "pyproject.toml": up / "pyproject.toml", "LICENSE": up / "LICENSE"}
    assert links == wanted


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix in TEXT], ids=str)
def test_nothing_of_one_machine(path: Path) -> None:
    """No path of a machine, no neighbouring folder, and no host of a package registry."""
    text = (ROOT / path).read_text(encoding="utf-8")
    words = (
        r"(?<![\w.$-])/(work|opt|farm|root|home)/",
        r"\.\./shared",
        "pypi" r"\.org",
        "pythonhosted" r"\.org",
        "npmjs" r"\.",
        "deb" r"ian\.org",
    )
    for word in words:
        found = re.search(word, text)
        assert not found, f"{path}: {text[max(0, found.start() - 30) : found.end() + 30]!r}"


def test_no_rendered_file_looks_like_a_git_pack() -> None:
    """Cookiecutter takes such a file for a binary, and copies its braces (cookiecutter#2205)."""
    for path in FILES:
        if path.parts[0] == TEMPLATE.name:
            assert not (ROOT / path).read_bytes().startswith(b"PACK"), path


def test_files_are_small() -> None:
    for path in FILES:
        assert (ROOT / path).stat().st_size <= 4 * 2**20, path


def test_workflows_lint() -> None:
    programs = [Path(sys.executable).with_name(name) for name in ("actionlint", "zizmor")]
    require(all(program.exists() for program in programs), "actionlint or zizmor isn't installed: make environment")
    actionlint, zizmor = programs
    paths = [ROOT / path for path in WORKFLOWS]
    assert len(paths) >= 2
    run(actionlint, *paths, cwd=ROOT)
    done = attempt(zizmor, "--offline", "--pedantic", *paths, cwd=ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=str)
def test_workflows_take_no_more_than_they_need(path: Path) -> None:
    workflow = yaml.safe_load((ROOT / path).read_text())
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        if set(job["permissions"].values()) != {"read"}:
            # A release, the start of another workflow, a signature, a page: by jobs that run nothing of the project.
            assert (path.name, job["permissions"]) in WRITERS
            assert all(
                "checkout" not in step.get("uses", "") and "make" not in step.get("run", "") for step in job["steps"]
            )
            assert path.name == "image.yml" or "secrets." not in str(job)
        for step in job["steps"]:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step.get("uses", "x@" + 40 * "0"))


def test_workflow_of_the_template_runs_what_ci_runs() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert ".ci/run" in text
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_every_test_that_holds_a_defect_out_exists() -> None:
    page = (ROOT / "docs" / "explanation" / "defects.md").read_text()
    rows = [line for line in page.splitlines() if re.match(r"\| [\d-]+ \|", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, 23))
    named = [found for row in rows for found in re.findall(r"`((?:\w+/)+test_[\w*]+\.py)(?:::(\w+))?`", row)]
    assert len(named) > 15
    for file, name in named:
        places = list((ROOT / "tests").glob(file))
        assert places, file
        # test_checks.py runs the promises of check/, each by its name.
        places += (ROOT / "src" / "fair_hep" / "check").glob("*.py") if file.endswith("/test_checks.py") else ()
        assert not name or any(f"def {name}(" in place.read_text() for place in places), f"{file}::{name}"


def test_citation_of_the_template_is_valid_and_stays_here() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["title"] not in (TEMPLATE / "CITATION.cff").read_text()
    validator = Path(sys.executable).with_name("cffconvert")
    require(validator.exists(), "cffconvert isn't installed: make environment")
    run(validator, "--validate", cwd=ROOT)


def test_library_citation_and_changelog_have_one_version() -> None:
    headings = re.findall(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert len(set(headings)) == len(headings)
    # Between releases the library's ends with "+g": the wheel of a project names its contents behind it.
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert declared.removesuffix("+g") == headings[0]


def test_the_library_is_published_before_what_is_made_with_it() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    assert (jobs["model"]["needs"], jobs["library"]["needs"], jobs["release"]["needs"]) == (
        "library",
        "build",
        ["model", "site"],
    )
    assert any("gh-action-pypi-publish" in step.get("uses", "") for step in jobs["library"]["steps"])
    # Trusted publishing: no password, no token.
    assert "secrets." not in str(jobs["library"])


def test_release_of_the_template_makes_every_model_with_data_of_its_own() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    made = {entry["model"]: entry["slug"] for entry in workflow["jobs"]["model"]["strategy"]["matrix"]["include"]}
    makefile = (ROOT / "Makefile").read_text()
    slugs = dict(re.findall(r"^SLUG_(\w+) = (\w+)$", makefile, re.MULTILINE))
    known = json.loads((ROOT / "cookiecutter.json").read_text())["_models"]
    assert set(slugs) == set(known)
    # An example to start from has no data of its own, and nothing to release.
    assert made == {model: slug for model, slug in slugs.items() if known[model]["doi"]}


def test_every_model_is_made_and_tested() -> None:
    listed = re.search(r"^MODELS = (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed
    assert listed[1].split() == list(MODELS) == list(json.loads((ROOT / "cookiecutter.json").read_text())["_models"])


def test_unknown_model_is_refused_by_make() -> None:
    done = attempt("make", "demo", "MODEL=nothing", cwd=ROOT)
    assert done.returncode == 2
    assert "got 'nothing', expected one of: particlenet mlpf custom graph" in done.stderr
