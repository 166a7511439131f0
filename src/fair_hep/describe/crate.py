"""``ro-crate-metadata.json``: the bundle as an RO-Crate 1.2, with the runs that made it (Process Run Crate 0.5)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from .. import bundle
from .crate_runs import Runs
from .facts import Facts, File
from .media import media_type
from .people import authors, doi_url, is_person, known, names, orcid_url, refs, spdx_url
from .software import LICENCE, SOFTWARE, carried

__all__ = ["CRATE", "ro_crate"]

CRATE = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.2"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_ABOUT = {
    bundle.MODEL: "The network for ONNX Runtime: raw inputs to answers",
    bundle.EXPLAINED: "The network with its explanation: raw inputs to answers and relevances",
    bundle.WEIGHTS: "The weights of the network",
    bundle.SIGNATURE: "Names, axes, units and meaning of inputs and outputs",
    "schema.json": "JSON schema of the bundle's own files",
    "README.md": "Model card",
    "metrics.json": "What the evaluation and the explanation measured",
    "parity.json": "How ONNX Runtime compared with PyTorch",
    "configuration.yaml": "The configuration that made the bundle",
    "provenance.json": "What the export was made from",
    bundle.EXAMPLES: "How closely the stored answers must be reproduced",
    bundle.REQUEST: "The first examples as a server is asked for them",
    "examples/inputs.npz": "Stored inputs",
    "examples/outputs.npz": "Stored answers of PyTorch",
    "examples/relevance.npz": "Stored relevances of the engine",
    "LICENSE": "Licence of the code",
    "CITATION.cff": "How to cite",
    "project.yaml": "Identity of the project",
    "croissant.json": "The data set as it was used (Croissant)",
    "fair4ml.json": "The model in the terms of FAIR4ML",
    "datacite.json": "The record as DataCite registers it",
    "terms.jsonld": "Definitions of the terms for explanations",
}


def ro_crate(facts: Facts) -> dict[str, Any]:
    """Return the crate; write every other file of the bundle first, since it holds their checksums."""
    files = [file for file in facts.files() if file.name != CRATE]
    people = [_person(author) for author in authors(facts.project)]
    runs = Runs(facts, files, [entity["@id"] for entity in people] if facts.project.authors else [])
    entities = [
        _descriptor(),
        _root(facts, files, [entity["@id"] for entity in people], [run["@id"] for run in runs.actions]),
        {"@id": PROFILE, "@type": ["CreativeWork", "Profile"], "name": "Process Run Crate", "version": "0.5"},
        *(_file(file, facts) for file in files),
        *people,
        *_licences(facts),
        *_publication(facts),
        *runs.entities(),
    ]
    graph = {entity["@id"]: entity for entity in entities}
    return {"@context": f"{SPECIFICATION}/context", "@graph": list(graph.values())}


def _descriptor() -> dict[str, Any]:
    return {
        "@id": CRATE,
        "@type": "CreativeWork",
        "name": "RO-Crate metadata of the bundle",
        "about": {"@id": "./"},
        "conformsTo": {"@id": SPECIFICATION},
    }


def _root(facts: Facts, files: Iterable[File], people: list[str], runs: list[str]) -> dict[str, Any]:
    project = facts.project
    return known({
        "@id": "./",
        "@type": "Dataset",
        "name": project.title,
        "description": project.description or facts.signature.summary,
        "version": project.version,
        "datePublished": facts.made,
        "license": {"@id": spdx_url(project.licenses.weights)},
        "author": refs(people),
        "identifier": doi_url(project.doi),
        "cite-as": doi_url(project.doi),
        "keywords": facts.keywords,
        "citation": refs(entity["@id"] for entity in _publication(facts)),
        "conformsTo": {"@id": PROFILE},
        "hasPart": refs(file.name for file in files),
        "mentions": refs(runs),
    })  # fmt: skip


def _file(file: File, facts: Facts) -> dict[str, Any]:
    """Describe a file; the code's licence lies in the bundle too, and isn't that of the weights or of the library."""
    licence = facts.project.licenses.code if file.name == "LICENSE" else facts.project.licenses.weights
    if file.name.startswith(f"{SOFTWARE}/"):
        licence = LICENCE
    return known({
        "@id": file.name,
        "@type": "File",
        "name": file.name,
        "description": _ABOUT.get(file.name) or _about(file.name),
        "encodingFormat": media_type(file.name),
        "contentSize": str(file.bytes),
        "sha256": file.sha256,
        "license": {"@id": spdx_url(licence)},
    })  # fmt: skip


def _about(name: str) -> str:
    folder, _, rest = name.partition("/")
    if folder == SOFTWARE:
        return "The library that loads, runs and explains the model"
    step, _, figure = rest.partition("/")
    if folder == "figures":
        return f"Figure of the step {step}: {PurePosixPath(figure).stem.replace('_', ' ')}"
    return f"What the step {PurePosixPath(rest).stem} was made from" if folder == "provenance" else f"File {name}"


def _person(author: Any) -> dict[str, Any]:
    family, given = names(author)
    if not is_person(author):
        name = orcid_url(author) or f"#{'-'.join(author.name.split())}"
        return known({"@id": name, "@type": "Organization", "name": author.name, "email": author.email})
    return known({
        "@id": orcid_url(author) or f"#{'-'.join((given + ' ' + family).split())}",
        "@type": "Person",
        "name": f"{given} {family}".strip(),
        "familyName": family,
        "givenName": given,
        "email": author.email,
    })  # fmt: skip


def _licences(facts: Facts) -> list[dict[str, Any]]:
    licences = facts.project.licenses
    named: dict[str, str] = {}
    library = LICENCE if carried(facts.folder) else None
    for name, what in (
        (licences.code, "code"),
        (licences.weights, "weights"),
        (facts.data.license, "data"),
        (library, "library"),
    ):
        if name:
            named[name] = f"{named[name]} and the {what}" if name in named else what
    return [
        {
            "@id": spdx_url(name),
            "@type": "CreativeWork",
            "name": name,
            "identifier": name,
            "description": f"Licence of the {what}",
        }
        for name, what in named.items()
    ]


def _publication(facts: Facts) -> list[dict[str, Any]]:
    citation = facts.citation
    if not citation.get("doi"):
        return []
    entity = {
        "@id": doi_url(citation["doi"]),
        "@type": "ScholarlyArticle",
        "name": citation.get("title"),
        "description": "The publication of the network's architecture",
    }
    return [known(entity)]
