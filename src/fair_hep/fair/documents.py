"""Where the documents are that describe the model, and how one is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..bundle import read_signature
from ..bundle.errors import ProjectError
from ..bundle.text import parse_json
from .evidence import Case, Failure

__all__ = ["BUNDLED", "CITATION", "CODEMETA", "described", "in_bundle", "read_object"]

CITATION = "CITATION.cff"
CODEMETA = "codemeta.json"
#: Documents of the bundle that name the model itself.
BUNDLED = ("datacite.json", "fair4ml.json", "ro-crate-metadata.json")


def described(case: Case, name: str) -> list[Path]:
    """Return where a document is that belongs to the project, and to the bundle if that has it too.

    Raises
    ------
    Failure
        If the project has none.
    """
    if not (case.root / name).is_file():
        raise Failure(
            f"{name} is missing", f"run `git checkout {name}`, or `publish` and copy dist/{name} into the project"
        )
    return [path for path in (case.root / name, case.project.bundle / name) if path.is_file()]


def in_bundle(case: Case, name: str) -> Path:
    """Return where a document of the bundle is.

    Raises
    ------
    NeedsBundle
        If there is no bundle.
    Failure
        If the bundle has no such file.
    """
    path = case.bundle / name
    if not path.is_file():
        if _third_party(case):
            raise Failure(
                f"bundle/{name} is missing: it holds an ONNX model of others, without source, weights and data",
                "bring the network and its weights (`import`), then `evaluate`, `explain` and `export`",
            )
        raise Failure(f"bundle/{name} is missing", "run `export` again")
    return path


def _third_party(case: Case) -> bool:
    """Say whether the bundle holds a third-party graph; one whose signature can't be read doesn't."""
    try:
        return read_signature(case.bundle).third_party
    except ProjectError:
        return False


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds keys and values.

    Raises
    ------
    Failure
        If it holds something else.
    """
    try:
        values = parse_json(path.read_bytes())
    except ValueError as error:
        raise Failure(f"{path.name}: not JSON ({error})", f"mend {path.name}, or write it anew (`publish`)") from error
    if not isinstance(values, dict):
        raise Failure(f"{path.name}: got {type(values).__name__}, expected keys and values", f"write {path.name} anew")
    return values
