"""Projects follow their template: `cruft update` brings what is new and keeps what the user changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from support.documents import DOCS, follow
from support.template import MODELS, SLUGS, TEMPLATE, attempt, commit, run, the_wheel

CRUFT = Path(sys.executable).with_name("cruft")
QUESTIONS = (
    "model", "project_name", "project_slug", "description", "dataset_doi", "author", "orcid", "email", "license",
)  # fmt: skip


def create(template: Path, folder: Path, **answers: str) -> Path:
    """Generate a project with cruft, and put it into git."""
    context = json.dumps(answers)
    run(CRUFT, "create", template, "--no-input", "--output-dir", folder, "--extra-context", context, cwd=folder)
    (project,) = (path for path in folder.iterdir() if (path / "project.yaml").exists())
    commit(project, "generated", initial=True)
    return project


def change_template(template: Path) -> None:
    """Add a line to two rendered files and to a file of the library, as a new commit."""
    for name, line in (
        ("README.md", "\nA new paragraph of the template.\n"),
        ("CONTRIBUTING.md", "- One more rule.\n"),
    ):
        path = template / TEMPLATE.name / name
        path.write_text(path.read_text() + line)
    fix_library(template)
    commit(template, "change")


def fix_library(template: Path) -> None:
    """Change a file of the library."""
    path = template / "src" / "fair_hep" / "bundle" / "errors.py"
    path.write_text(path.read_text() + "\n# A new comment of the library.\n")


def changed(project: Path) -> list[str]:
    """Return what differs from the last commit, as git says it; a renamed file by its folder."""
    run("git", "add", "--all", cwd=project)
    said = run("git", "diff", "--cached", "--name-status", "--find-renames=50%", cwd=project)
    return sorted(re.sub(r"^R\d+\t(\S+)/\S+\t\1/\S+$", r"R \1", line) for line in said.splitlines())


def answers_of(project: Path) -> dict[str, str]:
    """Return the answers that cruft remembers."""
    context = json.loads((project / ".cruft.json").read_text())["context"]["cookiecutter"]
    return {question: context[question] for question in QUESTIONS}


@pytest.mark.slow
def test_a_fix_of_the_library_is_one_renamed_wheel_and_its_reference(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The update is done as the how-to says."""
    monkeypatch.setenv("PATH", str(CRUFT.parent), prepend=os.pathsep)
    (tmp_path / "home").mkdir()
    project = create(clone, tmp_path / "home")
    before, settings = the_wheel(project), (project / "pyproject.toml").read_text()
    digest = hashlib.sha256(before.read_bytes()).hexdigest()
    fix_library(clone)
    commit(clone, "fix")
    page = (DOCS / "how-tos" / "update-a-project.md").read_text()
    assert "\ncruft update --skip-apply-ask\n" in page
    follow(page, project)

    assert changed(project) == ["M\t.cruft.json", "M\tpyproject.toml", "R vendor"]
    after = the_wheel(project)
    assert after.name != before.name
    new = hashlib.sha256(after.read_bytes()).hexdigest()
    assert (project / "pyproject.toml").read_text() == settings.replace(before.name, after.name).replace(digest, new)
    # What is patched is, byte for byte, what is generated.
    assert after.read_bytes() == the_wheel(create(clone, fresh(tmp_path))).read_bytes()


def fresh(folder: Path) -> Path:
    (folder / "fresh").mkdir()
    return folder / "fresh"


def change_project(project: Path, package: Path) -> None:
    """Change what a user changes: the recipe, the configurations, README, dependencies, identity; and add files."""
    for path in sorted(package.glob("*.py")):
        path.write_text(path.read_text().replace("\n\n", "\n\n# A line of mine, high up.\n\n", 1))
    (package / "extra.py").write_text('"""A file of mine."""\n')
    for name in ("quick", "full"):
        path = project / "configs" / f"{name}.yaml"
        path.write_text(path.read_text().replace("train:\n", "train:\n  weight_decay: 0.125\n", 1))
    (project / "configs" / "mine.yaml").write_text("name: mine\n")
    readme = project / "README.md"
    title, rest = readme.read_text().split("\n", 1)
    readme.write_text(f"{title} of mine\n{rest}")
    settings = project / "pyproject.toml"
    mark = "    # What the recipe needs besides, to answer:\n"
    settings.write_text(settings.read_text().replace(mark, f'{mark}    "mine>=1",\n'))
    identity = project / "project.yaml"
    identity.write_text(identity.read_text() + 'repository: "https://example.org/mine"\n')


def change_recipe(recipe: Path) -> None:
    """Change the template's own recipe right beside what the user changed: the first and the last line of each file."""
    for path in recipe.glob("*.py"):
        text = path.read_text().replace('"""', '"""New in the template. ', 1)
        path.write_text(f"{text}\n# The template's last line.\n")
    for path in recipe.glob("configs/*.yaml"):
        path.write_text(path.read_text() + "# The template's last line.\n")


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_an_update_keeps_all_that_is_yours(clone: Path, tmp_path: Path, model: str) -> None:
    (tmp_path / "home").mkdir()
    project = create(clone, tmp_path / "home", model=model)
    package = project / "src" / SLUGS[model]
    names = sorted(path.name for path in package.glob("*.py"))
    assert {"inputs.py", "network.py", "data.py", "train.py", "evaluate.py", "explain.py"} <= set(names)
    change_project(project, package)
    commit(project, "mine")
    change_recipe(clone / TEMPLATE.name / "recipes" / model)
    change_template(clone)
    assert attempt(CRUFT, "check", cwd=project).returncode == 1
    run(CRUFT, "update", "--skip-apply-ask", cwd=project)

    for name in names:
        text = (package / name).read_text()
        assert "\n# A line of mine, high up.\n" in text, name
        assert text.startswith('"""New in the template. '), name
        assert text.endswith("# The template's last line.\n"), name
    assert (package / "extra.py").read_text() == '"""A file of mine."""\n'
    for name in ("quick", "full"):
        text = (project / "configs" / f"{name}.yaml").read_text()
        assert "\n  weight_decay: 0.125\n" in text
        assert text.endswith("# The template's last line.\n")
    assert (project / "configs" / "mine.yaml").read_text() == "name: mine\n"
    readme = (project / "README.md").read_text()
    assert readme.split("\n", 1)[0].endswith(" of mine")
    assert readme.endswith("A new paragraph of the template.\n")
    assert yaml.safe_load((project / "project.yaml").read_text())["repository"] == "https://example.org/mine"
    settings = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    digest = hashlib.sha256(the_wheel(project).read_bytes()).hexdigest()
    assert settings == [f"fair-hep @ {{root:uri}}/vendor/{the_wheel(project).name}#sha256={digest}", "mine>=1"]
    with zipfile.ZipFile(the_wheel(project)) as wheel:
        assert wheel.read("fair_hep/bundle/errors.py").endswith(b"# A new comment of the library.\n")
    assert not leftovers(project)
    run(CRUFT, "check", cwd=project)


def leftovers(project: Path) -> list[Path]:
    """Return what a conflict leaves, and what belongs to other models."""
    found = [path for path in project.rglob("*") if path.suffix in {".rej", ".orig"} or path.name == "recipes"]
    texts = [path for path in project.rglob("*") if path.suffix in {".py", ".md", ".yaml", ".toml"}]
    return found + [path for path in texts if "<<<<<<<" in path.read_text()]


@pytest.mark.slow
@pytest.mark.parametrize(
    "answers",
    [
        {},
        {
            "author": "Lovelace, Ada",
            "orcid": "0000-0002-1825-0097",
            "email": "ada@example.org",
            "license": "Apache-2.0",
        },
        {
            "project_name": 'A "name" \\ {x} }} %} é 😀',
            "project_slug": "unusual",
            "description": "one\ntwo\\n \\ \"three\" 'four' {five} #} <six> &\t7",
            "author": 'O\'Neil "B", \\C',
            "dataset_doi": "10.1000/a_(b);c",
        },
        {"description": "{{ 6 * 7 }}", "author": "{% if true %}A{% endif %}"},
    ],
)
def test_no_update_changes_an_accepted_answer(clone: Path, tmp_path: Path, answers: dict[str, str]) -> None:
    (tmp_path / "home").mkdir()
    project = create(clone, tmp_path / "home", **answers)
    remembered, written = answers_of(project), yaml.safe_load((project / "project.yaml").read_text())
    for question, answer in answers.items():
        if "{" + "{" not in answer and "{" + "%" not in answer:
            assert remembered[question] == answer
    change_template(clone)
    run(CRUFT, "update", "--skip-apply-ask", cwd=project)
    assert (project / "README.md").read_text().endswith("A new paragraph of the template.\n")
    assert answers_of(project) == remembered
    assert yaml.safe_load((project / "project.yaml").read_text()) == written


def test_an_answer_that_an_update_would_change_is_refused(clone: Path, tmp_path: Path) -> None:
    """Jinja drops a line break at the end of an answer each time: what an update would shorten isn't accepted."""
    context = json.dumps({"description": "two line breaks\n\n"})
    done = attempt(
        CRUFT, "create", clone, "--no-input", "--output-dir", tmp_path, "--extra-context", context, cwd=tmp_path
    )
    assert done.returncode != 0
    assert "doesn't end with a line break" in done.stderr
    assert [path for path in tmp_path.iterdir() if path != clone] == []
