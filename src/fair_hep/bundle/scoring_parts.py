"""Score a file in parts, on as many machines as there are, and join them to the table that one machine writes.

Parts end where one run ends what it scores at a time (`CHUNK` examples), so that the network never sees examples
beside others than there: the joined file has the bytes of a single run's.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from .answer import OUTSIDE
from .columns import Columns
from .errors import DataError, ProjectError
from .files import new_folder, read_json, sha256, write_json
from .folder import EXPLAINED, MODEL
from .parts import FILE, KEY, Part, belonging, parts_folder, require_parts
from .readers import Examples, OwnFiles, chunk_lengths, read_examples
from .runtime import LoadedModel
from .scoring import CHUNK, check_wanted, score_file, told, write_scores
from .signature import SIGNATURE
from .tables import join_tables
from .writers import writer

__all__ = ["score"]

log = logging.getLogger(__name__)
_VERB = "predict"
#: What numbers depend on.
_LIBRARIES = ("fair-hep", "numpy", "onnxruntime")


def score(
    model: LoadedModel,
    file: Path,
    output: Path,
    *,
    part: Part | None = None,
    join: int | None = None,
    explain: bool = False,
    own: OwnFiles | None = None,
    options: Mapping[str, Any] | None = None,
    columns: Columns | None = None,
) -> dict[str, Any]:
    """Score the examples of a file as `score_file` does, all of them or one part; or join the parts.

    Parameters
    ----------
    model, file, output, explain, own, options, columns
        As for `score_file`; the same for all parts, and to join them.
    part
        Which one to make, into a folder beside ``output`` that is there when it is whole; one that is there already is
        made anew. None: all.
    join
        Number of parts that there are, to be joined; None: nothing is joined.

    Raises
    ------
    MissingStepError
        If a part is missing.
    ProjectError
        If parts were made from other things than each other, or than what is named here.
    DataError, ExplainError
        As for `score_file`.
    """
    reads: dict[str, Any] = {"own": own, "options": options, "columns": columns}
    if part is None and join is None:
        return score_file(model, file, output, explain=explain, **reads)
    check_wanted(model, file, output, explain=explain)
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    made = _made_from(model, file, output, explain=explain, options=options, columns=columns)
    if part is None:
        return _join(model, output, join or 1, made, explain=explain)
    lengths = chunk_lengths(file, model.signature, CHUNK, **reads)
    if not sum(lengths):
        raise DataError(f"{file.name}: got 0 {model.signature.inputs[0].axes[0]}, expected at least 1")
    share = part.share(len(lengths))
    first, written = sum(lengths[: share.start]), [length for length in lengths[share.start : share.stop] if length]
    wanted = sum(written)
    found: dict[str, Any] = {"examples": 0, "outside": 0, "sha256": None}
    with new_folder(parts_folder(output) / part.folder) as folder:
        if wanted:
            chunks = read_examples(file, model.signature, CHUNK, start=share.start * CHUNK, **reads)
            with writer(folder / output.name) as write:
                count, judge = write_scores(model, _first(chunks, wanted), write, explain=explain, first=first)
            found = {"examples": count, "outside": judge.bad, "sha256": sha256(folder / output.name)}
        if found["examples"] != wanted:
            raise DataError(f"{file.name}: got {found['examples']} examples in {part.folder}, expected {wanted}")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        write_json(
            folder / FILE, {"command": _VERB, "first": first, "written": written, "finished": now, **found, **made}
        )
    where = parts_folder(output) / part.folder
    return told(model, where, found["examples"], found["outside"], explain=explain)


def _first(chunks: Iterator[Examples], wanted: int) -> Iterator[Examples]:
    """Give chunks until there are as many examples as wanted."""
    for examples in chunks:
        yield examples
        wanted -= len(next(iter(examples.values())))
        if wanted <= 0:
            return


def _made_from(
    model: LoadedModel,
    file: Path,
    output: Path,
    *,
    explain: bool,
    options: Mapping[str, Any] | None,
    columns: Columns | None,
) -> dict[str, Any]:
    """Return what parts are made from: the file and the model by their checksums, what is asked, the versions."""
    graphs = (SIGNATURE, MODEL, *(EXPLAINED,) * explain)
    things: dict[str, Any] = {
        "configuration": {
            "explain": explain,
            "options": dict(options or {}),
            "columns": columns.model_dump(mode="json") if columns else None,
            "kind": output.suffix.lower(),
        },
        "inputs": {file.name: sha256(file), **{f"bundle/{name}": sha256(model.folder / name) for name in graphs}},
        "versions": {name: _version(name) for name in _LIBRARIES},
    }
    return {**things, KEY: belonging(things)}


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:  # a library that runs from its folder
        return None


def _join(model: LoadedModel, output: Path, of: int, made: Mapping[str, Any], *, explain: bool) -> dict[str, Any]:
    folders = require_parts(output, of, _VERB, Path.cwd())
    known = [read_json(folder / FILE) for folder in folders]
    if known[0][KEY] != made[KEY]:
        raise ProjectError(
            f"{folders[0]}: was made from another file, model or options than those named here: "
            f"make the parts again by `{_VERB} --part`, or join them with what they were made from"
        )
    for folder, one in zip(folders, known, strict=True):
        if one["sha256"] is not None and sha256(folder / output.name) != one["sha256"]:
            raise DataError(f"{folder / output.name}: changed since it was made: make it again by `{_VERB} --part`")
    done = zip(folders, known, strict=True)
    join_tables([(folder / output.name, one["written"]) for folder, one in done if one["examples"]], output)
    count, outside = (sum(one[key] for one in known) for key in ("examples", "outside"))
    if outside:
        counted = model.signature.inputs[0].axes[0]
        log.warning("%d of %d %s outside of what the model knows: see the column %s", outside, count, counted, OUTSIDE)
    return told(model, output, count, outside, explain=explain)
