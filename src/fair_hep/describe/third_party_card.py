"""The card of a third-party graph: what it says of itself, what was told of it, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import bundle
from ..pages.document import Code, Items, Paragraph, Section, Table
from ..provenance.about import About
from ..provenance.project import Project
from .facts import Facts
from .people import authors
from .snippet import ways_to_run

__all__ = ["missing", "third_party_sections"]


def missing(metrics: bool) -> tuple[str, ...]:
    """Return what a bundle of a third-party graph lacks, in sentences.

    Parameters
    ----------
    metrics
        Whether somebody told figures.
    """
    figures = "No evaluation by this project: the figures were told, and nobody checked them here."
    return (
        "No explanation: relevances need the modules of the network, and here is only its graph.",
        "No weights apart from the graph, and no source: nobody can train it further or build it anew from here.",
        figures if metrics else "No evaluation: how good the answers are isn't known.",
        "No record of its training: what is known of it was told, and nobody checked it.",
    )


def third_party_sections(facts: Facts) -> list[Section]:
    """Return the sections of the card; it has those of every card, and says where nothing is known."""
    metrics, about = facts.metrics, facts.stated
    nothing = (Paragraph("Nothing is known of this."),)
    return [
        Section("What is missing", (Items(missing(bool(metrics["metrics"]))),)),
        Section("Model details", (_details(facts),)),
        Section("Intended use", _use(facts), ways_to_run(facts)),
        Section("Factors", nothing),
        Section("Metrics", _metrics(metrics)),
        Section(
            "Evaluation data", (Paragraph(f"Figures are of: {metrics['source']}."),) if metrics["metrics"] else nothing
        ),
        Section("Training data", _training(about)),
        Section("Quantitative analyses", (Items(tuple(metrics["headline"])), *_checked(facts.folder))),
        Section("Ethical considerations", nothing),
        Section("Caveats and recommendations", (Items((*about["limits"], *_CAVEATS)),)),
        Section("How to reproduce", (Paragraph(_AGAIN), Code(_again(facts.project), "bash"))),
        Section("How to cite", (Items(_cite(facts.project, about)),)),
    ]


_CAVEATS = (
    "Before using it on data of your own, measure it there.",
    "Inputs aren't padded: examples of different lengths are scored apart.",
)
_AGAIN = "The training can't be repeated from here. The bundle can, from the graph and the stored inputs:"


def _details(facts: Facts) -> Items:
    project, signature, made = facts.project, facts.signature, facts.bundled
    file = made["graph"]
    rows = {
        "Version": f"{project.version}, of {facts.made}",
        "Network": f"{signature.title}, an ONNX model of others (opset {signature.opset}), published as it is",
        "File": f"{file} (SHA-256 `{made['inputs'][file]}`)",
        "Published by": "; ".join(author.name for author in authors(project)),
        "Licences": f"graph {project.licenses.weights}, the project's code {project.licenses.code}",
        "Licence under which the graph came": facts.stated.get("license", bundle.UNKNOWN),
        "Questions": f"<{project.repository}/issues>" if project.repository else None,
    }
    return Items(tuple(f"{name}: {value}" for name, value in rows.items() if value))


def _use(facts: Facts) -> tuple[Any, ...]:
    signature, rows = facts.signature, []
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for s in specs:
            shape = ", ".join(axis if axis in s.dynamic else f"{axis} = {s.sizes[axis]}" for axis in s.axes)
            rows.append((f"`{s.name}`", kind, f"[{shape}]", s.dtype, s.unit, ", ".join(s.columns), s.meaning))
    what = (
        f"What it is for isn't known ({bundle.UNKNOWN})." if signature.summary == bundle.UNKNOWN else signature.summary
    )
    return (
        Paragraph(what),
        Table(
            "Inputs and outputs of the graph",
            ("name", "kind", "shape", "type", "unit", "columns", "meaning"),
            tuple(rows),
        ),
    )


def _metrics(metrics: Mapping[str, Any]) -> tuple[Any, ...]:
    if not metrics["metrics"]:
        return (Paragraph("Nothing was measured."),)
    rows = tuple((f"`{name}`", f"{value:g}") for name, value in metrics["metrics"].items())
    return (
        Paragraph("Told by whoever published it; not measured here, and without errors."),
        Table("Figures that were told", ("metric", "value"), rows),
    )


def _training(about: Mapping[str, Any]) -> tuple[Any, ...]:
    known = About.model_validate(about.get("training") or {}).in_words()
    if not known:
        return (Paragraph("Nothing is known of the training: not by whom, on what, or how long."),)
    return (
        Paragraph("What is known of the training was told, and wasn't checked:"),
        Items(tuple(f"{name}: {value}" for name, value in known.items())),
    )


def _checked(folder: Path) -> tuple[Any, ...]:
    examples = bundle.read_examples(folder)
    count = len(examples.near_ties)
    doubtful = f", but for {count} that hang on rounding" if count else ""
    return (
        Paragraph(
            f"`examples/` holds {examples.count} inputs with the answers of ONNX Runtime: twice the same, and for each "
            f"example alone as among others{doubtful}. A correct runtime "
            f"reproduces them within {examples.tolerance:g}; `verify` tries it, and compares all checksums."
        ),
    )


def _again(project: Project) -> str:
    return f"{project.slug} bundle --onnx bundle/{bundle.MODEL} --examples bundle/examples/inputs.npz --output again"


def _cite(project: Project, about: Mapping[str, Any]) -> tuple[str, ...]:
    lines = ["this publication: see `CITATION.cff`" + (f", doi:{project.doi}" if project.doi else "")]
    if doi := about.get("doi"):
        lines.append(f"the work of its authors: [doi:{doi}](https://doi.org/{doi})")
    if doi := (about.get("training") or {}).get("dataset_doi"):
        lines.append(f"the data set that it learned from: [doi:{doi}](https://doi.org/{doi})")
    return tuple(lines)
