"""What a bundle holds, in the words of its own files: for whoever wants to know before using it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .domain import Trained
from .files import read_json
from .signature import UNEXPLAINED, TensorSpec, read_signature
from .strict import load_yaml

__all__ = ["lines", "summary"]


def summary(folder: Path) -> dict[str, Any]:
    """Return what a model is: its task, inputs and outputs with units, its limits, rules, licences and DOI.

    What the bundle doesn't tell is None or empty.

    Raises
    ------
    MissingStepError
        If there is no bundle.
    BundleError, ConfigError
        If its files can't be read.
    """
    signature = read_signature(folder)
    project = load_yaml(folder / "project.yaml")
    return {
        "title": project.get("title"),
        "description": project.get("description"),
        "version": signature.version,
        "doi": project.get("doi"),
        "authors": _names(project.get("authors")),
        "licenses": _mapping(project.get("licenses")),
        "network": signature.title,
        "task": signature.summary,
        "inputs": [spec.model_dump(mode="json") for spec in signature.inputs],
        "outputs": [spec.model_dump(mode="json") for spec in signature.outputs],
        "features": signature.features.model_dump(mode="json") if signature.features else None,
        "rules": signature.explained.how.model_dump(mode="json") if signature.explained else None,
        "limits": list(_limits(folder)),
        "domain": [known.model_dump(mode="json") for known in signature.domain],
    }


def _limits(folder: Path) -> list[str]:
    """Return what the authors warn of: in the terms of FAIR4ML, or as it was told of a third-party graph."""
    described, made = _json(folder / "fair4ml.json"), _json(folder / "provenance.json")
    found = described.get("fair4ml:modelRisksBiasLimitations") or _mapping(made.get("about")).get("limits") or []
    return [str(line) for line in found] if isinstance(found, list) else [str(found)]


def _json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    values = read_json(path)
    return _mapping(values)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(authors: Any) -> list[str]:
    listed = authors if isinstance(authors, list) else []
    return [str(author["name"]) for author in listed if _mapping(author).get("name")]


def lines(told: Mapping[str, Any]) -> list[str]:
    """Return what `summary` found as lines for a human."""
    return list(_lines(told))


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"{told['title'] or told['network']} {told['version']}: {told['network']}"
    yield told["task"]
    for kind in ("input", "output"):
        for values in told[f"{kind}s"]:
            yield f"{kind} {_tensor(TensorSpec.model_validate(values))}"
    rules = told["rules"]
    if rules:
        features = ", ".join(told["features"]["columns"])
        yield (
            f"explains by layer-wise relevance propagation: rules {rules['composite']}, biases {rules['bias']}, "
            f"stabiliser {rules['epsilon']:g}; relevance of {features}"
        )
    elif told["features"] is None:
        yield f"explains nothing: {UNEXPLAINED}"
    else:
        yield "explains nothing: it was published without an explained graph"
    yield from (f"limit: {line}" for line in told["limits"])
    for known in told["domain"]:
        yield f"trained on {known['title']} {Trained.model_validate(known).range_text()}"
    if told["authors"]:
        yield f"authors: {'; '.join(told['authors'])}"
    yield from (f"licence of the {what}: {licence}" for what, licence in told["licenses"].items() if licence)
    yield f"DOI: {told['doi']}" if told["doi"] else "DOI: none yet"


def _tensor(spec: TensorSpec) -> str:
    shape = ", ".join(axis if axis in spec.dynamic else f"{axis} {spec.sizes[axis]}" for axis in spec.axes)
    columns = f": {', '.join(f'{name} ({spec.unit_of(name)})' for name in spec.columns)}" if spec.columns else ""
    unit = "" if spec.columns else f", unit {spec.unit}"
    ends = f", from {_end(spec.range[0])} to {_end(spec.range[1])}" if spec.range != (None, None) else ""
    most = "".join(f", at most {most} {axis}" for axis, most in spec.limits.items())
    return f"{spec.name} [{shape}] {spec.dtype}{columns}{unit}{ends}{most}; {spec.meaning}"


def _end(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
