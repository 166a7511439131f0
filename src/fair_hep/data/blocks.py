"""Long work block by block: finished blocks wait on disk until all of them are there.

So what was interrupted goes on where it stopped, and several machines may each compute some of the blocks.
"""

from __future__ import annotations

import itertools
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..bundle.errors import DataError
from ..bundle.files import new_file

__all__ = ["Blocks", "adopt", "collect", "compute", "forget"]

_WAITING = "blocks"


@dataclass(frozen=True)
class Blocks:
    """Work that is done block by block, in any order and anywhere.

    Parameters
    ----------
    key
        What the blocks depend on, a checksum.
    count
        How many there are.
    work
        Function of the numbers of some of them, that follow each other; gives them in their order: rows by name.
    """

    key: str
    count: int
    work: Callable[[range], Iterable[Mapping[str, np.ndarray]]]


def compute(folder: Path, blocks: Blocks, numbers: range) -> list[Path]:
    """Compute those of some blocks that don't wait in a folder yet; return the files of all of them in order.

    A call that is interrupted, or killed, leaves what is finished to the next one.
    """
    mine = _place(folder, blocks.key)
    mine.mkdir(parents=True, exist_ok=True)
    missing = [number for number in numbers if not _file(mine, number).is_file()]
    for run in _runs(missing):
        for number, block in zip(run, blocks.work(run), strict=True):
            with new_file(_file(mine, number)) as name:
                np.savez(name, **block)  # type: ignore[arg-type]
    return [_file(mine, number) for number in numbers]


def collect(folder: Path, blocks: Blocks) -> Iterator[dict[str, np.ndarray]]:
    """Compute what doesn't wait in a folder yet, then give all blocks in order; memory holds one of them.

    Raises
    ------
    DataError
        If a file that waits there isn't whole.
    """
    for path in compute(folder, blocks, range(blocks.count)):
        try:
            with np.load(path) as arrays:
                block = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path.name}: can't be read ({error}): remove {path.parent} and begin again") from error
        yield block


def adopt(folder: Path, files: Iterable[Path]) -> None:
    """Let finished blocks of another folder wait in this one; where the file system can, they aren't copied."""
    for path in files:
        mine = _place(folder, path.parent.name) / path.name
        mine.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, mine)
        except FileExistsError:
            continue  # the key says what it is made from, so it is the same
        except OSError:  # another file system, or one without links
            with new_file(mine) as name:
                shutil.copyfile(path, name)


def forget(folder: Path, key: str | None = None) -> None:
    """Remove the blocks that wait under a key, those of other work stay; without a key remove all of them."""
    shutil.rmtree(folder / _WAITING if key is None else _place(folder, key), ignore_errors=True)
    waiting = folder / _WAITING
    if waiting.is_dir() and not any(waiting.iterdir()):
        waiting.rmdir()


def _place(folder: Path, key: str) -> Path:
    return folder / _WAITING / key[:16]


def _file(place: Path, number: int) -> Path:
    return place / f"block-{number:06d}.npz"


def _runs(numbers: Iterable[int]) -> Iterator[range]:
    """Return numbers that follow each other together."""
    for _, run in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        first, *_, last = [number for _, number in run] * 2
        yield range(first, last + 1)
