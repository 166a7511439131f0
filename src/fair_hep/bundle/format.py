"""The published folder: its layout, its checksums, and how to read it without any training framework.

A bundle is plain files. ``SHA256SUMS`` lists all of them and is written last: a bundle without it is unfinished.
The JSON files are described by the models below; ``schema.json`` in the bundle is generated from them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field

from .errors import BundleError, ConfigError, MissingStepError
from .files import new_file, sha256, write_text
from .strict import Strict, validate

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "EXAMPLES",
    "EXPLAINED",
    "FOREIGN",
    "FORMAT",
    "MODEL",
    "REQUEST",
    "SIGNATURE",
    "SUMS",
    "UNEXPLAINED",
    "UNKNOWN",
    "WEIGHTS",
    "Examples",
    "Explained",
    "Relevance",
    "Signature",
    "TensorSpec",
    "check_files",
    "read_arrays",
    "read_examples",
    "read_signature",
    "schema",
    "write_arrays",
    "write_sums",
]

FORMAT = 1
SUMS = "SHA256SUMS"
MODEL = "model.onnx"
EXPLAINED = "model_explained.onnx"
WEIGHTS = "weights.safetensors"
SIGNATURE = "signature.json"
EXAMPLES = "examples/examples.json"
#: What stands where something must be said and isn't known; and in the place of a model's name for a graph of others.
UNKNOWN, FOREIGN = "unknown", "onnx"
REQUEST = "examples/request.json"
#: What every bundle holds; figures, relevances and the provenance of single steps may come on top.
REQUIRED = (
    MODEL, WEIGHTS, SIGNATURE, "schema.json", EXAMPLES, REQUEST, "examples/inputs.npz", "examples/outputs.npz",
    "metrics.json", "parity.json", "README.md", "LICENSE", "CITATION.cff", "project.yaml", "provenance.json",
)  # fmt: skip
#: What a graph of others hasn't: there is no network in PyTorch.
_OWN = (WEIGHTS, "parity.json")

#: Why a graph of others isn't explained.
UNEXPLAINED = (
    "this bundle was made from an ONNX file without its source, and relevances need the modules of the network: "
    "bring the network and its weights (`import`), then `export`"
)
T = TypeVar("T", bound=Strict)

_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


class TensorSpec(Strict):
    """One input or output of a network: what a stranger must know to feed or read it.

    Axes in ``dynamic`` may have any length, the others have the length in ``sizes``; the first one counts examples.
    """

    name: str = Field(description="name in the batch, the ONNX graph and the signature")
    axes: tuple[str, ...] = Field(description="names of the axes in order; the first one counts the examples")
    dynamic: tuple[str, ...] = Field(description="axes of any length")
    sizes: dict[str, int] = Field(description="length of every other axis")
    dtype: str
    meaning: str
    columns: tuple[str, ...] = Field((), description="meaning of the entries along the last axis")
    unit: str = Field("1", description="unit of the columns; 1 where they have no dimension")
    range: tuple[float | None, float | None] = Field(
        (None, None), description="lowest and highest value; a caller whose values lie outside is warned"
    )
    optional: bool = Field(False, description="may be left out by the caller: then the network derives it")
    positive: tuple[str, ...] = Field((), description="columns that are above 0 in every row that isn't padding")
    ranges: tuple[tuple[float, float], ...] = Field((), description="lowest and highest value of every column")
    allowed: dict[str, tuple[float, ...]] = Field(
        {}, description="values that a column of codes may have, padding apart"
    )
    limits: dict[str, int] = Field({}, description="largest length of an axis that is accepted")
    units: dict[str, str] = Field({}, description="units of the columns that have another one than `unit`")

    def unit_of(self, column: str) -> str:
        """Return the unit of a column; 1 where it has no dimension."""
        return self.units.get(column, self.unit)

    @property
    def raw(self) -> bool:
        """Whether an output is the network's own, not a softmax of one."""
        return not self.name.endswith("probabilities")

    @property
    def set_axis(self) -> str | None:
        """The axis that counts the elements of a set (the second one, if it may have any length), else None."""
        return self.axes[1] if len(self.axes) > 1 and self.axes[1] in self.dynamic else None


class Relevance(Strict):
    """How relevances are made, and how closely they must be reproduced."""

    composite: str
    bias: str
    epsilon: float
    target: list[float]
    tolerance: float = Field(gt=0, description="largest difference, as a fraction of an example's largest relevance")


class Explained(Strict):
    """What goes into the explained graph and what comes out; its rules are fixed, what is explained is an input."""

    inputs: list[TensorSpec] = Field(min_length=2)
    outputs: list[TensorSpec] = Field(min_length=3)
    how: Relevance


class Signature(Strict):
    """What goes into the graph and what comes out: ``signature.json``."""

    bundle_format: Literal[1] = 1
    model: str
    title: str
    summary: str
    version: str
    hyperparameters: dict[str, Any] = Field(
        {}, description="with them the network is built again from weights.safetensors"
    )
    inputs: list[TensorSpec] = Field(min_length=1)
    outputs: list[TensorSpec] = Field(min_length=1)
    features: TensorSpec | None = Field(None, description="where relevance lives; null: unknown, nothing is explained")
    target: list[float] = Field(
        [], description="weights of the combination of raw outputs that is explained by default"
    )
    opset: int
    foreign: bool = Field(
        False, description="a graph of others without its source: no weights apart from it, no explanation, no padding"
    )
    explained: Explained | None = Field(None, description="of model_explained.onnx; null: there is no such graph")

    @property
    def relevant(self) -> TensorSpec:
        """The features that carry relevance; a `BundleError` where nothing is explained."""
        if self.features is None:
            raise BundleError(UNEXPLAINED)
        return self.features


class Examples(Strict):
    """The stored inputs and answers: ``examples/examples.json``."""

    count: int = Field(ge=1)
    tolerance: float = Field(gt=0, description="largest difference of an output; relative for values above 1")
    near_ties: list[int] = Field(
        description="answers that hang on two candidates for a neighbour which are equally near at single precision: "
        "another machine may choose the other one, so a difference in these is counted, not condemned; an answer is an "
        "example, or an element where there is an answer for each (numbered through, padding included)"
    )
    relevance: Relevance | None = None
    unsteady: list[int] = Field(
        [], description="examples whose relevances hang on rounding: differences in these are counted, not condemned"
    )


def schema() -> dict[str, Any]:
    """Return the JSON schema of the bundle's own JSON files, by file name."""
    files = {SIGNATURE: Signature.model_json_schema(), EXAMPLES: Examples.model_json_schema()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Layout of a model bundle, format {FORMAT}",
        "description": "Files that must be there, and the schema of each JSON file that describes the model.",
        "required": [*(name for name in REQUIRED if name not in _OWN), SUMS],
        "$comment": f"A bundle whose signature isn't foreign holds {' and '.join(_OWN)} too.",
        "properties": files,
    }


def read_signature(folder: Path) -> Signature:
    """Read ``signature.json``.

    Raises
    ------
    MissingStepError
        If there is no bundle.
    BundleError
        If it doesn't hold what it should, or is of a format that this version doesn't know.
    """
    values = _read_json(folder, SIGNATURE)
    known = values.get("bundle_format")
    if known != FORMAT:
        raise BundleError(
            f"{folder.name}/{SIGNATURE}: bundle_format is {known!r}, expected {FORMAT}: use a version that reads it"
        )
    return _validated(Signature, values, f"{folder.name}/{SIGNATURE}")


def read_examples(folder: Path) -> Examples:
    """Read ``examples/examples.json``; the same errors as `read_signature`."""
    return _validated(Examples, _read_json(folder, EXAMPLES), f"{folder.name}/{EXAMPLES}")


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        raise MissingStepError(f"{folder.name}/{name}", "export")
    try:
        values = json.loads(path.read_bytes())
    except ValueError as error:
        raise BundleError(f"{folder.name}/{name}: not JSON ({error}); fetch or export the bundle again") from error
    if not isinstance(values, dict):
        raise BundleError(f"{folder.name}/{name}: got {type(values).__name__}, expected keys and values")
    return values


def _validated(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    try:
        return validate(kind, values, where)
    except ConfigError as error:
        raise BundleError(str(error)) from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an ``.npz`` file; pickled objects are refused.

    Raises
    ------
    BundleError
        If the file can't be read.
    """
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path.name}: can't be read ({error}); fetch or export the bundle again") from error


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
    text = path.read_text(encoding="utf-8", errors="replace")
    matches = [_LINE.fullmatch(line) for line in text.removesuffix("\n").split("\n")]
    sums = {match[2]: match[1] for match in matches if match}
    # Strict to the last byte: names in order, each once, nothing else. So no change to this file goes unseen.
    if None in matches or list(sums) != sorted(sums) or len(sums) != len(matches) or not text.endswith("\n"):
        raise BundleError(f"{folder.name}/{SUMS}: changed: expected lines 'checksum  name' in order of the names")
    return sums


def _required(folder: Path) -> tuple[str, ...]:
    """Return what a bundle must hold; one whose signature can't be read isn't taken for a graph of others."""
    try:
        foreign = read_signature(folder).foreign
    except (BundleError, MissingStepError):
        foreign = False
    return tuple(name for name in REQUIRED if not (foreign and name in _OWN))


def _files(folder: Path) -> list[str]:
    """Return the names of all files but the list itself, in order; a link is refused, since it can't be published."""
    paths = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    links = [path.relative_to(folder).as_posix() for path in paths if path.is_symlink()]
    if links:
        raise BundleError(f"{folder.name}: {', '.join(sorted(links))}: got a symbolic link, expected a file")
    return sorted(name for path in paths if (name := path.relative_to(folder).as_posix()) != SUMS)
