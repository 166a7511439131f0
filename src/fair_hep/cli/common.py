"""What both command lines do: results on standard output, logs on standard error, mistakes in one line."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from ..bundle.errors import ConfigError, DataError, ProjectError, StoppedError
from ..bundle.parts import Part
from ..bundle.privacy import report_nothing

__all__ = ["output_is_log", "parts_options", "read_part", "show", "start", "there"]

#: How a system says that nothing more can be written, and how libraries do.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_WORDS = ("No space left on device", "disk is full")

Function = TypeVar("Function", bound=Callable[..., Any])


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
        sys.exit(error.code if isinstance(error, StoppedError) else 1)
    except ModuleNotFoundError as error:
        from .missing import line

        if (said := line(error)) is None:
            raise
        click.echo(f"error: {said}", err=True)
        sys.exit(1)
    except Exception as error:
        if not _full(error):
            raise
        place = f": {error.filename}" if isinstance(error, OSError) and error.filename else ""
        click.echo(
            f"error: no space is left{place}; what was finished is kept: make room, and give the same command again",
            err=True,
        )
        sys.exit(1)


def _full(error: BaseException | None) -> bool:
    """Say whether a disk or a quota was exhausted; HDF5, safetensors and SQLite tell it by words only."""
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(words in str(error) for words in FULL_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


def there(context: click.Context, parameter: click.Parameter, file: Path | None) -> Path | None:
    """Pass a file on that somebody named, if it exists: before anything is said of options that are missing.

    Raises
    ------
    DataError
        If there is no such file.
    """
    if file is not None and not file.is_file():
        raise DataError(f"{file}: no such file")
    return file


def parts_options(function: Function) -> Function:
    """Give a command ``--part`` and ``--join``, as ``part``, a `Part` or None, and ``join``, a number or None."""
    join = click.option(
        "--join", type=click.IntRange(1), metavar="OF", callback=_alone, help="Join that many parts to the whole."
    )
    part = click.option(
        "--part", metavar="NUMBER/OF", callback=read_part, help="Make one of several parts only, such as 3/40."
    )
    return part(join(function))


def read_part(context: click.Context, parameter: click.Parameter, text: str | None) -> Part | None:
    """Turn the words of ``--part`` into the part, None without."""
    return None if text is None else _alone(context, parameter, Part.read(text))


def _alone(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if value is not None and context.params.get("join" if parameter.name == "part" else "part") is not None:
        raise ConfigError("--part makes a part and --join puts parts together: give one of them at a time")
    return value


@contextlib.contextmanager
def output_is_log(noise: Path | None = None) -> Iterator[None]:
    """Send what is printed to standard error: standard output belongs to the result.

    Parameters
    ----------
    noise
        File for what compiled libraries print and for the warnings of Python libraries, which tell a user of this one
        nothing; None: standard error too. What a recipe prints or warns of is always seen.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    with _noise_in(noise) as there:
        os.dup2(there, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr), warnings_in(noise):
            yield
    finally:
        # C libraries have a buffer of their own, which would else be written after the way back.
        if os.name == "posix":
            ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def _noise_in(file: Path | None) -> Iterator[int]:
    """Give what can be written to: a file, begun anew by the leading process of a command, or standard error."""
    if file is None:
        yield 2
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a" if "LOCAL_RANK" in os.environ else "w", encoding="utf-8") as opened:
        yield opened.fileno()


@contextlib.contextmanager
def warnings_in(noise: Path | None) -> Iterator[None]:
    """Write the warnings of installed libraries into a file; those of this library and of a recipe are shown."""
    if noise is None:
        yield
        return
    shown = warnings.showwarning

    def show(  # noqa: PLR0917 - the parameters of warnings.showwarning
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if "site-packages" not in Path(filename).parts or "fair_hep" in Path(filename).parts:
            shown(message, category, filename, lineno, file, line)
            return
        with noise.open("a", encoding="utf-8") as opened:
            opened.write(warnings.formatwarning(message, category, filename, lineno, line))

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = shown


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
