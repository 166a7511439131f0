"""Graphs that are made once for a run, and kept for every process and machine that computes for it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..bundle.files import new_file
from ..provenance.library import installed
from ..provenance.steps import versions

__all__ = ["OPSET", "kept_graph"]

#: Version of the ONNX operators of graphs that aren't published.
OPSET = 20

log = logging.getLogger(__name__)


def kept_graph(folder: Path, kind: str, made_from: Any, write: Callable[[Path], None]) -> Path:
    """Return the file of a graph; write it if it isn't there.

    Of several machines that make it at once one stays, and all are the same.

    Parameters
    ----------
    folder, kind
        Where it lies, and what it is: the first word of its name.
    made_from
        What it is made from, as JSON values; the versions of the library and of what it computes with come on top.
    write
        Writes the file.
    """
    known = json.dumps([made_from, OPSET, versions(), installed()._asdict()], sort_keys=True)
    path = folder / f"{kind}-{hashlib.sha256(known.encode()).hexdigest()[:16]}.onnx"
    if not path.is_file():
        log.info("recording the network as a graph, once for this run")
        with new_file(path) as name:
            write(name)
    return path
