"""Open a graph in ONNX Runtime: on a GPU in full single precision where there is one, else on the CPU."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from .errors import BundleError, MissingStepError
from .privacy import report_nothing
from .watchdog import watched

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime

__all__ = ["GPU", "PATIENCE", "compute", "onnx_runtime", "session"]

#: Seconds that one pass may take: a pass has few examples, and none of ours takes a tenth of that.
PATIENCE = 600.0
#: What ONNX Runtime calls the place.
GPU = "CUDAExecutionProvider"

log = logging.getLogger(__name__)
#: Set when a GPU was asked for in vain: it isn't tried again, as ONNX Runtime says at length why it can't.
_no_gpu = threading.Event()


def onnx_runtime() -> ModuleType:
    """Import ONNX Runtime, which reports to nobody if this is its first import."""
    report_nothing()
    import onnxruntime

    return onnxruntime


def session(path: Path, *, threads: int = 0) -> onnxruntime.InferenceSession:
    """Open a graph.

    Where it runs is what ``get_providers()`` of the session says: an ONNX Runtime made for GPUs offers them on any
    machine, and a session falls back to the CPU without an error. It is said in one line of the log, once in a process.

    Raises
    ------
    MissingStepError
        If the file is missing.
    BundleError
        If ONNX Runtime can't read it.
    """
    onnxruntime = onnx_runtime()
    if not path.is_file():
        raise MissingStepError(f"{path.parent.name}/{path.name}", "export")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Sizes change from call to call: what is planned for one would be kept in memory beside the next.
    options.enable_mem_pattern = False
    wanted = _providers([] if _no_gpu.is_set() else onnxruntime.get_available_providers())
    try:
        opened = onnxruntime.InferenceSession(path, options, providers=wanted)
    except Exception as error:  # ONNX Runtime's own errors have no common public base
        # What is wrong stands at the end; in front are places in ONNX Runtime's source.
        line = " ".join(str(error).replace(f"Load model from {path} failed:", "").split())[-200:]
        raise BundleError(f"{path.parent.name}/{path.name}: ONNX Runtime can't load it: {line}") from error
    if len(wanted) > len(opened.get_providers()):
        _no_gpu.set()
        log.warning("no GPU can be used: computing on the CPU")
    return opened


def compute(
    opened: onnxruntime.InferenceSession,
    names: Sequence[str],
    arrays: Mapping[str, np.ndarray],
    *,
    seconds: float = PATIENCE,
) -> dict[str, np.ndarray]:
    """Return the named outputs of a graph.

    Parameters
    ----------
    opened
        The graph.
    names
        Of its outputs.
    arrays
        Its inputs.
    seconds
        After which it is stopped, at the next node; a single node is waited for.

    Raises
    ------
    BundleError
        If ONNX Runtime can't compute them, or isn't done in time.
    """
    options = onnx_runtime().RunOptions()
    # Nothing of its own on standard error: what is wrong is said by whoever catches it.
    options.log_severity_level = 4
    try:
        with watched(options, seconds) as run:
            return dict(zip(names, opened.run(names, dict(arrays), options), strict=True))
    except Exception as error:  # ONNX Runtime's own errors have no common public base
        if run.stopped:
            raise BundleError(f"the graph wasn't done after {seconds:g} s and was stopped: does it end?") from error
        shapes = ", ".join(f"{name} {list(values.shape)}" for name, values in arrays.items())
        line = " ".join(str(error).split())[-200:]
        raise BundleError(f"the graph can't compute these ({shapes}): {line}") from error


def _providers(available: Sequence[str]) -> list[str | tuple[str, dict[str, str]]]:
    """Return where to compute, first choice first; TF32 would round to ten bits on the way."""
    return [(GPU, {"use_tf32": "0"}), "CPUExecutionProvider"] if GPU in available else ["CPUExecutionProvider"]
