"""What both command lines do: results on standard output, logs on standard error, mistakes in one line."""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ..bundle.errors import ProjectError
from ..bundle.privacy import report_nothing

__all__ = ["output_is_log", "show", "start"]


def start(command: click.Command, arguments: Sequence[str] | None = None, *, quiet: Sequence[str] = ()) -> None:
    """Run a command line; a `ProjectError` becomes one line on standard error and exit code 1.

    Parameters
    ----------
    command, arguments
        The command, and its arguments; by default those of the process.
    quiet
        Loggers of which only warnings are shown.
    """
    report_nothing()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for library in quiet:
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        command.main(arguments, prog_name=Path(sys.argv[0]).name, standalone_mode=True)
    except ProjectError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        from .missing import line

        if (said := line(error)) is None:
            raise
        click.echo(f"error: {said}", err=True)
        sys.exit(1)


@contextlib.contextmanager
def output_is_log() -> Iterator[None]:
    """Send what libraries print to standard error, compiled ones included: standard output belongs to the result."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        # C libraries have a buffer of their own, which would else be written after the way back.
        if os.name == "posix":
            ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def show(result: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a result, all of it as JSON or the lines made for humans; one that is a ``problem`` ends in an error.

    Raises
    ------
    ProjectError
        If the result says that something is wrong.
    """
    if as_json:
        click.echo(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False, default=str))
    else:
        lines = result.get("headline")
        for line in lines if lines is not None else [f"{key}: {value}" for key, value in result.items()]:
            click.echo(line)
    if problem := result.get("problem"):
        raise ProjectError(problem)
