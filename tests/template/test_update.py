"""Projects follow their template: `cruft update` brings what is new and keeps what the user changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from conftest import TEMPLATE, attempt, commit, run

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
    """Add a line to a rendered file and to a file that is copied, as a new commit."""
    for name, line in (
        ("README.md", "\nA new paragraph of the template.\n"),
        ("CONTRIBUTING.md", "- One more rule.\n"),
    ):
        path = template / TEMPLATE.name / name
        path.write_text(path.read_text() + line)
    path = template / TEMPLATE.name / "src" / TEMPLATE.name / "errors.py"
    path.write_text(path.read_text() + "\n# A new comment of the template.\n")
    commit(template, "change")


def answers_of(project: Path) -> dict[str, str]:
    """Return the answers that cruft remembers."""
    context = json.loads((project / ".cruft.json").read_text())["context"]["cookiecutter"]
    return {question: context[question] for question in QUESTIONS}


def test_update_brings_what_is_new_and_keeps_what_is_yours(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    project = create(clone, tmp_path / "home")
    run(CRUFT, "check", cwd=project)
    errors = project / "src" / "top_tagger" / "errors.py"
    errors.write_text(errors.read_text().replace('"""', '"""Mine. ', 1))
    (project / "configs" / "mine.yaml").write_text("name: mine\n")
    commit(project, "mine")

    change_template(clone)
    assert attempt(CRUFT, "check", cwd=project).returncode == 1
    run(CRUFT, "update", "--skip-apply-ask", cwd=project)

    assert errors.read_text().startswith('"""Mine. ')
    assert errors.read_text().endswith("# A new comment of the template.\n")
    assert (project / "README.md").read_text().endswith("A new paragraph of the template.\n")
    assert (project / "configs" / "mine.yaml").is_file()
    assert (project / "configs" / "quick.yaml").is_file()
    assert not list(project.rglob("*.rej"))
    assert not (project / "src" / "top_tagger" / "models" / "particlenet" / "configs").exists()
    run(CRUFT, "check", cwd=project)


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


#: What a user writes in each of the five marked places of `model=custom`, as (what is there, what replaces it).
CHANGES = {
    "inputs.py": ('TITLE = "Deep Sets tagger"', 'TITLE = "My own tagger"'),
    "network.py": ("width: int = Field(64, ge=1", "width: int = Field(96, ge=1"),
    "dataset.py": ('"px": "part_px"', '"px": "my_px"'),
    "loss.py": ("EFFICIENCIES = (0.3, 0.5, 0.7, 0.8, 0.9)", "EFFICIENCIES = (0.2, 0.4)"),
    "figures.py": ('"""Draw how far probabilities', '"""Mine: draw how far probabilities'),
}


def marked(text: str) -> tuple[str, str, str]:
    """Return what stands before the marked place of a file, the place itself, and what stands behind it."""
    lines = text.splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("# Change "))
    end = next(number for number, line in enumerate(lines) if number > start and line.startswith("# ------"))
    return "".join(lines[:start]), "".join(lines[start : end + 1]), "".join(lines[end + 1 :])


def test_an_update_keeps_what_was_written_in_all_five_places(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    project = create(clone, tmp_path / "home", model="custom")
    folder = project / "src" / "my_tagger" / "models" / "custom"
    assert {path.name for path in folder.glob("*.py")} == {"__init__.py", *CHANGES}
    for name, (old, new) in CHANGES.items():
        before, place, behind = marked((folder / name).read_text())
        assert place.count(old) == 1, name
        mark, *lines, end = place.replace(old, new).splitlines()
        # Whole lines are new as well, right behind the mark and right before the end.
        own = [mark, f"# {name}: changed by its user.", *lines, "# A line of mine.", end, ""]
        (folder / name).write_text(before + "\n".join(own) + behind)
    written = {name: marked((folder / name).read_text())[1] for name in CHANGES}
    (project / "configs" / "full.yaml").write_text("name: full\ndata: {source: folder, folder: data/mine}\n")
    commit(project, "mine")

    source = clone / TEMPLATE.name / "src" / TEMPLATE.name
    inside = source / "models" / "custom"
    for path in (source / "models" / "classifier.py", inside / "__init__.py"):
        path.write_text(path.read_text() + "\n# A new comment of the template.\n")
    # Near a marked place too: the first lines of a file, and the last ones.
    for name in CHANGES:
        text = (inside / name).read_text().replace('"""', '"""New in the template: ', 1)
        (inside / name).write_text(text + "\n# The last line of the template.\n")
    (inside / "extra.py").write_text('"""A new file of the template."""\n')
    change_template(clone)
    run(CRUFT, "update", "--skip-apply-ask", cwd=project)

    for name in CHANGES:
        text = (folder / name).read_text()
        assert marked(text)[1] == written[name], name
        assert text.startswith('"""New in the template: '), name
        assert "<<<<<<<" not in text
        assert text.endswith("# The last line of the template.\n"), name
    assert (folder / "__init__.py").read_text().endswith("# A new comment of the template.\n")
    assert (folder.parent / "classifier.py").read_text().endswith("# A new comment of the template.\n")
    assert (folder / "extra.py").is_file()
    assert (project / "configs" / "full.yaml").read_text().startswith("name: full\ndata: {source: folder")
    assert not [path for path in project.rglob("*") if path.suffix in {".rej", ".orig"}]
    assert not list((project / "src").rglob("models/particlenet"))
    run(CRUFT, "check", cwd=project)
