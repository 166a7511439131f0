"""Names and numbers: who, what, which version, under which identifier, learned from which data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..bundle import SIGNATURE, read_signature
from ..bundle.strict import load_yaml
from .documents import BUNDLED, CITATION, CODEMETA, described, read_object
from .evidence import Case, Failure, Unpublished, Wanting

__all__ = [
    "data_identifier",
    "description",
    "identifier",
    "identifier_in_metadata",
    "is_doi",
    "orcid_is_valid",
    "people",
    "version",
]

#: The pattern of the Citation File Format 1.2.0, from its schema.
_DOI = re.compile(r"10\.\d{4,9}(\.\d+)?/[A-Za-z0-9:/_;\-.()\[\]\\]+")
_ORCID = re.compile(r"(?:https://orcid\.org/)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])")
_VERSION = re.compile(r"\d+(\.\d+)*([-.+]?[0-9A-Za-z.]+)?")
_PYPROJECT = "pyproject.toml"


def is_doi(text: str) -> bool:
    """Say whether a text has the form of a DOI.

    Examples
    --------
    >>> is_doi("10.5281/zenodo.2603256"), is_doi("zenodo.2603256"), is_doi("https://doi.org/10.5281/zenodo.1")
    (True, False, False)
    """
    return _DOI.fullmatch(text) is not None


def orcid_is_valid(text: str) -> bool:
    """Say whether an ORCID has its form and its check digit (ISO 7064, MOD 11-2).

    Examples
    --------
    >>> orcid_is_valid("0000-0002-1825-0097"), orcid_is_valid("https://orcid.org/0000-0002-1825-0098")
    (True, False)
    """
    match = _ORCID.fullmatch(text)
    if match is None:
        return False
    digits = match[1].replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    return "0123456789X"[(12 - total % 11) % 11] == digits[-1]


def description(case: Case) -> str:
    """Find the core of a description in ``project.yaml``."""
    project = case.project
    missing = [name for name in ("title", "description", "version", "model") if not getattr(project, name).strip()]
    if missing:
        raise Failure(f"project.yaml: {', '.join(missing)} empty", f"write {', '.join(missing)} into project.yaml")
    return "project.yaml has title, description, version and model"


def people(case: Case) -> str:
    """Compute the check digit of every ORCID, wherever one is written."""
    places = dict(_orcids(case))
    wrong = [f"{where}: {orcid}" for where, orcid in places.items() if not orcid_is_valid(orcid)]
    if wrong:
        raise Failure(
            f"no ORCID, its form or check digit is wrong: {'; '.join(wrong)}",
            "correct the ORCID in project.yaml (and in CITATION.cff and codemeta.json); orcid.org shows it",
        )
    authors = len(case.project.authors)
    if not places:
        return f"authors in project.yaml: {authors}; none with an ORCID"
    return f"authors in project.yaml: {authors}; ORCIDs with the right check digit: {len(places)}"


def _orcids(case: Case) -> Iterator[tuple[str, str]]:
    for author in case.project.authors:
        if author.orcid is not None:
            yield f"project.yaml, {author.name}", author.orcid
    for path in described(case, CITATION):
        for number, author in enumerate(load_yaml(path).get("authors") or []):
            if isinstance(author, Mapping) and author.get("orcid"):
                yield f"{_short(case, path)}, author {number + 1}", str(author["orcid"])
    for path in described(case, CODEMETA):
        authors = read_object(path).get("author") or []
        for number, author in enumerate(authors if isinstance(authors, list) else [authors]):
            address = str(author.get("@id") or author.get("id") or "") if isinstance(author, Mapping) else ""
            if "orcid.org" in address:
                yield f"{_short(case, path)}, author {number + 1}", address


def identifier(case: Case) -> str:
    """Compare the form of the model's DOI with the pattern of DOIs."""
    doi = case.project.doi
    if doi is None:
        raise Unpublished("project.yaml has no doi yet: an archive gives it")
    if not is_doi(doi):
        raise Failure(f"project.yaml: doi is {doi!r}", "write it as 10.5281/zenodo.1234567 into project.yaml")
    return f"{doi} has the form of a DOI"


def identifier_in_metadata(case: Case) -> str:
    """Look for the model's DOI in everything that describes it."""
    identifier(case)
    doi = str(case.project.doi)
    places = [path for name in (CITATION, CODEMETA) for path in described(case, name)]
    places += [path for name in BUNDLED if (path := case.project.bundle / name).is_file()]
    missing = [_short(case, path) for path in places if doi not in path.read_text(encoding="utf-8")]
    if missing:
        raise Failure(
            f"{', '.join(missing)} without {doi}",
            "run `publish`, and copy CITATION.cff and codemeta.json from dist/ into the project",
        )
    return f"{doi} stands in {', '.join(_short(case, path) for path in places)}"


def version(case: Case) -> str:
    """Compare the version in every place that states one."""
    expected = case.project.version
    if not _VERSION.fullmatch(expected):
        raise Failure(f"project.yaml: version is {expected!r}", "write a version such as 1.2.0 into project.yaml")
    found = dict(_versions(case))
    wrong = [f"{where} says {value}" for where, value in found.items() if value != expected]
    if wrong:
        raise Failure(
            f"project.yaml says {expected}, {'; '.join(wrong)}",
            "write one version everywhere, and run `export` again if the bundle is of another one",
        )
    return f"{expected} in project.yaml and {', '.join(found) or 'nowhere else'}"


def _versions(case: Case) -> Iterator[tuple[str, str]]:
    for name in (CITATION, CODEMETA):
        for path in described(case, name):
            values = load_yaml(path) if name == CITATION else read_object(path)
            if "version" in values:
                yield _short(case, path), str(values["version"])
    if (case.root / _PYPROJECT).is_file():
        import tomllib

        project = tomllib.loads((case.root / _PYPROJECT).read_text(encoding="utf-8")).get("project", {})
        if "version" in project:
            yield _PYPROJECT, str(project["version"])
    if case.project.bundle.is_dir():
        yield f"bundle/{SIGNATURE}", read_signature(case.bundle).version


def data_identifier(case: Case) -> str:
    """Look for the DOI of the data set, and for what the metadata say that it is to the model."""
    doi = case.project.dataset.doi
    if not doi:
        raise Wanting(
            "project.yaml has no DOI of the data set, so nobody can find what the model learned from",
            "deposit the data at an archive (Zenodo, a Dataverse, figshare, CERN Open Data), write its DOI into "
            "project.yaml as dataset.doi, then run `publish` and copy dist/codemeta.json into the project",
        )
    if not is_doi(doi):
        raise Failure(f"project.yaml: dataset.doi is {doi!r}", "write it as 10.5281/zenodo.1234567 into project.yaml")
    found = [
        f"{_short(case, path)} names it as {what}"
        for path in described(case, CODEMETA)
        for what, key in (("what the model learned from", "supportingData"), ("a reference", "citation"))
        if doi in json.dumps(read_object(path).get(key))
    ]
    if not found:
        raise Failure(
            f"{CODEMETA}: neither supportingData nor citation names {doi}",
            "run `publish`, and copy dist/codemeta.json into the project",
        )
    return f"{doi} has the form of a DOI, and {found[0]}"


def _short(case: Case, path: Path) -> str:
    return path.relative_to(case.root).as_posix()
