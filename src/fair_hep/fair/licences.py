"""Licences of code, weights and data: SPDX identifiers, the same everywhere, with the text beside them."""

from __future__ import annotations

from collections.abc import Iterator

from ..bundle.strict import load_yaml
from .documents import CITATION, CODEMETA, described, read_object
from .evidence import Case, Failure
from .programs import needs

__all__ = ["licence_text", "licences"]

TEXT = "LICENSE"
#: What the text of a licence must say, by identifier; other licences need a text of some length.
_WORDS = {
    "MIT": "Permission is hereby granted",
    "BSD-3-Clause": "Redistribution and use",
    "Apache-2.0": "Apache License",
}
_SHORTEST = 200


def licences(case: Case) -> str:
    """Look every licence up in the SPDX list, and compare the code's one in all documents."""
    needs("license_expression", "license-expression")
    from license_expression import get_spdx_licensing

    spdx = get_spdx_licensing()
    stated = case.project.licenses
    named = {"code": stated.code, "weights": stated.weights, "data": stated.data}
    found = {f"licenses.{what}": value for what, value in named.items() if value is not None} | dict(_elsewhere(case))
    wrong = [f"{where} is {value!r}" for where, value in found.items() if spdx.validate(value, strict=True).errors]
    if wrong:
        raise Failure(
            f"no SPDX identifier: {'; '.join(wrong)}",
            "write one from spdx.org/licenses into project.yaml, such as Apache-2.0",
        )
    other = [f"{where} says {value}" for where, value in _elsewhere(case) if value != stated.code]
    if other:
        raise Failure(f"licenses.code is {stated.code}, {'; '.join(other)}", "write the same licence everywhere")
    unknown = "" if stated.data else "; that of the data isn't stated"
    return f"{', '.join(sorted(set(found.values())))} are in the SPDX list, in {len(found)} places{unknown}"


def _elsewhere(case: Case) -> Iterator[tuple[str, str]]:
    for path in described(case, CITATION):
        yield path.relative_to(case.root).as_posix(), str(load_yaml(path).get("license"))
    for path in described(case, CODEMETA):
        address = str(read_object(path).get("license"))
        yield path.relative_to(case.root).as_posix(), address.removeprefix("https://spdx.org/licenses/")


def licence_text(case: Case) -> str:
    """Read the text of the licence, in the project and in the bundle."""
    places = [case.root / TEXT]
    if case.project.bundle.is_dir():
        places.append(case.bundle / TEXT)
    licence = case.project.licenses.code
    for path in places:
        shown = path.relative_to(case.root).as_posix()
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if len(text) < _SHORTEST:
            raise Failure(
                f"{shown} holds no text of a licence", f"put the text of {licence} into {TEXT}, then `export`"
            )
        if _WORDS.get(licence, "") not in text:
            raise Failure(
                f"{shown} isn't the text of {licence}", f"put the text of {licence} into {TEXT}, then `export`"
            )
    verb = "holds" if len(places) == 1 else "hold"
    return f"{' and '.join(path.relative_to(case.root).as_posix() for path in places)} {verb} the text of {licence}"
