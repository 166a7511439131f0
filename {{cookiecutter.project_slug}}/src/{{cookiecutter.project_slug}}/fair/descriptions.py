"""What describes the model to machines, given to the validators that others wrote."""

from __future__ import annotations

from .documents import CITATION, CODEMETA, described
from .evidence import Case, Failure
from .programs import program, said
from .shapes import violations

__all__ = ["citation", "codemeta"]


def citation(case: Case) -> str:
    """Give every CITATION.cff to cffconvert, which validates it against the schema of version 1.2.0."""
    places = described(case, CITATION)
    for path in places:
        done = program("cffconvert", ["--validate", "--infile", path.name], path.parent)
        if done.returncode:
            raise Failure(
                f"cffconvert refuses {path.relative_to(case.root)}: {said(done)}",
                "mend CITATION.cff (`cffconvert --validate` says more), then `export` again",
            )
    return f"cffconvert accepts {' and '.join(path.relative_to(case.root).as_posix() for path in places)}"


def codemeta(case: Case) -> str:
    """Validate every codemeta.json as JSON-LD, with our copy of the context, against shapes (SHACL)."""
    places = described(case, CODEMETA)
    for path in places:
        wrong = violations(path, "codemeta")
        if wrong:
            raise Failure(
                f"{path.relative_to(case.root)}: {'; '.join(wrong)}",
                f"run `publish`, and copy dist/{CODEMETA} into the project",
            )
    return f"pyshacl accepts {' and '.join(path.relative_to(case.root).as_posix() for path in places)}"
