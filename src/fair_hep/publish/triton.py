"""A model repository for Triton Inference Server, and so for CMS' SONIC: both graphs of a bundle, as two models.

Triton's protocol has no word for an explanation; a graph that explains is a model like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..bundle.errors import BundleError, DataError
from ..bundle.files import new_folder, sha256, write_text
from ..bundle.folder import EXPLAINED, MODEL, check_files
from ..bundle.signature import SIGNATURE, Signature, TensorSpec, read_signature
from ..bundle.slug import EXPLAINED_SUFFIX, slug_of
from ..bundle.strict import load_yaml
from .triton_config import Text, batchable, config, largest_batch, read_tensors

__all__ = ["number", "run"]

_CONFIG = "config.pbtxt"
_VERSION = re.compile(r"(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})", re.ASCII)


def run(bundle: Path, folder: Path) -> dict[str, Any]:
    """Write both graphs of a bundle into a model repository; other models and earlier versions in it stay.

    Parameters
    ----------
    bundle
        Folder of the bundle.
    folder
        The repository; it is made if it isn't there. The same bundle gives the same bytes.

    Returns
    -------
    result
        ``headline``, ``version`` (Triton's number) and ``models``, by name their ``max_batch_size``.

    Raises
    ------
    BundleError
        If the bundle isn't whole, the repository holds another graph under this version, or its ``config.pbtxt`` isn't
        the one that this version needs.
    DataError
        If the version has no number.
    """
    check_files(bundle)
    signature, name = read_signature(bundle), slug_of(bundle)
    version = number(signature.version)
    graphs = [(name, MODEL, signature.inputs, signature.outputs)]
    if signature.explained is not None:
        known = signature.explained
        graphs.append((name + EXPLAINED_SUFFIX, EXPLAINED, known.inputs, known.outputs))
    texts: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for model, graph, takes, gives in graphs:
        inputs, outputs = read_tensors(bundle / graph)
        most = largest_batch(takes, explains=graph == EXPLAINED)
        sizes[model] = most if batchable([*inputs, *outputs]) else 0
        text = Text(list(_head(bundle, signature, model, sizes[model])), _told([*takes, *gives]))
        texts[model] = config(model, inputs, outputs, sizes[model], text)
    for model, graph, _, _ in graphs:  # before anything is written
        _check(folder / model, texts[model], version, bundle / graph)
    for model, graph, _, _ in graphs:
        write_text(folder / model / _CONFIG, texts[model])
        with new_folder(folder / model / str(version)) as made:
            (made / MODEL).write_bytes((bundle / graph).read_bytes())
            (made / SIGNATURE).write_bytes((bundle / SIGNATURE).read_bytes())
    return {
        "headline": [
            *(f"{folder / model}: version {version}, {_batch(size, signature)}" for model, size in sizes.items()),
            f"next: tritonserver --model-repository {folder}; what clients send: {_CONFIG} of each model says it",
        ],
        "version": version,
        "models": sizes,
    }


def number(version: str) -> int:
    """Return Triton's number of a version: three digits for each of its parts, so that newer ones are larger.

    Raises
    ------
    DataError
        If it hasn't three numbers below 1,000, or they are all 0.

    Examples
    --------
    >>> number("0.2.0"), number("1.12.3")
    (2000, 1012003)
    """
    match = _VERSION.fullmatch(version)
    found = int("".join(part.zfill(3) for part in match.groups())) if match else 0
    if not found:
        raise DataError(
            f"version: got {version!r}, and Triton counts versions: expected three numbers below 1000, above 0.0.0, "
            "for example 1.2.0"
        )
    return found


def _check(folder: Path, text: str, version: int, graph: Path) -> None:
    """Refuse to change what a repository holds already; a published version never changes."""
    held = folder / str(version) / MODEL
    if held.is_file() and sha256(held) != sha256(graph):
        raise BundleError(
            f"{folder.name}/{version}/{MODEL}: the repository holds another graph of this version: raise `version` in "
            "project.yaml and export again, or take another folder"
        )
    path = folder / _CONFIG
    if path.is_file() and _said(path.read_text(encoding="utf-8")) != _said(text):
        raise BundleError(
            f"{folder.name}/{_CONFIG}: was changed, or describes other tensors, and all versions share it: move it "
            "away and try again, then put the changes back in; or take another folder"
        )


def _said(text: str) -> list[str]:
    """Return the lines of a configuration that aren't comments."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _head(bundle: Path, signature: Signature, model: str, batch: int) -> Iterator[str]:
    project, inputs = load_yaml(bundle / "project.yaml"), signature.inputs
    doi = f", doi:{project['doi']}" if project.get("doi") else ""
    yield f"{project.get('title') or signature.title}, version {signature.version} and earlier{doi}"
    yield signature.summary
    known = signature.explained
    if known is not None and model.endswith(EXPLAINED_SUFFIX):
        weights, how = known.inputs[-1], known.how
        yield f"Explains: {weights.name} says what, as weights of {', '.join(weights.columns)}."
        yield f"Our own server takes {how.target} where none is given; Triton wants them said. Rules: {how.composite}."
    long = next((spec for spec in inputs if spec.set_axis), None)
    if long is None:
        return
    most = f" at most {long.limits[str(long.set_axis)]} (Triton doesn't check it)," if long.limits else ""
    yield f"Sets: {long.name} takes any number of {long.set_axis},{most} the same for all {long.axes[0]} of a request."
    if signature.padded:
        yield "Shorter ones get zeros at their end, and what is answered for these is cut off by the client."
    else:
        yield f"What zeros at the end do to this graph isn't known: one request for each number of {long.set_axis}."
    if batch > 1:
        more = ": round them up with zeros, to multiples of 16 for example" if signature.padded else ""
        yield f"Requests are joined only if their numbers of {long.set_axis} are equal{more}."


def _told(specs: Sequence[TensorSpec]) -> dict[str, list[str]]:
    """Return what a client must know of each tensor: axes, meaning, columns and units."""
    return {
        spec.name: [
            f"{spec.name} [{', '.join(spec.axes)}]: {spec.meaning}",
            *([", ".join(_column(spec, column) for column in spec.columns)] if spec.columns else []),
        ]
        for spec in specs
    }


def _column(spec: TensorSpec, column: str) -> str:
    unit = spec.unit_of(column)
    return column if unit == "1" else f"{column} in {unit}"


def _batch(size: int, signature: Signature) -> str:
    counted = signature.inputs[0].axes[0]
    if size == 0:
        return f"{counted} in a request: the fixed number that the graph takes"
    long = next((spec.set_axis for spec in signature.inputs if spec.set_axis), None)
    alike = f", joined with others of as many {long}" if long and size > 1 else ""
    return f"{counted} in a request: at most {size}{alike}"
