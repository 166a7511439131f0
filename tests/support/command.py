"""The command line of a project in this process: what it prints and how it ends, without starting Python anew."""

from __future__ import annotations

import contextlib
import os
import subprocess
from unittest import mock

import pytest

from fair_hep.cli.project import main
from fair_hep.provenance.project import Project
from support.small import environment

__all__ = ["command"]


def command(project: Project, *arguments: str, capture: pytest.CaptureFixture[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder; `small.call` does the same in a process of its own.

    Parameters
    ----------
    project, arguments
        Where, and what.
    capture
        The fixture ``capfd``, which reads what compiled libraries print as well.
    """
    capture.readouterr()
    code: object = 0
    with mock.patch.dict(os.environ, environment(project)), contextlib.chdir(project.root):
        try:
            main(list(arguments))
        except SystemExit as ended:
            code = ended.code or 0
    output, log = capture.readouterr()
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, output, log)
