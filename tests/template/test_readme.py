"""Every command of both READMEs is run, in its order, in one shell, offline.

What stands in the same words in every project's README, and is part of `make quick`, is run once more in one of them.

A block that can't be run here says so behind its language (``bash needs-network``); a test counts those.
The commands find an environment that is already installed, with the wheel of the project.
"""

from __future__ import annotations

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

from fair_hep.project.run import CHAIN
from support.documents import blocks, script, variables
from support.installed import Environment
from support.template import MODELS, ROOT, SLUGS, Bake, attempt, run


def test_a_failing_command_ends_what_runs_behind_it(tmp_path: Path) -> None:
    text = "```bash\nsleep 300 &\nfalse\n```\n"
    started = time.monotonic()
    done = attempt("bash", "-c", script(text), cwd=tmp_path)
    assert done.returncode == 1
    assert time.monotonic() - started < 100


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_few_blocks_are_left_out(project: Path) -> None:
    for text, notes in (
        ((ROOT / "README.md").read_text(), ["needs-network"]),
        ((project / "README.md").read_text(), ["needs-network"] * 5),
    ):
        found = blocks(text)
        assert {block.language for block in found} <= {"bash", "python"}
        assert [block.note for block in found if block.note] == notes


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


def without_what_quick_runs(text: str) -> str:
    """Drop the sections of verbs whose commands `make quick` gives, in the same words for every model."""
    sections = re.split(r"^(?=##)", text, flags=re.MULTILINE)
    again = {f"### {verb}" for verb in CHAIN if verb != "explain"}
    assert again <= {section.partition("\n")[0] for section in sections}
    kept = "".join(section for section in sections if section.partition("\n")[0] not in again)
    # The section on explaining has more to show than the plain command.
    found, count = re.subn(r"^```bash\n\w+ explain\n```\n", "", kept, flags=re.MULTILINE)
    assert count == 1
    return found


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_every_command_of_the_project(bake: Bake, environment: Environment, bare: Path, model: str) -> None:
    folder = bake(model=model, project_slug=SLUGS[model], author="Lovelace, Ada")
    environment.stamp(folder)
    text = (folder / "README.md").read_text().replace("5001", str(free_port()))
    if model != MODELS[0]:
        text = without_what_quick_runs(text)
    # The project's own tests are run once, by `make test` of the template, and so are its linters.
    text = text.replace("\nmake test\nmake lint\n", "\nmake --dry-run test lint\n")
    done = attempt("bash", "-c", script(text), cwd=folder, env=variables(environment))
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-6000:]}"
    assert (folder / "scores.csv").is_file()
    assert (folder / "explained.csv").is_file()
    assert (folder / "why.png").stat().st_size > 10_000
    use_alone(folder, bare)


@pytest.mark.slow
def test_every_command_of_the_template(tmp_path: Path, clone: Path, environment: Environment) -> None:
    text, env = (ROOT / "README.md").read_text(), variables(environment, clone)
    done = attempt("bash", "-c", script(text), cwd=tmp_path, env=env, stdin="\n" * 9)
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-6000:]}"
    demo = tmp_path / "cookiecutter-fair-hep" / "build" / "top_tagger"
    assert (tmp_path / "top_tagger" / "bundle" / "SHA256SUMS").is_file()
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
