"""The model card: what a stranger must know about a bundle, in one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .bundle import MODEL, SUMS, WEIGHTS, Examples, Signature, Tensor
from .metadata import authors, front_matter
from .project import Project

__all__ = ["write_card"]


def write_card(
    project: Project,
    *,
    signature: Signature,
    examples: Examples,
    metrics: Mapping[str, Any],
    parity: Sequence[Mapping[str, Any]],
    citation: Mapping[str, str],
    limits: Sequence[str],
) -> str:
    """Return the card as Markdown with a YAML head.

    Parameters
    ----------
    project, signature, examples
        What the model is.
    metrics
        What the evaluation and the explanation found, as in ``metrics.json``.
    parity
        How ONNX Runtime compared with PyTorch, as in ``parity.json``.
    citation
        The publication of the network's architecture.
    limits
        What the model itself warns of.
    """
    tags = ["high-energy-physics", signature.model, "explainable"]
    sections = [
        f"# {project.title}\n\n{project.description}\n\n{_identity(project, signature, citation)}",
        f"## Use it\n\n{_use(project)}",
        f"## Inputs and outputs\n\n{_tensors(signature)}",
        f"## Figures reached\n\n{_figures(metrics)}",
        f"## How it was checked\n\n{_checked(examples, parity)}",
        f"## Limits\n\n{_limits(metrics, limits)}",
        f"## Files\n\n{_files()}",
        f"## Cite\n\n{_cite(project, citation)}",
    ]
    return front_matter(project, tags) + "\n" + "\n\n".join(sections) + "\n"


def _identity(project: Project, signature: Signature, citation: Mapping[str, str]) -> str:
    rows = [
        ("Version", project.version),
        ("DOI", project.doi),
        (
            "Network",
            f"{signature.title} ({', '.join(f'{key}={value}' for key, value in signature.hyperparameters.items())})",
        ),
        ("Architecture", f"{citation['authors']}, {citation['title']}, doi:{citation['doi']}"),
        ("Authors", "; ".join(author.name for author in authors(project))),
        ("Data set", f"doi:{project.dataset.doi}" if project.dataset.doi else None),
        ("Licences", _licences(project)),
    ]
    return "\n".join(f"- {name}: {value}" for name, value in rows if value)


def _licences(project: Project) -> str:
    licences = project.licenses
    known = {"code": licences.code, "weights": licences.weights, "data": licences.data}
    return ", ".join(f"{what} {licence}" for what, licence in known.items() if licence)


def _use(project: Project) -> str:
    return (
        "With the project's package, which needs numpy and ONNX Runtime but no training framework:\n\n"
        "```python\n"
        f"from {project.slug}.runtime import load\n\n"
        'model = load("bundle")\n'
        "outputs = model.predict(examples)  # arrays of different lengths, or one padded array\n"
        "```\n\n"
        f"Any ONNX Runtime reads `{MODEL}` as well: it takes raw values, features and graph are made inside."
    )


def _tensors(signature: Signature) -> str:
    rows = ["| | name | shape | unit | columns | meaning |", "|---|---|---|---|---|---|"]
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        rows += [
            f"| {kind} | `{s.name}` | {_shape(s)} | {s.unit} | {', '.join(s.columns)} | {s.meaning} |" for s in specs
        ]
    return "\n".join(rows)


def _shape(spec: Tensor) -> str:
    return "[" + ", ".join(axis if axis in spec.dynamic else str(spec.sizes[axis]) for axis in spec.axes) + "]"


def _figures(metrics: Mapping[str, Any]) -> str:
    lines = [f"- {line}" for line in (*metrics["headline"], *metrics.get("explanation", {}).get("headline", []))]
    tests = f"On {metrics['test_set']['examples']} test examples; data source: {metrics['source']}."
    return "\n".join([tests, "", *lines, "", "All numbers are in `metrics.json`, the pictures in `figures/`."])


def _checked(examples: Examples, parity: Sequence[Mapping[str, Any]]) -> str:
    flipped = sum(int(row["flipped"]) for row in parity)
    largest = max(float(row["largest"]) for row in parity)
    return (
        f"ONNX Runtime and PyTorch agree within {largest:.1g} at {len(parity)} shapes (`parity.json`); "
        f"{flipped} of {sum(int(row['answers']) for row in parity)} answers hang on another choice of two neighbours "
        "that are equally near, and were left out of this figure.\n\n"
        f"`examples/` holds {examples.count} inputs with their outputs. A correct runtime reproduces them within "
        f"{examples.tolerance:g}; {len(examples.near_ties)} answers hang on a near-tie and may differ by more "
        "elsewhere. The command `verify` tries it, and compares every file with its checksum."
    )


def _limits(metrics: Mapping[str, Any], limits: Sequence[str]) -> str:
    lines = [
        *(f"- {limit}" for limit in limits),
        f"- The figures hold for data like those it was tested on (source: {metrics['source']}), and for nothing else.",
        "- Values in other units, or other selections and detectors, give numbers without meaning.",
    ]
    if metrics["source"] != "doi":
        lines.append("- It wasn't trained on the published data set: don't compare these figures with published ones.")
    return "\n".join(lines)


def _files() -> str:
    return (
        f"- `{MODEL}`: the network for ONNX Runtime; `{WEIGHTS}`: its weights\n"
        "- `signature.json`: names, axes, units and meaning of inputs and outputs\n"
        "- `examples/`: stored inputs and answers, with tolerances\n"
        "- `metrics.json`, `parity.json`, `figures/`: what was measured\n"
        "- `provenance.json`, `provenance/`: what made it\n"
        f"- `{SUMS}`: checksum of every file (`sha256sum --check {SUMS}`)"
    )


def _cite(project: Project, citation: Mapping[str, str]) -> str:
    lines = ["- this model: see `CITATION.cff`" + (f", doi:{project.doi}" if project.doi else "")]
    lines.append(f"- the architecture: doi:{citation['doi']}")
    if project.dataset.doi:
        lines.append(f"- the data set: doi:{project.dataset.doi}")
    return "\n".join(lines)
