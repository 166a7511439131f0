"""The commands that a document shows: as one shell script, or followed in this process, which starts Python only once.

A block that can't be run here says so behind its language (``bash needs-network``). A block of `text` behind others is
what they print.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from support.installed import Environment
from support.template import ROOT

__all__ = ["DOCS", "Block", "blocks", "follow", "same_text", "script", "statements", "variables"]

DOCS = ROOT / "docs"
#: A number as a page prints it.
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
Command = Callable[[Sequence[str]], None]

BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REPOSITORY = "https://github.com/FAIR4HEP/cookiecutter-fair-hep"
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
    python - <<'END'
import pathlib, yaml
path = pathlib.Path("configs/quick.yaml")
values = yaml.safe_load(path.read_text())
# A collision is an example of a hundred times the size of a jet.
few = 140 if values["explain"]["size"] > 10 else 14
values["train"] |= {"epochs": 1, "limit": few}
values["evaluate"] = {**values.get("evaluate", {}), "limit": few}
values["prune"] = {"steps": 1, "epochs": 1, "examples": few // 7}
explain = values["explain"]
explain["size"] = min(explain["size"], few // 7)
explain["options"] = {**explain.get("options", {}), "trust": 6}
if values["model"].get("preset") == "lite":
    explain["options"]["controls"] = 1
path.write_text(yaml.safe_dump(values))
END
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


def script(chosen: Iterable[Block]) -> str:
    """Return one shell script of those blocks of a document that can be run here."""
    parts = [PREAMBLE]
    for number, block in enumerate(chosen, start=1):
        if block.note or block.language not in ("bash", "python"):
            continue
        body = block.text if block.language == "bash" else f"python - <<'END'\n{block.text}END\n"
        parts.append(f"date '+== block {number} at %T' >&2\n{body}")
    return "".join(parts)


def variables(environment: Environment, repository: Path = ROOT) -> dict[str, str]:
    """Return the variables under which the commands run: no network but this machine's own, no answers of a user."""
    return {
        "HOME": str(environment.folder.parent),
        "VENV": str(environment.folder),
        "PATH": f"{environment.bin}:{os.environ['PATH']}",
        "PYTHONPATH": "src",
        "FAIR_HEP_PROJECT": ".",
        "MLFLOW_TRACKING_URI": "",
        # The address of the repository leads to a copy of it here; every other one leads nowhere.
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": f"url.{repository}.insteadOf",
        "GIT_CONFIG_VALUE_0": REPOSITORY,
        "GIT_CONFIG_KEY_1": "safe.directory",
        "GIT_CONFIG_VALUE_1": "*",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def follow(
    text: str, folder: Path, *, commands: Mapping[str, Command] | None = None, needs_network: bool = False
) -> dict[str, Any]:
    """Do what a page says in this process, in its order; return what its Python leaves.

    Parameters
    ----------
    text
        The page. Its blocks of Python are one program; lines of its shell are run one by one.
    folder
        Where its reader is.
    commands
        Commands of ours by name, as functions of their arguments; all others are the shell's.
    needs_network
        Whether blocks that need a network are run too, since a stand-in answers.

    Raises
    ------
    AssertionError
        If a command fails, or prints something else than the block of `text` behind it.
    """
    program = ModuleType("a_page")
    said = ""
    sys.modules[program.__name__] = program
    try:
        with contextlib.chdir(folder):
            for number, block in enumerate(blocks(text), start=1):
                if block.note and not (needs_network and block.note == "needs-network"):
                    continue
                if block.language == "text":
                    assert same_text(block.text, said), (
                        f"block {number}: the page shows\n{block.text}printed is\n{said}"
                    )
                if block.language in ("bash", "python"):
                    with _printed() as output:
                        _run(block, number, program, commands or {})
                    said = output.getvalue()
    finally:
        del sys.modules[program.__name__]
    return vars(program)


def _run(block: Block, number: int, program: ModuleType, commands: Mapping[str, Command]) -> None:
    if block.language == "python":
        exec(compile(block.text, f"block {number} of the page", "exec"), vars(program))
        return
    for statement in statements(block.text):
        name, *_ = words = shlex.split(statement.partition("<<")[0], comments=True) or [""]
        code: object = 0
        if name == "cd":
            os.chdir(words[1])
        elif name in commands:
            try:
                commands[name](words[1:])
            except SystemExit as ended:
                code = ended.code or 0
        elif name:
            done = subprocess.run(["bash", "-ec", statement], capture_output=True, text=True, check=False)
            print(done.stdout, end="")
            print(done.stderr, end="", file=sys.stderr)
            code = done.returncode
        assert code == 0, f"block {number}: {statement}"


def statements(shell: str) -> list[str]:
    """Return the commands of a block, one for a line, but what is continued or typed in (``<<'END'``) as a whole."""
    found: list[str] = []
    rest = iter(shell.splitlines())
    for line in rest:
        whole = line
        while whole.endswith("\\"):
            whole += f"\n{next(rest)}"
        if until := re.search(r"<<'(\w+)'", whole):
            while not whole.endswith(f"\n{until[1]}"):
                whole += f"\n{next(rest)}"
        if whole.strip():
            found.append(whole)
    return found


@contextlib.contextmanager
def _printed() -> Iterator[io.StringIO]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        yield output


def same_text(shown: str, printed: str) -> bool:
    """Say whether a page shows what was printed: the same words, and numbers within one of their last place."""
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", printed).split():
        return False
    for one, other in zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True):
        places = len(one.partition(".")[2])
        if len(other.partition(".")[2]) != places or abs(float(one) - float(other)) > 1.001 * 10.0**-places:
            return False
    return True
