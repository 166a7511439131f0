"""Keep libraries from reporting to their makers, unless whoever runs them decides otherwise."""

from __future__ import annotations

import os

__all__ = ["SWITCHES", "report_nothing"]

#: The variable that switches a library's reports off, and its value. ONNX Runtime (for Linux from 1.29 on) sends names
#: of graphs and hashes of weights; MLflow (3.2 and newer) sends which of its functions are used.
SWITCHES = {"ORT_DISABLE_TELEMETRY": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


def report_nothing() -> None:
    """Set the variables that aren't set; libraries read them when they are first imported, so call this before."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
