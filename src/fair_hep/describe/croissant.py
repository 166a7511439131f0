"""``croissant.json``: the data set as it was used, in Croissant 1.1 (https://mlcommons.org/croissant/1.1)."""

from __future__ import annotations

from typing import Any

from .. import bundle
from .facts import Facts, File
from .media import media_type
from .people import doi_url, known, spdx_url

__all__ = ["croissant"]

VERSION = "http://mlcommons.org/croissant/1.1"
#: The context that every Croissant file carries, so that none needs the network.
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{
        term: f"cr:{term}"
        for term in (
            "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject",
            "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
            "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
            "separator", "source", "subField", "transform",
        )
    },
}  # fmt: skip
_SPLITS = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}


def croissant(facts: Facts) -> dict[str, Any]:
    """Return the description of the raw files that were read, their splits, and the columns that the model takes."""
    data = facts.data
    return known({
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": data.title,
        "description": _description(facts),
        "url": doi_url(data.doi) or facts.project.repository,
        "identifier": doi_url(data.doi),
        "citeAs": doi_url(data.doi),
        "license": spdx_url(data.license),
        "distribution": [*_files(facts), _raw(facts)],
        "recordSet": [_splits(facts), *(_records(tensor) for tensor in facts.signature.inputs if not tensor.optional)],
    })  # fmt: skip


def _description(facts: Facts) -> str:
    counted = facts.signature.inputs[0].axes[0]
    sizes = ", ".join(f"{split.examples} {counted} in {split.name}" for split in facts.data.splits if split.examples)
    how = "measured and explained with" if facts.elsewhere else "made from"
    used = f"The data that {facts.project.title} {facts.project.version} was {how}"
    return f"{used}: {sizes}." if sizes else f"{used}."


def _files(facts: Facts) -> list[dict[str, Any]]:
    return [_file(file, facts, split.name) for split in facts.data.splits for file in split.files]


def _file(file: File, facts: Facts, split: str) -> dict[str, Any]:
    name = file.name.rpartition("/")[2]
    return known({
        "@type": "cr:FileObject",
        "@id": f"{split}/{name}",
        "name": name,
        "contentUrl": f"{facts.data.files}/{name}" if facts.data.files else name,
        "encodingFormat": media_type(name),
        "contentSize": f"{file.bytes} B" if file.bytes is not None else None,
        "sha256": file.sha256,
    })  # fmt: skip


def _raw(facts: Facts) -> dict[str, Any]:
    """Return the set of all raw files: a field's values come out of their contents, by the project's own reader."""
    names = sorted({file.name.rpartition("/")[2] for split in facts.data.splits for file in split.files})
    return {
        "@type": "cr:FileSet",
        "@id": "raw-files",
        "name": "raw-files",
        "description": "All raw files; the project's reader (`data`) makes the columns out of them",
        "encodingFormat": media_type(names[0]) if names else "application/octet-stream",
        "includes": names,
    }


def _splits(facts: Facts) -> dict[str, Any]:
    """Return the record set that says which split is which, and from which files it comes."""
    counted = all(split.examples is not None for split in facts.data.splits)
    rows = [
        {
            "splits/name": split.name,
            "splits/url": _SPLITS[split.name],
            "splits/files": " ".join(file.name.rpartition("/")[2] for file in split.files),
            **({"splits/examples": split.examples} if counted else {}),
        }
        for split in facts.data.splits
    ]
    fields = [("name", "sc:Text"), ("url", "sc:URL"), ("files", "sc:Text")]
    fields += [("examples", "sc:Integer")] if counted else []
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": f"splits/{name}", "name": name, "dataType": kind} for name, kind in fields
        ],
        "data": rows,
    }


def _records(tensor: bundle.TensorSpec) -> dict[str, Any]:
    """Return the record set of one input: a field for every column, an array where an example is a set."""
    return {
        "@type": "cr:RecordSet",
        "@id": tensor.name,
        "name": tensor.name,
        "description": tensor.meaning,
        "field": [_field(tensor, column) for column in tensor.columns],
    }


def _field(tensor: bundle.TensorSpec, column: str) -> dict[str, Any]:
    unit = "" if tensor.unit_of(column) == "1" else tensor.unit_of(column)
    about = f"{column} of every entry along {tensor.set_axis or tensor.axes[0]}"
    shape = {"isArray": True, "arrayShape": "-1"} if tensor.set_axis else {}
    return known({
        "@type": "cr:Field",
        "@id": f"{tensor.name}/{column}",
        "name": column,
        "description": f"{about}, in {unit}" if unit else about,
        "dataType": "sc:Float",
        "source": {"fileSet": {"@id": "raw-files"}, "extract": {"fileProperty": "content"}},
        "unitText": unit,
        **shape,
    })  # fmt: skip
