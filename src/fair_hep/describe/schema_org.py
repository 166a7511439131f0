"""Markup for search engines: a list of models in the vocabulary of schema.org, as JSON-LD.

schema.org has no type for a trained network. A bundle is a set of files with checksums, a version and a licence: a
``Dataset``, which search engines for research data look for; ``keywords`` say that it is a model.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..provenance.project import Author
from .listing import LISTING, Listed, Listing
from .people import is_person, names, orcid_url

__all__ = ["catalogue"]

KEYWORDS = ("machine learning model", "high-energy physics")
_TYPES = {".onnx": "application/onnx", ".md": "text/markdown", ".yaml": "application/yaml", ".cff": "application/yaml"}


def catalogue(listing: Listing, url: str | None = None) -> dict[str, Any]:
    """Return a ``DataCatalog`` of all models; addresses are absolute if ``url`` says where the folder will be."""
    base = f"{url.rstrip('/')}/" if url else ""
    return _known({
        # With a vocabulary instead of an address, no program has to fetch a context.
        "@context": {"@vocab": "https://schema.org/"},
        "@type": "DataCatalog",
        "@id": base or None,
        "name": listing.title,
        "url": base or None,
        "distribution": {"@type": "DataDownload", "contentUrl": base + LISTING, "encodingFormat": "application/json"},
        "dataset": [_dataset(model, base) for model in listing.models],
    })  # fmt: skip


def _dataset(model: Listed, base: str) -> dict[str, Any]:
    doi = f"https://doi.org/{model.doi}" if model.doi else None
    trained_on = f"https://doi.org/{model.trained_on}" if model.trained_on else None
    return _known({
        "@type": "Dataset",
        "@id": doi or f"{base}{model.folder}/",
        "name": model.title,
        "description": f"{model.description} {model.summary}",
        "identifier": doi,
        "url": f"{base}{model.folder}/",
        "version": model.version,
        "dateModified": model.made,
        "creator": [_person(author) for author in model.authors],
        "license": f"https://spdx.org/licenses/{model.licenses.weights}",
        "keywords": [*KEYWORDS, model.network, *["explainable AI"] * model.explains],
        "isBasedOn": {"@type": "Dataset", "@id": trained_on} if trained_on else None,
        "isAccessibleForFree": True,
        "variableMeasured": [
            {"@type": "PropertyValue", "name": name, "value": value} for name, value in sorted(model.metrics.items())
        ],
        "distribution": [
            {
                "@type": "DataDownload",
                "name": file.path,
                "contentUrl": base + quote(f"{model.folder}/{file.path}"),
                "encodingFormat": _type(file.path),
                "contentSize": f"{file.bytes} B",
                "sha256": file.sha256,
            }
            for file in model.files
        ],
    })  # fmt: skip


def _person(author: Author) -> dict[str, Any]:
    family, given = names(author)
    if not is_person(author):
        return {"@type": "Organization", "name": author.name}
    return _known({
        "@type": "Person", "@id": orcid_url(author), "familyName": family, "givenName": given,
        "name": f"{given} {family}".strip(),
    })  # fmt: skip


def _type(path: str) -> str:
    suffix = "." + path.rpartition(".")[2]
    return _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "", [])}
