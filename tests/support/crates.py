"""roc-validator on crates, offline: a stand-in gives it the JSON-LD context, which comes with the package rocrate."""

from __future__ import annotations

import importlib.resources
import json
import os
import subprocess
import sys
from pathlib import Path

from support.standin import Answer, StandIn

__all__ = ["crate_problems"]

_CONTEXT = r"/ro/crate/1\.2/context"


def crate_problems(folder: Path, room: Path, *options: str) -> list[str]:
    """Validate a crate and return what the official validator found, one line each.

    The context served under the address of 1.2 is that of RO-Crate 1.3: rocrate ships no other.
    """
    context = importlib.resources.files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
    report = room / "report.json"
    code = "from rocrate_validator.cli import cli; cli()"
    with StandIn(["w3id.org"], room) as standin:
        answer = Answer(200, context, {"Content-Type": "application/ld+json"})
        standin.route("GET", "w3id.org", _CONTEXT, lambda request, match: answer)
        trust = {"REQUESTS_CA_BUNDLE": standin.environment["SSL_CERT_FILE"]}
        done = subprocess.run(
            [
                sys.executable, "-c", code, "-y", "--disable-color", "validate", *options, "--no-cache", "--no-paging",
                "-f", "json", "-o", str(report), str(folder),
            ],
            env={**os.environ, **standin.environment, **trust}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not standin.refused
    assert report.is_file(), done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["passed"] == (done.returncode == 0) == (not found["issues"])
    return [f"{issue['severity']} {issue['message']} {issue.get('violatingEntity')}" for issue in found["issues"]]
