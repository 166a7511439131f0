"""What the documents say that the model learned from, beside what its training read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import bundle
from ..bundle.signature import read_signature
from ..bundle.strict import load_yaml
from ..bundle.text import parse_yaml
from ..describe.citation import COMPARED, LEARNED
from ..describe.origin import learned_from, origin
from ..provenance.about import trained_elsewhere
from .documents import CITATION, CODEMETA, described, in_bundle, read_object
from .evidence import Case, Failure
from .programs import needs

__all__ = ["data_claims"]

_RESOLVER = "https://doi.org/"
#: What says that nothing is named: most documents leave the key out then.
_NOTHING = "no DOI"


def data_claims(case: Case) -> str:
    """Compare the data that every document names as the model's own with those that its training read."""
    learned = learned_from(case.bundle)
    third_party = read_signature(case.bundle).third_party
    claims = list(_documents(case)) + ([] if third_party else list(_bundle(case)) + list(_graphs(case)))
    wrong = [f"{where} names {said or _NOTHING}" for where, said in claims if said != learned]
    licence = origin(case.project, case.bundle).license
    stated = [] if third_party else list(_licences(case))
    wrong += [f"{where} names the licence {said or 'none'}, not {licence}" for where, said in stated if said != licence]
    if wrong:
        raise Failure(
            f"it learned from {_words(case, learned)}, and {'; '.join(wrong)}",
            "run `export` again, then `publish`, and copy CITATION.cff and codemeta.json from dist/ into the project",
        )
    return f"it learned from {_words(case, learned)}; {len(claims) + len(stated)} places agree"


def _words(case: Case, learned: str | None) -> str:
    if learned:
        return learned
    if trained_elsewhere(case.bundle):
        return "data elsewhere that have no known DOI"
    return f"data without a DOI (source: {origin(case.project, case.bundle).source})"


def _documents(case: Case) -> Iterator[tuple[str, str | None]]:
    """Give what claims something of the model wherever it lies; before the first `publish` they may claim nothing."""
    learned = learned_from(case.bundle)
    for path in described(case, CODEMETA):
        where = f"{path.relative_to(case.root).as_posix()} (supportingData)"
        yield from ((where, doi) for doi in _dois(read_object(path).get("supportingData"), "@id"))
    for path in described(case, CITATION):
        where, in_the_bundle = path.relative_to(case.root).as_posix(), path.parent == case.project.bundle
        for entry in load_yaml(path).get("references") or []:
            doi, notes = (str(entry.get(key) or "") for key in ("doi", "notes"))
            if doi not in (learned, case.project.dataset.doi):
                continue
            if LEARNED in notes or (in_the_bundle and COMPARED not in notes):
                yield f"{where} (references)", doi
            elif COMPARED in notes and doi == learned:
                yield f"{where} (references)", None


def _bundle(case: Case) -> Iterator[tuple[str, str | None]]:
    """Give the DOI that every description in the bundle names as the model's data, None for none."""
    record = read_object(in_bundle(case, "datacite.json")).get("relatedIdentifiers") or []
    derived = [entry for entry in record if entry.get("relationType") == "IsDerivedFrom"]
    yield "bundle/datacite.json (IsDerivedFrom)", _one(_dois(derived, "relatedIdentifier"))
    model = read_object(in_bundle(case, "fair4ml.json"))
    yield "bundle/fair4ml.json (trainedOn)", _one(_dois(model.get("fair4ml:trainedOn"), "identifier"))
    stated = load_yaml(in_bundle(case, "project.yaml"))
    yield "bundle/project.yaml (dataset)", _one(_dois(stated.get("dataset"), "doi"))
    yield "bundle/README.md (datasets)", _one(str(doi) for doi in _head(case).get("datasets") or [])


def _graphs(case: Case) -> Iterator[tuple[str, str | None]]:
    for name in (bundle.MODEL, bundle.EXPLAINED):
        if (case.bundle / name).is_file():
            yield f"bundle/{name} (dataset_doi)", _properties(case, name).get("dataset_doi")


def _licences(case: Case) -> Iterator[tuple[str, str | None]]:
    """Give the licence of the data where the bundle names one."""
    stated = load_yaml(in_bundle(case, "project.yaml")).get("licenses") or {}
    yield "bundle/project.yaml", stated.get("data")
    if not trained_elsewhere(case.bundle):
        yield f"bundle/{bundle.MODEL}", _properties(case, bundle.MODEL).get("data_license")


def _properties(case: Case, name: str) -> Mapping[str, str]:
    needs("onnx", "onnx")
    import onnx

    try:
        model = onnx.load(case.bundle / name, load_external_data=False)
    except Exception as error:  # whatever protobuf says
        raise Failure(f"{name} can't be read", "run `export` again") from error
    return {entry.key: entry.value for entry in model.metadata_props}


def _head(case: Case) -> Mapping[str, Any]:
    parts = in_bundle(case, "README.md").read_text(encoding="utf-8").split("---\n", 2)
    try:
        head = parse_yaml(parts[1]) if len(parts) == 3 else None
    except ValueError as error:
        raise Failure("bundle/README.md: its head isn't YAML", "run `export` again") from error
    return head if isinstance(head, dict) else {}


def _dois(entries: Any, key: str) -> Iterator[str]:
    """Give the DOIs under a key of one entry or of several, without the address of the resolver."""
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, Mapping) and entry.get(key):
            yield str(entry[key]).removeprefix(_RESOLVER)


def _one(dois: Iterable[str]) -> str | None:
    return ", ".join(dict.fromkeys(dois)) or None
