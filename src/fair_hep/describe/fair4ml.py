"""``fair4ml.json``: the model in the terms of FAIR4ML 0.1.0 (doi:10.5281/zenodo.14002310), explanations in our own."""

from __future__ import annotations

from typing import Any

from .. import bundle
from ..provenance.about import About
from .facts import Facts, Split
from .people import authors, doi_url, known, person, spdx_url
from .terms import NAMESPACE, PREFIX

__all__ = ["fair4ml"]

#: All terms are spelled out here, so that the file means the same offline.
CONTEXT: dict[str, Any] = {
    "schema": "http://schema.org/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "fair4ml": "https://w3id.org/fair4ml#",
    "codemeta": "https://w3id.org/codemeta/",
    PREFIX: NAMESPACE,
    **{
        term: f"schema:{term}"
        for term in (
            "CreativeWork", "DataDownload", "Dataset", "MediaObject", "Organization", "Person", "PropertyValue",
            "ScholarlyArticle", "SoftwareSourceCode", "author", "codeRepository", "description", "distribution",
            "email", "familyName", "givenName", "isBasedOn", "keywords", "name", "programmingLanguage", "sha256",
            "size", "subjectOf", "value", "version",
        )
    },
    **{term: {"@id": f"schema:{term}", "@type": "@id"} for term in ("contentUrl", "identifier", "license")},
    "dateCreated": {"@id": "schema:dateCreated", "@type": "xsd:date"},
    f"{PREFIX}:explainedTarget": {"@container": "@list"},
    f"{PREFIX}:relevanceOf": {"@container": "@list"},
}  # fmt: skip
MODEL_ID = "#model"
_FILES = (bundle.MODEL, bundle.EXPLAINED, bundle.WEIGHTS)


def fair4ml(facts: Facts) -> dict[str, Any]:
    """Return the description of the model: what it is, what it learned from, how good it is, how it is explained."""
    project, signature = facts.project, facts.signature
    trained, validated, tested = (_dataset(facts, name) for name in ("train", "val", "test"))
    return known({
        "@context": CONTEXT,
        "@id": doi_url(project.doi) or MODEL_ID,
        "@type": "fair4ml:MLModel",
        "name": project.title,
        "description": project.description,
        "version": project.version,
        "identifier": doi_url(project.doi),
        "author": [person(author) for author in authors(project)],
        "license": spdx_url(project.licenses.weights),
        "dateCreated": facts.made,
        "keywords": facts.keywords,
        "fair4ml:mlTask": _task(signature),
        "fair4ml:modelCategory": [signature.title, *(["supervised"] if signature.trainable else [])],
        "fair4ml:modelRisksBiasLimitations": list(facts.limits),
        "fair4ml:usageInstructions": "See README.md; inputs and outputs are described in signature.json.",
        "fair4ml:codeSampleSnippet": 'from fair_hep import load; load(".").predict(examples)',
        "fair4ml:trainedOn": trained if facts.elsewhere is None else _elsewhere(facts.elsewhere),
        "fair4ml:validatedOn": validated if facts.elsewhere is None else None,
        "fair4ml:testedOn": tested,
        "fair4ml:hasEvaluation": _evaluation(facts),
        "codemeta:referencePublication": _publication(facts),
        "isBasedOn": _code(facts),
        "distribution": [_file(name) for name in _FILES if (facts.folder / name).is_file()],
        f"{PREFIX}:trainedElsewhere": facts.elsewhere.sentence() if facts.elsewhere else None,
        f"{PREFIX}:explainedBy": _explanation(facts),
    })  # fmt: skip


def _task(signature: bundle.Signature) -> str | None:
    """Name the task, if there are probabilities of classes; else the signature's own words say it."""
    classes = [tensor for tensor in signature.outputs if not tensor.raw]
    if not classes:
        return signature.summary
    of = signature.inputs[0].set_axis if classes[0].set_axis else signature.inputs[0].axes[0]
    return f"classification of {of}: {', '.join(classes[0].columns)}"


def _dataset(facts: Facts, name: str) -> dict[str, Any] | None:
    split = next((split for split in facts.data.splits if split.name == name), None)
    if split is None:
        return None
    return known({
        "@id": f"#data-{name}",
        "@type": "Dataset",
        "name": f"{facts.data.title}: {name}",
        "license": spdx_url(facts.data.license),
        "identifier": doi_url(facts.data.doi),
        "size": _size(facts, split),
        "distribution": [
            {"@type": "DataDownload", "name": file.name.rpartition("/")[2], "sha256": file.sha256}
            for file in split.files
        ],
        "subjectOf": {"@id": "croissant.json"},
    })  # fmt: skip


def _elsewhere(about: About) -> dict[str, Any] | None:
    """Return the data set of a training elsewhere, as far as it is known; its files aren't."""
    if not (about.dataset or about.dataset_doi):
        return None
    return known({
        "@id": "#data-elsewhere", "@type": "Dataset", "name": about.dataset, "identifier": doi_url(about.dataset_doi),
    })  # fmt: skip


def _size(facts: Facts, split: Split) -> str | None:
    return f"{split.examples} {facts.signature.inputs[0].axes[0]}" if split.examples else None


def _evaluation(facts: Facts) -> dict[str, Any] | None:
    """Return what the evaluation measured; errors of metrics stand beside them under their own names."""
    measured = facts.metrics.get("metrics", {})
    if not measured:
        return None
    values = [{"@type": "PropertyValue", "name": name, "value": value} for name, value in sorted(measured.items())]
    return known({
        "@id": "#evaluation",
        "@type": "fair4ml:MLModelEvaluation",
        "name": "Evaluation on the test split",
        "fair4ml:evaluatedMLModel": {"@id": doi_url(facts.project.doi) or MODEL_ID},
        "fair4ml:evaluationDataset": {"@id": "#data-test"},
        "fair4ml:evaluationMetrics": list(facts.metrics.get("headline", [])),
        "fair4ml:evaluationResults": values,
        "fair4ml:evaluationSoftware": {"@id": "#code"},
        "fair4ml:extrinsicEvaluation": False,
    })  # fmt: skip


def _publication(facts: Facts) -> dict[str, Any] | None:
    citation = facts.citation
    if not citation.get("doi"):
        return None
    return known({
        "@id": doi_url(citation["doi"]), "@type": "ScholarlyArticle", "name": citation.get("title"),
        "author": citation.get("authors"),
    })  # fmt: skip


def _code(facts: Facts) -> dict[str, Any]:
    project = facts.project
    return known({
        "@id": "#code",
        "@type": "SoftwareSourceCode",
        "name": project.slug,
        "version": facts.commit or project.version,
        "license": spdx_url(project.licenses.code),
        "codeRepository": project.repository,
        "programmingLanguage": "Python",
    })  # fmt: skip


def _explanation(facts: Facts) -> dict[str, Any] | None:
    """Describe the explanations: what the explained graph computes, and what the study of them measured."""
    explained = facts.signature.explained
    if explained is None:
        return None
    how, study = explained.how, facts.metrics.get("explanation", {})
    return known({
        "@id": "#explanation",
        "@type": f"{PREFIX}:Explanation",
        "name": f"Layer-wise relevance propagation, {how.composite}",
        f"{PREFIX}:relevanceMethod": "layer-wise relevance propagation",
        f"{PREFIX}:relevanceRules": how.composite,
        f"{PREFIX}:biasTreatment": how.bias,
        f"{PREFIX}:stabiliser": how.epsilon,
        f"{PREFIX}:explainedTarget": how.target,
        f"{PREFIX}:relevanceOf": facts.signature.relevant.columns,
        f"{PREFIX}:explainedGraph": _file(bundle.EXPLAINED),
        f"{PREFIX}:relevanceTolerance": how.tolerance,
        f"{PREFIX}:conservationError": study.get("ledger", {}).get("largest_error"),
    })  # fmt: skip


def _file(name: str) -> dict[str, Any]:
    return {"@type": "MediaObject", "name": name, "contentUrl": name}
