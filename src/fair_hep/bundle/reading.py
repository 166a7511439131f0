"""Files from strangers: what a library raises becomes one line here, and nothing claims more than its file can hold."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from .errors import BundleError, DataError, ProjectError
from .http import readable

__all__ = ["check_growth", "check_regular", "line", "reading"]

#: No compression of ours makes more of a byte: deflate ends at 1032 of them.
_GROWTH = 1100
#: What a small file may grow to in any case, in bytes.
_ALLOWANCE = 64 * 2**20
#: Errors of the system that say nothing of what is in a file.
_SYSTEM = frozenset({errno.EACCES, errno.EPERM, errno.ENOENT, errno.EISDIR, errno.EMFILE, errno.ENFILE, errno.ENODEV})
#: Characters of a library's own words that are told.
_LONGEST = 200


@contextlib.contextmanager
def reading(name: str, what: str, raises: type[ProjectError] = DataError) -> Iterator[None]:
    """Turn whatever a library raises while it reads a file into one line; our own errors pass.

    Only calls of the library belong inside: a damaged file makes it raise anything, and a mistake of ours would be
    taken for damage.

    Parameters
    ----------
    name
        Name of the file, for the message.
    what
        What it should be, with its article.
    raises
        What is raised instead.

    Raises
    ------
    DataError
        Or ``raises``.

    Examples
    --------
    >>> with reading("jets.bin", "a table"):
    ...     raise IndexError("out of range")
    Traceback (most recent call last):
        ...
    fair_hep.bundle.errors.DataError: jets.bin: not a table, or damaged or cut short: fetch it again (IndexError: out of range)
    """  # noqa: E501
    try:
        yield
    except ProjectError:
        raise
    except MemoryError as error:
        raise raises(f"{name}: needs more memory than there is; use a machine with more, or don't trust it") from error
    except OSError as error:
        if error.errno in _SYSTEM:
            raise raises(f"{name}: can't be read: {error.strerror}") from error
        raise raises(_damaged(name, what, error)) from error
    except Exception as error:  # a damaged file makes libraries raise anything
        raise raises(_damaged(name, what, error)) from error


def _damaged(name: str, what: str, error: Exception) -> str:
    return f"{name}: not {what}, or damaged or cut short: fetch it again ({type(error).__name__}: {line(error)})"


def line(error: BaseException) -> str:
    """Return what an error says in one line; its kind, if it says nothing."""
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__


def check_growth(name: str, claimed: int, size: int, raises: type[ProjectError] = DataError) -> None:
    """Refuse a file that claims far more than its bytes can hold, before anything is read.

    Parameters
    ----------
    name
        Name of the file, for the message.
    claimed, size
        Bytes that its content would take in memory, and that it takes on the disk.
    raises
        What is raised.

    Raises
    ------
    DataError
        Or ``raises``.
    """
    if claimed > _GROWTH * size + _ALLOWANCE:
        raise raises(f"{name}: claims {readable(claimed)} in a file of {readable(size)}; refused: don't trust it")


def check_regular(path: Path, raises: type[ProjectError] = BundleError) -> None:
    """Refuse what isn't a plain file: a pipe would be waited for, a device never ends.

    Raises
    ------
    BundleError
        Or ``raises``.
    """
    if not path.is_file():
        raise raises(f"{path.name}: {'not a plain file' if path.exists() else 'missing'}")
