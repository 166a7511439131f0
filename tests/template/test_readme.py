"""Every command of both READMEs is run, in its order, in one shell, offline.

With the template's README goes what it leads to: a first project, and how that is published. One model's README is run
whole; of the others, and of the template's, what doesn't stand there in the same words, and what depends on the model
nevertheless.

A block that can't be run here says so behind its language (``bash needs-network``); a test counts those.
The commands find an environment that is already installed, with the wheel of the project.
"""

from __future__ import annotations

import itertools
import json
import keyword
import os
import re
import shlex
import socket
import sys
import time
from pathlib import Path

import pytest

from support import deposits, zenodo
from support.documents import DOCS, Block, blocks, script, variables
from support.installed import Environment
from support.template import MODELS, ROOT, SLUGS, Bake, attempt, run

#: The model whose README is run from its first command to its last: the one that takes the shortest.
WHOLE = "custom"
#: The model of a project with every default, which is generated and run on as the template's README says.
DEFAULT = MODELS[0]
#: What is run for every model, though it may stand in the same words elsewhere: the chain, and its answers. What each
#: network promises is tried in place, by the tests of `check`.
FOR_EVERY_MODEL = ("make quick", "SLUG predict")
#: It goes on where the template's README trained a model.
TUTORIAL = DOCS / "tutorials" / "publish-particlenet.md"
#: Long ones first, so that none runs alone at the end.
IN_ORDER = ("mlpf", "custom", "graph")
assert {*IN_ORDER, DEFAULT} == set(MODELS)
#: The template's own pages, in the order in which a reader runs what they show.
PAGES = [ROOT / name for name in ("README.md", "docs/tutorials/first-project.md", "docs/how-tos/publish-a-project.md")]


def test_a_failing_command_ends_what_runs_behind_it(tmp_path: Path) -> None:
    text = "```bash\nsleep 300 &\nfalse\n```\n"
    started = time.monotonic()
    done = attempt("bash", "-c", script(blocks(text)), cwd=tmp_path)
    assert done.returncode == 1
    assert time.monotonic() - started < 100


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_few_blocks_are_left_out(project: Path) -> None:
    for paths, notes in ((PAGES, ["needs-network"]), ([project / "README.md"], ["needs-network"] * 5)):
        found = [block for path in paths for block in blocks(path.read_text())]
        assert {block.language for block in found} <= {"bash", "python"}
        assert [block.note for block in found if block.note] == notes


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80


def test_every_verb_has_its_heading(project: Path) -> None:
    """One word, five places: heading, make target, command, module and test file."""
    headings = re.findall(r"^### (\w+)$", (project / "README.md").read_text(), re.MULTILINE)
    verbs = re.search(r"^VERBS = (.*)$", (project / "Makefile").read_text(), re.MULTILINE)
    assert verbs
    for verb in verbs[1].split():
        assert verb in headings
        # A keyword of Python names no module.
        module = f"{verb}_" if keyword.iskeyword(verb) else verb
        assert (ROOT / "src" / "fair_hep" / "project" / f"{module}.py").is_file(), verb
        assert list((ROOT / "tests").glob(f"*/*/test_*{verb}*.py")), verb


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment of somebody who has nothing yet; return its Python."""
    folder = tmp_path_factory.mktemp("bare")
    run(sys.executable, "-m", "venv", str(folder / "venv"), cwd=folder)
    return folder / "venv" / "bin" / "python"


def use_alone(folder: Path, python: Path) -> None:
    """Install the core as section 1 says, and run what it shows: nothing that trains is there."""
    install, *rest = blocks((folder / "README.md").read_text().partition("## 1 ")[2].partition("### predict")[0])
    assert install.text.startswith("pip install ")
    run(python, "-m", "pip", "install", "--quiet", *shlex.split(install.text)[2:], cwd=folder)
    heavy = "import importlib.util as i; print([n for n in ('torch', 'mlflow', 'pandas', 'mplhep') if i.find_spec(n)])"
    assert run(python, "-c", heavy, cwd=folder.parent).strip() == "[]"
    assert [block.language for block in rest] == ["bash", "python"]
    path = f"{python.parent}:{os.environ['PATH']}"
    for block in rest:
        program = ("bash", "-e") if block.language == "bash" else (python, "-")
        assert run(*program, cwd=folder, env={"PYTHONPATH": "", "PATH": path}, stdin=block.text)


def words(block: Block, slug: str) -> str:
    return block.text.replace(slug, "SLUG")


def of_the_model(text: str, slug: str, whole: str) -> list[Block]:
    """Return what isn't run with the README that is run whole: other words, and what depends on the model.

    Parameters
    ----------
    text
        README of a project.
    slug
        Its package.
    whole
        README of the project of `WHOLE`.
    """
    elsewhere = {words(block, SLUGS[WHOLE]) for block in blocks(whole)}
    found = blocks(text)
    everywhere = [block for block in found if any(part in words(block, slug) for part in FOR_EVERY_MODEL)]
    assert len(everywhere) == len(FOR_EVERY_MODEL)
    return [block for block in found if block in everywhere or words(block, slug) not in elsewhere]


def here(commands: str) -> str:
    """Change what the tests of others need, and what is run once, by the template's tests: a project's own tests."""
    port = str(free_port())
    return commands.replace("5001", port).replace("\nmake test\nmake lint\n", "\nmake --dry-run test lint\n")


@pytest.fixture
def whole(bake: Bake) -> Path:
    """Generate the project whose README is run whole."""
    return bake(model=WHOLE, project_slug=SLUGS[WHOLE], author="Lovelace, Ada")


def test_the_readme_that_is_run_whole_has_every_verb(whole: Path) -> None:
    verbs = re.search(r"^VERBS = (.*)$", (whole / "Makefile").read_text(), re.MULTILINE)
    commands = "".join(block.text for block in blocks((whole / "README.md").read_text()) if not block.note)
    assert verbs
    for verb in (*verbs[1].split(), "predict", "check", "index"):
        assert re.search(rf"^{SLUGS[WHOLE]} {verb}\b", commands, re.MULTILINE), verb


def go_through(folder: Path, chosen: list[Block], environment: Environment, bare: Path) -> None:
    """Run commands of a project's README in it, and the model without what trained it."""
    environment.stamp(folder)
    done = attempt("bash", "-c", here(script(chosen)), cwd=folder, env=variables(environment))
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-6000:]}"
    assert (folder / "scores.csv").is_file()
    assert (folder / "explained.csv").is_file()
    use_alone(folder, bare)
    assert (folder / "why.png").stat().st_size > 10_000


def after_the_training() -> list[Block]:
    """Return the blocks of the tutorial behind those with which it begins as the template's own pages do."""
    known = {line for page in PAGES for line in page.read_text().splitlines()}
    chosen = [block for block in blocks(TUTORIAL.read_text()) if block.language in ("bash", "python")]
    return list(itertools.dropwhile(lambda block: known.issuperset(block.text.splitlines()), chosen))


def test_the_tutorial_begins_as_the_readme_and_leaves_out_production_alone() -> None:
    chosen = after_the_training()
    assert next(block.text.split()[:2] for block in chosen) == ["top_tagger", "report"]
    assert [block.note for block in chosen if block.note] == ["needs-network", "needs-network", "needs-production"]


def publish_as_the_tutorial_says(folder: Path, environment: Environment, tmp_path: Path) -> None:
    """Publish what was trained in a project, from the tutorial's first look at it to the answer by its DOI."""
    chosen = [block._replace(note=block.note.replace("needs-network", "")) for block in after_the_training()]
    with zenodo.Zenodo(tmp_path) as standin:
        deposits.add_deposits(standin)
        env = {**variables(environment), **standin.environment, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        text = script(chosen).replace("ZENODO_TOKEN=...", f"ZENODO_TOKEN={deposits.TOKEN}")
        done = attempt("bash", "-c", text, cwd=folder, env=env, stdin="y\n")
        assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-6000:]}"
        (record,) = [record for record in standin.records.values() if record.files]
    assert f"doi = {{10.5072/zenodo.{record.number}}}" in done.stdout
    assert "relevance the same as stored" in done.stdout


@pytest.mark.slow
def test_every_command_of_the_template(
    tmp_path: Path, clone: Path, environment: Environment, bare: Path, whole: Path
) -> None:
    """The demo, then a project of one's own; as the README says, its README goes on from there."""
    there = (whole / "README.md").read_text()
    known = {line.replace(SLUGS[WHOLE], SLUGS[DEFAULT]) for line in there.splitlines()}
    # What a page says in the words of one before it is run once.
    shown = dict.fromkeys(block for path in PAGES for block in blocks(path.read_text()) if not block.note)
    chosen = [block for block in shown if not known.issuperset(block.text.splitlines())]
    assert len(chosen) == 4
    env = variables(environment, clone)
    done = attempt("bash", "-c", script(chosen), cwd=tmp_path, env=env, stdin="\n" * 9)
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-6000:]}"
    demo, own = tmp_path / "cookiecutter-fair-hep" / "build" / "top_tagger", tmp_path / "top_tagger"
    assert (own / "bundle" / "SHA256SUMS").is_file()
    assert (tmp_path / "why.png").stat().st_size > 10_000
    assert "@misc{" in done.stdout
    assert (demo / "bundle" / "SHA256SUMS").is_file()
    found = json.loads((demo / "runs" / "quick" / "evaluate" / "metrics.json").read_text())
    # Below what is reached: the demo shows a model that works, and is no benchmark.
    assert found["metrics"][found["decisive"]] > 0.95
    for line in found["headline"]:
        assert line in done.stdout
    again = attempt("make", "demo", cwd=demo.parents[1], env=env)
    assert again.returncode == 0
    assert "make -C build/top_tagger serve" in again.stdout
    assert "pip" not in again.stdout, "a second run must reuse what is there"
    first, *rest = of_the_model((own / "README.md").read_text(), SLUGS[DEFAULT], there)
    assert FOR_EVERY_MODEL[0] in first.text
    go_through(own, rest, environment, bare)
    publish_as_the_tutorial_says(own, environment, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("model", IN_ORDER)
def test_every_command_of_the_project(
    bake: Bake, environment: Environment, bare: Path, whole: Path, model: str
) -> None:
    folder = whole if model == WHOLE else bake(model=model, project_slug=SLUGS[model], author="Lovelace, Ada")
    text = (folder / "README.md").read_text()
    chosen = blocks(text) if folder == whole else of_the_model(text, SLUGS[model], (whole / "README.md").read_text())
    go_through(folder, chosen, environment, bare)
