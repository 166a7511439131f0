"""What describes the model to machines, given to the validators that others wrote."""

from __future__ import annotations

import re

from ..bundle.text import parse_yaml
from .documents import CITATION, CODEMETA, described, in_bundle, read_object
from .evidence import Case, Failure
from .programs import asked, needs, said
from .shapes import violations

__all__ = ["card", "citation", "codemeta", "croissant", "datacite", "fair4ml"]

#: The terms of FAIR4ML 0.1.0 (doi:10.5281/zenodo.14002310).
_FAIR4ML = frozenset((
    "MLModel", "MLModelEvaluation", "codeSampleSnippet", "ethicalSocial", "evaluatedMLModel", "evaluatedOn",
    "evaluationDataset", "evaluationMetrics", "evaluationResults", "evaluationSoftware", "extrinsicEvaluation",
    "fineTunedFrom", "hasCO2eEmissions", "hasEvaluation", "intendedUse", "legal", "mlTask", "modelCategory",
    "modelRisksBiasLimitations", "sharedBy", "testedOn", "trainedOn", "usageInstructions", "validatedOn",
))  # fmt: skip
#: The sections of a model card (Mitchell et al., doi:10.1145/3287560.3287596).
_SECTIONS = (
    "model details", "intended use", "factors", "metrics", "evaluation data", "training data", "quantitative analyses",
    "ethical considerations", "caveats and recommendations",
)  # fmt: skip
_AGAIN = "run `export` again"


def citation(case: Case) -> str:
    """Give every CITATION.cff to cffconvert, which validates it against the schema of version 1.2.0."""
    places = described(case, CITATION)
    for path in places:
        done, _ = asked("cffconvert", ["--validate", "--infile", path.name], path.parent, path.read_bytes())
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


def datacite(case: Case) -> str:
    """Validate datacite.json against DataCite's schema 4.5."""
    values = read_object(in_bundle(case, "datacite.json"))
    needs("datacite", "datacite")
    from datacite import schema45

    errors = list(schema45.validator.iter_errors(values))
    wrong = [f"{'.'.join(map(str, error.path)) or 'it'}: {error.message}" for error in errors]
    if wrong:
        raise Failure(f"bundle/datacite.json: {'; '.join(wrong[:3])}", _AGAIN)
    rights = [entry.get("rightsIdentifier") for entry in values.get("rightsList", [])]
    if case.project.licenses.weights not in rights:
        raise Failure(
            f"bundle/datacite.json gives the rights {rights}, expected {case.project.licenses.weights}", _AGAIN
        )
    return f"schema 4.5 of DataCite accepts bundle/datacite.json; rights: {', '.join(map(str, rights))}"


def croissant(case: Case) -> str:
    """Give croissant.json to mlcroissant, and look for the checksums of the data that were used."""
    path = in_bundle(case, "croissant.json")
    done, _ = asked("mlcroissant", ["validate", "--jsonld", path.name], path.parent, path.read_bytes())
    if done.returncode:
        raise Failure(f"mlcroissant refuses bundle/croissant.json: {said(done)}", _AGAIN)
    files = {str(entry.get("sha256")) for entry in read_object(path).get("distribution", [])}
    used = dict(read_object(in_bundle(case, "metrics.json")).get("test_set") or {}).get("files") or {}
    missing = [name for name, checksum in used.items() if checksum not in files]
    if missing:
        raise Failure(f"bundle/croissant.json doesn't describe {', '.join(missing)}", _AGAIN)
    return f"mlcroissant accepts bundle/croissant.json; the files of the test set are among its {len(files)} checksums"


def fair4ml(case: Case) -> str:
    """Validate fair4ml.json against shapes (SHACL), and look its terms up in FAIR4ML 0.1.0."""
    path = in_bundle(case, "fair4ml.json")
    wrong = violations(path, "fair4ml")
    used = set(re.findall(r'"fair4ml:(\w+)"', path.read_text(encoding="utf-8")))
    wrong += [f"fair4ml:{term} is no term of FAIR4ML 0.1.0" for term in sorted(used - _FAIR4ML)]
    if wrong:
        raise Failure(f"bundle/fair4ml.json: {'; '.join(wrong)}", _AGAIN)
    return f"pyshacl accepts bundle/fair4ml.json, which uses {len(used)} terms of FAIR4ML 0.1.0"


def card(case: Case) -> str:
    """Read the head of the model card as the Hugging Face Hub does, and look for what a card must tell."""
    parts = in_bundle(case, "README.md").read_text(encoding="utf-8").split("---\n", 2)
    try:
        head = parse_yaml(parts[1]) if len(parts) == 3 and not parts[0] else None
    except ValueError as error:
        raise Failure("bundle/README.md: its head isn't YAML", _AGAIN) from error
    if not isinstance(head, dict) or not all(head.get(key) for key in ("license", "library_name", "tags")):
        raise Failure("bundle/README.md has no head with license, library_name and tags", _AGAIN)
    if str(head["license"]) != case.project.licenses.weights.lower():
        raise Failure(f"bundle/README.md has the license {head['license']}, not that of the weights", _AGAIN)
    headings = {line.lstrip("# ").strip().lower() for line in parts[2].splitlines() if line.startswith("##")}
    missing = [section for section in _SECTIONS if section not in headings]
    if missing:
        raise Failure(f"bundle/README.md has no section on: {', '.join(missing)}", _AGAIN)
    tags = len(head["tags"])
    return f"the card has a head (license {head['license']}, {tags} tags) and the {len(_SECTIONS)} sections of a card"
