"""Long explanations that go on where they stopped: finished parts wait on disk until all of them are there."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.files import new_file

if TYPE_CHECKING:
    from torch import nn

__all__ = ["KEY", "collect", "fingerprint", "forget", "is_finished", "weights_sha256"]

#: Attribute of a finished file: what its values depend on.
KEY = "fingerprint"
_WAITING = ".parts"


def fingerprint(network: nn.Module, arrays: Iterable[np.ndarray], settings: Any) -> str:
    """Return a checksum of everything that relevances depend on.

    Parameters
    ----------
    network
        Its weights count.
    arrays
        What is explained: the examples themselves, so that other data under the same numbers are other work.
    settings
        Rules and whatever else matters, as JSON values.
    """
    digest = hashlib.sha256(weights_sha256(network).encode())
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()


def weights_sha256(network: nn.Module) -> str:
    """Return a checksum of a network's weights and buffers."""
    digest = hashlib.sha256()
    for name, values in network.state_dict().items():
        digest.update(name.encode())
        digest.update(values.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def is_finished(path: Path, key: str) -> bool:
    """Say whether a file of relevances is there and was made from the same things."""
    import h5py

    if not path.is_file():
        return False
    with h5py.File(path) as file:
        return bool(file.attrs.get(KEY) == key)


def collect(
    folder: Path, key: str, work: Callable[[int], Iterable[Mapping[str, np.ndarray]]]
) -> Iterator[dict[str, np.ndarray]]:
    """Do work part by part, then give all parts in order.

    Parameters
    ----------
    folder
        Finished parts wait here, under the key. A call that is interrupted, or killed, leaves them to the next one.
    key
        What the parts depend on, see `fingerprint`.
    work
        Function of the number of parts that are done already; gives those that follow, as arrays by name.
    """
    mine = folder / _WAITING / key[:16]
    mine.mkdir(parents=True, exist_ok=True)
    done = len(list(mine.glob("part-*.npz")))
    for number, part in enumerate(work(done), start=done):
        with new_file(mine / f"part-{number:06d}.npz") as name:
            np.savez(name, **part)  # type: ignore[arg-type]
    for path in sorted(mine.glob("part-*.npz")):
        with np.load(path) as arrays:
            yield {name: arrays[name] for name in arrays.files}


def forget(folder: Path) -> None:
    """Remove all waiting parts."""
    shutil.rmtree(folder / _WAITING, ignore_errors=True)
