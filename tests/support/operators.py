"""What operators run their own checks with, in an environment of its own: it pins another protobuf than ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support import environments

__all__ = ["ask", "python"]

#: Triton's client and its protobuf; the schemas of Kubernetes' own kinds.
PACKAGES = ("tritonclient[http,grpc]==2.73.0", "kubernetes-validate==1.37.0")


def python() -> Path:
    """Return the interpreter of the environment; skip where it can't be made."""
    return environments.environment("operators", PACKAGES)


def ask(program: str, given: Any, *arguments: str | Path, timeout: float = 120) -> Any:
    """Run one of the programs of `environments.ask` there; return what it printed."""
    return environments.ask(python(), program, given, *arguments, timeout=timeout)
