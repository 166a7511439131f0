"""Every command of both READMEs is run, in its order, in one shell, offline.

A block that can't be run here says so behind its language (``bash needs-network``); a test counts those.
The commands find an environment that is already installed: the one that runs these tests.
"""

from __future__ import annotations

import json
import keyword
import os
import re
import shlex
import shutil
import socket
import stat
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from support.template import ROOT, Bake, attempt, need, run

BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REPOSITORY = "https://github.com/FAIR4HEP/cookiecutter-fair-hep"
SLUGS = {"particlenet": "top_tagger", "mlpf": "particle_flow", "custom": "my_tagger", "graph": "graph_tagger"}
PREAMBLE = """
set -eo pipefail
# A server that outlives a failing command would hold our end of the pipe open, and nobody would read of the failure.
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
# Where the reader makes an environment, the one that runs the tests stands in for it. How good the model gets is the
# demo's matter, which isn't touched: in a project that is entered, the commands must work, and soon.
cd() {
  builtin cd "$@"
  if [ -f project.yaml ] && [ ! -e .venv ]; then
    ln -s "$VENV" .venv
    sed -E -i -e 's/epochs: .*/epochs: 1/' -e 's/  size: [0-9]{3,}/  size: 40/' configs/quick.yaml
    sed -i 's/    trust: .*/    trust: 6/' configs/quick.yaml
    grep -q 'trust:' configs/quick.yaml || sed -i 's/^explain:$/explain:\\n  options: {trust: 6}/' configs/quick.yaml
  fi
}
cd .
"""


class Block(NamedTuple):
    """A fenced block of commands."""

    language: str
    note: str
    text: str


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a document."""
    return [Block(language, note.strip(), body) for language, note, body in BLOCK.findall(text)]


def script(text: str) -> str:
    """Return one shell script of all blocks of a document that can be run here."""
    parts = [PREAMBLE]
    for number, block in enumerate(blocks(text), start=1):
        if block.note:
            continue
        body = block.text if block.language == "bash" else f"python - <<'END'\n{block.text}END\n"
        parts.append(f"date '+== block {number} at %T' >&2\n{body}")
    return "".join(parts)


def test_a_failing_command_ends_what_runs_behind_it(tmp_path: Path) -> None:
    text = "```bash\nsleep 300 &\nfalse\n```\n"
    started = time.monotonic()
    done = attempt("bash", "-c", script(text), cwd=tmp_path)
    assert done.returncode == 1
    assert time.monotonic() - started < 100


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Path:
    """What `make install` makes, put together from the environment that runs the tests: only its own command is new."""
    need_environment()
    folder = tmp_path_factory.mktemp("environment") / "venv"
    (folder / "bin").mkdir(parents=True)
    for program in Path(sys.executable).parent.iterdir():
        if not re.match(rf"python|activate|Activate|{'|'.join(SLUGS.values())}", program.name):
            (folder / "bin" / program.name).symlink_to(program)
    # Links to an interpreter would lose its packages: these start it by its own name.
    commands = {"python": "", "python3": ""} | {slug: f" -m {slug}" for slug in SLUGS.values()}
    for name, command in commands.items():
        starter = folder / "bin" / name
        starter.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{command} "$@"\n')
        starter.chmod(starter.stat().st_mode | stat.S_IXUSR)
    (folder / "bin" / "activate").write_text(f'export PATH={shlex.quote(str(folder / "bin"))}:"$PATH"\n')
    (folder / ".cookiecutter").touch()
    stamp(folder, project)
    return folder


def stamp(environment: Path, project: Path) -> None:
    """Mark an environment as the one that `make install` made for a project."""
    checksum = attempt("sh", "-c", "cksum < pyproject.toml | cut -d' ' -f1", cwd=project).stdout.strip()
    (environment / f".installed-{checksum}").touch()


def need_environment() -> None:
    """Skip or fail where the tests run without what a generated project installs."""
    import importlib.util

    missing = [
        name for name in ("torch", "mlflow", "fastjet", "pythia8mc", "onnx") if not importlib.util.find_spec(name)
    ]
    need(not missing, f"{', '.join(missing)} isn't installed: make environment")
    need(shutil.which("curl"), "curl isn't installed")
    programs = {path.name for path in Path(sys.executable).parent.iterdir()}
    tools = {"cffconvert", "cookiecutter", "mypy", "pyshacl", "pytest", "ruff", "uvicorn"}
    need(tools <= programs, f"{', '.join(sorted(tools - programs))} isn't installed: make environment")


def variables(environment: Path) -> dict[str, str]:
    """Return the variables under which the commands run: no network but this machine's own, no answers of a user."""
    return {
        "HOME": str(environment.parent),
        "VENV": str(environment),
        "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": "src",
        "FAIR_HEP_PROJECT": ".",
        "MLFLOW_TRACKING_URI": "",
        # The address of the repository leads to this checkout; every other one leads nowhere.
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": f"url.{ROOT}.insteadOf",
        "GIT_CONFIG_VALUE_0": REPOSITORY,
        "GIT_CONFIG_KEY_1": "safe.directory",
        "GIT_CONFIG_VALUE_1": "*",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_few_blocks_are_left_out(project: Path) -> None:
    for text, notes in (
        ((ROOT / "README.md").read_text(), ["needs-network"]),
        ((project / "README.md").read_text(), ["needs-network"] * 6),
    ):
        found = blocks(text)
        assert {block.language for block in found} <= {"bash", "python"}
        assert [block.note for block in found if block.note] == notes


def test_every_verb_has_its_heading(project: Path) -> None:
    """One word, five places: heading, make target, command, module and test file."""
    headings = re.findall(r"^### (\w+)$", (project / "README.md").read_text(), re.MULTILINE)
    verbs = re.search(r"^VERBS = (.*)$", (project / "Makefile").read_text(), re.MULTILINE)
    assert verbs
    package = project / "src" / "top_tagger"
    for verb in verbs[1].split():
        assert verb in headings
        # A keyword of Python names no module.
        module = f"{verb}ed" if keyword.iskeyword(verb) else verb
        assert (package / f"{module}.py").is_file() or (package / module / "verb.py").is_file(), verb
        assert list((package / "tests").glob(f"test_*{verb}*.py")), verb


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
    shown = [block.text for block in rest if block.language == "python"]
    assert len(shown) == 2
    for text in shown:
        assert run(python, "-", cwd=folder, env={"PYTHONPATH": ""}, stdin=text)


@pytest.mark.slow
@pytest.mark.parametrize("model", SLUGS)
def test_every_command_of_the_project(bake: Bake, environment: Path, bare: Path, model: str) -> None:
    folder = bake(model=model, project_slug=SLUGS[model], author="Lovelace, Ada")
    stamp(environment, folder)
    text = (folder / "README.md").read_text().replace("5001", str(free_port()))
    # The project's own tests are run once, by `make test` of the template, and so are its linters.
    text = text.replace("\nmake test\nmake lint\n", "\nmake --dry-run test lint\n")
    done = attempt("bash", "-c", script(text), cwd=folder, env=variables(environment))
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-6000:]}"
    assert (folder / "scores.csv").is_file()
    assert (folder / "explained.csv").is_file()
    assert (folder / "why.png").stat().st_size > 10_000
    use_alone(folder, bare)


@pytest.mark.slow
def test_every_command_of_the_template(tmp_path: Path, environment: Path) -> None:
    text = (ROOT / "README.md").read_text()
    done = attempt("bash", "-c", script(text), cwd=tmp_path, env=variables(environment), stdin="\n" * 9)
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-6000:]}"
    demo = tmp_path / "cookiecutter-fair-hep" / "build" / "top_tagger"
    assert (tmp_path / "top_tagger" / "bundle" / "SHA256SUMS").is_file()
    assert (demo / "bundle" / "SHA256SUMS").is_file()
    found = json.loads((demo / "runs" / "quick" / "evaluate" / "metrics.json").read_text())
    # Below what is reached: the demo shows a model that works, and is no benchmark.
    assert found["metrics"][found["decisive"]] > 0.95
    for line in found["headline"]:
        assert line in done.stdout
    again = attempt("make", "demo", cwd=demo.parents[1], env=variables(environment))
    assert again.returncode == 0
    assert "make -C build/top_tagger serve" in again.stdout
    assert "pip" not in again.stdout, "a second run must reuse what is there"
