"""The hooks: all bad answers at once, nothing left behind, the chosen model kept."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml
from cookiecutter.exceptions import FailedHookException

from support.template import ROOT, TEMPLATE, Bake, attempt, load

PRE = load(ROOT / "hooks" / "pre_gen_project.py")
POST = load(ROOT / "hooks" / "post_gen_project.py")

GOOD = {
    "project_name": "Top tagger",
    "project_slug": "top_tagger",
    "description": "Tags tops.",
    "model": "particlenet",
    "dataset_doi": "10.5281/zenodo.2603256",
    "author": "Lovelace, Ada",
    "orcid": "",
    "email": "",
    "license": "MIT",
}

BAD = [
    ("project_name", ""),
    ("project_name", " \n "),
    ("project_slug", ""),
    ("project_slug", "Top"),
    ("project_slug", "top-tagger"),
    ("project_slug", "top tagger"),
    ("project_slug", "3tops"),
    ("project_slug", "_top"),
    ("project_slug", "top_"),
    ("project_slug", "top__tagger"),
    ("project_slug", "töp"),
    ("project_slug", "../top"),
    ("project_slug", "top\n"),
    ("project_slug", "lambda"),
    ("project_slug", "json"),
    ("project_slug", "torch"),
    ("project_slug", "scikit_learn"),
    ("project_slug", "pip"),
    ("project_slug", "src"),
    ("dataset_doi", "https://doi.org/10.5281/zenodo.2603256"),
    ("dataset_doi", "10.5281"),
    ("dataset_doi", "11.5281/zenodo.1"),
    ("dataset_doi", '10.5281/zen"odo'),
    ("author", " "),
    ("author", "Lovelace,"),
    ("author", ", Ada"),
    ("author", "Lovelace, Ada; Hopper, Grace"),
    ("orcid", "0000-0002-1825-0098"),
    ("orcid", "0000000218250097"),
    ("orcid", "https://orcid.org/0000-0002-1825-0097"),
    ("orcid", "0000-0002-1694-233x"),
    ("orcid", "\u0660\u0660\u0660\u0660-0002-1825-0097"),
    ("email", "ada"),
    ("email", "ada@example"),
    ("email", "ada@@example.org"),
    ("email", 'a"da@example.org'),
    ("license", "Apache-2"),
    ("license", "mit"),
    ("description", "bell \x07"),
    ("description", "carriage\rreturn"),
    ("description", "ends with a line break\n"),
    ("description", "separator \u2028 of lines"),
]


def test_good_answers_are_accepted() -> None:
    assert PRE.problems(GOOD) == []


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("description", ""),
        ("description", "one\ntwo\tthree"),
        ("description", "{single} }} %} #} braces \\ \" ' é 😀"),
        ("dataset_doi", ""),
        ("dataset_doi", "10.1000.10/123(456)-a_b;c:d"),
        ("author", "Lovelace, Ada"),
        ("author", "The ABC Collaboration"),
        ("orcid", "0000-0002-1825-0097"),
        ("orcid", "0000-0002-1694-233X"),
        ("email", "o'neil+tag@sub.example.org"),
        ("project_slug", "t"),
        ("project_slug", "top2_tagger_3"),
        ("license", "BSD-3-Clause"),
        ("license", "Apache-2.0"),
    ],
)
def test_unusual_answers_are_accepted(question: str, answer: str) -> None:
    assert PRE.problems({**GOOD, question: answer}) == []


@pytest.mark.parametrize(("question", "answer"), BAD)
def test_a_bad_answer_is_named_with_what_is_wanted_and_an_example(question: str, answer: str) -> None:
    for line in PRE.problems({**GOOD, question: answer}):
        assert re.fullmatch(rf"{question}: got .*, wanted .*; for example .*", line)
    assert PRE.problems({**GOOD, question: answer})


@pytest.mark.parametrize("question", GOOD)
@pytest.mark.parametrize("mark", ["{" + second for second in "{%#"])
def test_an_answer_that_opens_jinja_is_refused(question: str, mark: str) -> None:
    lines = PRE.problems({**GOOD, question: f"a{mark}b"})
    assert any("Jinja" in line for line in lines)


def test_all_problems_are_reported_at_once() -> None:
    bad = {"project_name": "", "project_slug": "json", "dataset_doi": "x", "orcid": "x", "email": "x", "license": "x"}
    assert len(PRE.problems({**GOOD, **bad})) == len(bad)


def test_an_orcid_without_a_name_is_asked_for_the_name() -> None:
    (line,) = PRE.problems({**GOOD, "author": "", "orcid": "0000-0002-1825-0097"})
    assert line == "author: got '', wanted the name of the person whose ORCID is given; for example 'Lovelace, Ada'"


@pytest.mark.parametrize(
    ("author", "orcid", "words"),
    [
        ("Ada Lovelace", "0000-0002-1825-0097", "family name 'Lovelace', given name 'Ada'. If that is wrong"),
        ("Lovelace, Ada", "0000-0002-1825-0097", ""),
        ("The ABC Collaboration", "", ""),
        ("", "", ""),
    ],
)
def test_names_that_were_taken_apart_are_told(author: str, orcid: str, words: str) -> None:
    said = POST.taken_apart({"author": author, "orcid": orcid})
    assert words in said
    assert bool(said) == bool(words)


def test_check_digits_of_published_orcids() -> None:
    for orcid in ("0000-0002-1825-0097", "0000-0001-5109-3700", "0000-0002-1694-233X"):
        assert PRE.check_digit(orcid) == orcid[-1]


def test_what_the_docstrings_show_is_true() -> None:
    for hook in (PRE, POST):
        failed, tried = doctest.testmod(hook)
        assert tried and not failed


def test_an_old_python_is_one_line() -> None:
    assert PRE.old_python((3, 11)) == PRE.old_python((4, 0)) == []
    (line,) = PRE.old_python((3, 10))
    assert line.startswith("python: got 3.10, wanted 3.11 or newer; for example ")


def test_every_dependency_of_the_project_is_a_taken_name() -> None:
    requirements: list[str] = []
    for settings in (ROOT / "pyproject.toml", TEMPLATE / "pyproject.toml"):
        declared = tomllib.loads(settings.read_text())["project"]
        requirements += [*declared["dependencies"], *chain(*declared["optional-dependencies"].values())]
    names = {re.split(r"[^A-Za-z0-9._-]", requirement)[0] for requirement in requirements}
    assert "fair-hep" in names
    assert {re.sub(r"[-.]", "_", name).lower() for name in names} <= PRE.TAKEN


def test_the_projects_own_installation_does_not_shadow_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "already_here"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    # The first entry stands for the hook's own folder, which doesn't count.
    monkeypatch.syspath_prepend(tmp_path / "hook")
    assert PRE.problems({**GOOD, "project_slug": "already_here"})
    (package / "__init__.py").write_text("from fair_hep.models import Classifier\n\nMODEL = Classifier()\n")
    assert not PRE.problems({**GOOD, "project_slug": "already_here"})


def test_the_command_to_run_again_keeps_what_was_right_and_asks_the_rest(tmp_path: Path) -> None:
    answers = ("model=graph", "project_name=Ada's tagger", "author=Lovelace, Ada", "orcid=1", "project_slug=json")
    command = (sys.executable, "-m", "cookiecutter", ROOT, "--default-config", "--output-dir", tmp_path / "out")
    (tmp_path / "out").mkdir()
    done = attempt(*command, "--no-input", *answers, cwd=tmp_path)
    complaints, _, rest = done.stderr.partition("\nNothing was made. ")
    assert [line.partition(": got")[0] for line in complaints.splitlines()] == ["ERROR: project_slug", "ERROR: orcid"]
    (line,) = [line for line in rest.splitlines() if line.startswith("  cookiecutter ")]
    words = shlex.split(line)
    kept = ["model=graph", "project_name=Ada's tagger", "author=Lovelace, Ada", "license=MIT"]
    assert words == ["cookiecutter", str(ROOT), "--output-dir", str(tmp_path / "out"), *kept]
    # Its answers are the defaults of the questions: enter at each of them.
    done = attempt(sys.executable, "-m", *words, "--default-config", cwd=tmp_path, stdin="\n" * 20)
    assert done.returncode == 0, done.stderr
    made = yaml.safe_load((tmp_path / "out" / "ada_s_tagger" / "project.yaml").read_text())
    assert (made["title"], made["model"], made["authors"][0]["name"]) == ("Ada's tagger", "graph", "Lovelace, Ada")


@pytest.mark.parametrize("slug", ["Bad", "deep/er/still", "json"])
def test_a_refused_answer_leaves_nothing_behind(tmp_path: Path, slug: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    answers = (f"project_slug={slug}", "orcid=0000-0002-1825-0098", "email=nobody")
    command = (sys.executable, "-m", "cookiecutter", ROOT, "--no-input", "--default-config", "--output-dir", folder)
    done = attempt(*command, *answers, cwd=tmp_path)
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    assert [line.split(":")[1].strip() for line in errors[:3]] == ["project_slug", "orcid", "email"]
    # Our lines come first: nobody has to look for them under a traceback.
    assert done.stderr.splitlines()[:3] == errors[:3]
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_an_answer_can_not_run_code(bake: Bake, tmp_path: Path) -> None:
    stain = tmp_path / "stain"
    for number, text in enumerate(
        [
            f'a"""); open({str(stain)!r}, "w").write("x") #',
            f"a'''); open({str(stain)!r}, 'w') #",
            '""" \\" \\\\" \\',
            "$(touch stain) `touch stain`; touch stain",
        ]
    ):
        bake(project_slug=f"attack_{number}", description=text, author=text.replace(";", ":").replace(",", ""))
    assert not stain.exists()
    assert not list(tmp_path.rglob("stain"))


def test_an_expression_is_evaluated_before_any_hook_and_refused_where_it_survives(bake: Bake) -> None:
    """On the command line and in files, cookiecutter renders answers itself: what comes out of it is plain text."""
    folder = bake(description="{{ 6 * 7 }} is the answer")
    assert "42 is the answer" in (folder / "project.yaml").read_text()
    with pytest.raises(FailedHookException):
        bake(project_slug="second", description="{{ '{{' }} 6 * 7 }}")


def test_an_expression_that_is_typed_in_is_refused(tmp_path: Path) -> None:
    """At the prompt cookiecutter takes answers as they are; `cruft update` would render them later."""
    typed = ["", "", "", "{{ 6 * 7 }} is the answer", *[""] * 5]
    command = (sys.executable, "-m", "cookiecutter", ROOT, "--default-config", "--output-dir", tmp_path)
    done = attempt(*command, cwd=tmp_path, stdin="\n".join(typed) + "\n")
    assert done.returncode != 0
    assert "ERROR: description: got '{{ 6 * 7 }} is the answer', wanted text without" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_enter_is_right_for_every_question(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "cookiecutter", ROOT, "--default-config", "--output-dir", tmp_path)
    done = attempt(*command, cwd=tmp_path, stdin="\n" * 9)
    assert done.returncode == 0, done.stderr
    assert "make quick" in done.stdout
    # A misspelt question, `modle=custom`, is none to cookiecutter: what was made is said.
    assert "A project of particlenet is in top_tagger/. Next:" in done.stdout
    assert (tmp_path / "top_tagger" / "configs" / "quick.yaml").is_file()


def test_only_the_chosen_recipe_is_kept(tmp_path: Path) -> None:
    for model in ("one", "two"):
        recipe = tmp_path / "recipes" / model
        for name in ("__init__.py", "network.py", "configs/quick.yaml", "sample/test.npz", "tests/test_own.py"):
            (recipe / name).parent.mkdir(parents=True, exist_ok=True)
            (recipe / name).write_text(model)
    (tmp_path / "recipes" / "two" / "README.md").touch()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_recipe.py").write_text("both")
    POST.keep_recipe(tmp_path, "two", "demo")
    found = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {
        "configs/quick.yaml": "two",
        "sample/test.npz": "two",
        "src/demo/README.md": "",
        "src/demo/__init__.py": "two",
        "src/demo/network.py": "two",
        "tests/test_own.py": "two",
        "tests/test_recipe.py": "both",
    }
    assert not (tmp_path / "recipes").exists()


@pytest.mark.parametrize("hook", ["pre_gen_project", "post_gen_project"])
def test_hooks_need_the_standard_library_only(hook: str) -> None:
    code = f"import runpy; runpy.run_path({str(ROOT / 'hooks' / hook) + '.py'!r}, run_name='hook')"
    subprocess.run([sys.executable, "-S", "-I", "-c", code], check=True)


def test_hooks_read_all_answers_as_data() -> None:
    for hook in (ROOT / "hooks").glob("*.py"):
        text = hook.read_text()
        expressions = re.findall(r"\{[{%#].*", text)
        assert expressions == ['{{ cookiecutter | tojson }}""")']
        compile(text, str(hook), "exec")
