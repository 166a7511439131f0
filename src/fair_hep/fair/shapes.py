"""JSON-LD and SHACL without a network: contexts come from this folder, shapes too, the validator is pyshacl."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .documents import read_object
from .evidence import Failure
from .programs import needs

__all__ = ["CONTEXTS", "violations"]

_FOLDER = Path(__file__).with_name("contexts")
#: Addresses of contexts, and our copies: terms and what they mean, nothing else.
CONTEXTS: Mapping[str, str] = {
    "https://w3id.org/codemeta/3.0": "codemeta-3.0.jsonld",
}


def violations(path: Path, shapes: str) -> list[str]:
    """Validate a JSON-LD file against shapes.

    Parameters
    ----------
    path
        The file; every context that it names must be in `CONTEXTS`.
    shapes
        Name of the shapes in ``contexts/``.

    Returns
    -------
    violations
        What the validator found, one line each; terms that no context defines are among it, since JSON-LD drops them.

    Raises
    ------
    Failure
        If the file can't be read, a context is unknown, or the validator isn't installed.
    """
    needs("pyshacl", "pyshacl")
    import pyshacl
    import rdflib

    values = read_object(path)
    context = list(_contexts(values.pop("@context", None), path.name))
    lost = sorted(set(_keys(values)) - {term for part in context for term in part})
    graph = rdflib.Graph()
    graph.parse(data=json.dumps({"@context": context, **values}), format="json-ld", publicID="urn:document:")
    wanted = rdflib.Graph().parse(_FOLDER / f"{shapes}.ttl", format="turtle")
    _, report, _ = pyshacl.validate(graph, shacl_graph=wanted, advanced=True)
    message = rdflib.URIRef("http://www.w3.org/ns/shacl#resultMessage")
    found = sorted({f"expected {text}" for text in report.objects(None, message)})
    return [*(f"{term!r} is no term of its context" for term in lost), *found]


def _contexts(given: Any, name: str) -> Iterator[Mapping[str, Any]]:
    """Return the contexts of a document, addresses replaced by our copies."""
    for part in given if isinstance(given, list) else [given]:
        if isinstance(part, Mapping):
            yield part
        elif isinstance(part, str) and part in CONTEXTS:
            yield json.loads((_FOLDER / CONTEXTS[part]).read_text(encoding="utf-8"))["@context"]
        else:
            known = ", ".join(CONTEXTS)
            raise Failure(f"{name}: @context is {part!r}, known: {known}", f"write one of these into {name}")


def _keys(value: Any) -> Iterator[str]:
    """Return every key that a context must define: not JSON-LD's own, not addresses or prefixed names."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not key.startswith("@") and ":" not in key:
                yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)
