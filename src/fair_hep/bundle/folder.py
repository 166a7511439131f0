"""The published folder: which files it holds, their checksums, and its arrays; no training framework reads it.

A bundle is plain files. ``SHA256SUMS`` lists all of them and is written last: a bundle without it is unfinished.
``schema.json`` in the bundle describes its JSON files; it is generated from the classes of `signature`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arrays import check_sizes
from .errors import BundleError, DataError, MissingStepError
from .files import new_file, sha256, write_text
from .reading import check_regular, reading
from .signature import EXAMPLES, FORMAT, SIGNATURE, Examples, Signature, read_signature

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "EXPLAINED",
    "MODEL",
    "REQUEST",
    "REQUIRED",
    "SUMS",
    "WEIGHTS",
    "check_files",
    "read_arrays",
    "schema",
    "write_arrays",
    "write_sums",
]

SUMS = "SHA256SUMS"
MODEL = "model.onnx"
EXPLAINED = "model_explained.onnx"
WEIGHTS = "weights.safetensors"
REQUEST = "examples/request.json"
#: What every bundle holds; figures, relevances and the provenance of single steps may come on top.
REQUIRED = (
    MODEL, WEIGHTS, SIGNATURE, "schema.json", EXAMPLES, REQUEST, "examples/inputs.npz", "examples/outputs.npz",
    "metrics.json", "parity.json", "README.md", "LICENSE", "CITATION.cff", "project.yaml", "provenance.json",
)  # fmt: skip
#: What a third-party graph hasn't: there is no network in PyTorch.
_TRAINABLE = (WEIGHTS, "parity.json")


_LINE = re.compile(r"([0-9a-f]{64})  (\S[^\r]*)")


def schema() -> dict[str, Any]:
    """Return the JSON schema of the bundle's own JSON files, by file name."""
    files = {SIGNATURE: Signature.model_json_schema(), EXAMPLES: Examples.model_json_schema()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Layout of a model bundle, format {FORMAT}",
        "description": "Files that must be there, and the schema of each JSON file that describes the model.",
        "required": [*(name for name in REQUIRED if name not in _TRAINABLE), SUMS],
        "$comment": f"A bundle whose signature isn't foreign holds {' and '.join(_TRAINABLE)} too.",
        "properties": files,
    }


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an ``.npz`` file; pickled objects are refused, and what claims more than it holds.

    Raises
    ------
    BundleError
        If the file can't be read.
    """
    import numpy as np

    check_regular(path)
    with reading(path.name, "an archive of arrays", BundleError):
        try:
            check_sizes(path)
        except DataError as error:
            raise BundleError(str(error)) from error
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a compressed ``.npz`` file in one step."""
    import numpy as np

    with new_file(path) as name:
        np.savez_compressed(name, **arrays)  # type: ignore[arg-type]


def write_sums(folder: Path) -> None:
    """List the SHA-256 checksum of every file of a finished bundle, as ``sha256sum`` does; call it last.

    Raises
    ------
    BundleError
        If a file is missing that every bundle holds.
    """
    found = _files(folder)
    missing = [name for name in _required(folder) if name not in found]
    if missing:
        raise BundleError(f"{folder.name}: {', '.join(missing)} missing, a bundle without them isn't complete")
    write_text(folder / SUMS, "".join(f"{sha256(folder / name)}  {name}\n" for name in found))


def check_files(folder: Path) -> int:
    """Compare every file of a bundle with ``SHA256SUMS``.

    Returns
    -------
    count
        Number of files compared.

    Raises
    ------
    MissingStepError
        If there is no bundle.
    BundleError
        If a file is changed, missing, or not listed; the line names each.
    """
    listed = _read_sums(folder)
    found = _files(folder)
    problems = {
        "changed": [name for name in found if name in listed and sha256(folder / name) != listed[name]],
        "missing": [name for name in sorted({*listed, *_required(folder)}) if name not in found],
        "not listed": [name for name in found if name not in listed],
    }
    lines = [f"{', '.join(names)} {what}" for what, names in problems.items() if names]
    if lines:
        raise BundleError(
            f"{folder.name}: {'; '.join(lines)}: this isn't the bundle that was published, fetch or export it again"
        )
    return len(found)


def _read_sums(folder: Path) -> dict[str, str]:
    path = folder / SUMS
    if not path.is_file():
        raise MissingStepError(f"{folder.name}/{SUMS}", "export")
    # As bytes: reading as text would take other ends of lines for the same.
    text = path.read_bytes().decode("utf-8", errors="replace")
    matches = [_LINE.fullmatch(line) for line in text.removesuffix("\n").split("\n")]
    sums = {match[2]: match[1] for match in matches if match}
    # Strict to the last byte: names in order, each once, nothing else. So no change to this file goes unseen.
    if None in matches or list(sums) != sorted(sums) or len(sums) != len(matches) or not text.endswith("\n"):
        raise BundleError(f"{folder.name}/{SUMS}: changed: expected lines 'checksum  name' in order of the names")
    return sums


def _required(folder: Path) -> tuple[str, ...]:
    """Return what a bundle must hold; one whose signature can't be read isn't taken for a third-party graph."""
    try:
        trainable = read_signature(folder).trainable
    except (BundleError, MissingStepError):
        trainable = True
    return tuple(name for name in REQUIRED if trainable or name not in _TRAINABLE)


def _files(folder: Path) -> list[str]:
    """Return the names of all files but the list itself, in order.

    A link is refused, since it can't be published; so are pipes and devices, which are waited for when they are read.
    """
    paths = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    for kind, wrong in (
        ("a symbolic link", [path for path in paths if path.is_symlink()]),
        ("a pipe, a socket or a device", [path for path in paths if not path.is_file()]),
    ):
        if wrong:
            names = ", ".join(sorted(path.relative_to(folder).as_posix() for path in wrong))
            raise BundleError(f"{folder.name}: {names}: got {kind}, expected a file")
    return sorted(name for path in paths if (name := path.relative_to(folder).as_posix()) != SUMS)
