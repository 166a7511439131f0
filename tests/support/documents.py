"""The commands that a document shows: its fenced blocks as one shell script, and what they may see of this machine.

A block that can't be run here says so behind its language (``bash needs-network``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from support.installed import Environment
from support.template import ROOT

__all__ = ["Block", "blocks", "script", "variables"]

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
        if block.note:
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
