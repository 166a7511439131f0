"""What relevances depend on, as checksums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn

__all__ = ["KEY", "fingerprint", "is_finished", "weights_sha256"]

#: Attribute of a finished file: what its values depend on.
KEY = "fingerprint"


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
