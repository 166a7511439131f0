"""Our own terms for explanations: FAIR4ML describes models and has no word for why one answers so.

The namespace follows RO-Crate's rule for ad hoc terms (``https://w3id.org/ro/terms/<name>#``). It isn't registered
there yet, so the address leads nowhere: every bundle carries the definitions in ``terms.jsonld``.
"""

from __future__ import annotations

from typing import Any

__all__ = ["NAMESPACE", "PREFIX", "vocabulary"]

NAMESPACE = "https://w3id.org/ro/terms/fair-hep#"
PREFIX = "hep"

_MODEL = "fair4ml:MLModel"
_EXPLANATION = f"{PREFIX}:Explanation"
#: Name: what it means, what has it, what it holds.
_PROPERTIES: dict[str, tuple[str, str, str]] = {
    "explainedBy": ("How the answers of the model are explained.", _MODEL, _EXPLANATION),
    "trainedElsewhere": (
        "What is known of the training, where the weights were trained elsewhere and imported.", _MODEL, "schema:Text"
    ),
    "relevanceMethod": ("The method that shares an answer out among the inputs.", _EXPLANATION, "schema:Text"),
    "relevanceRules": ("The composite of propagation rules, by its name in the code.", _EXPLANATION, "schema:Text"),
    "biasTreatment": ("What becomes of the relevance that biases take.", _EXPLANATION, "schema:Text"),
    "stabiliser": ("The small number epsilon that keeps denominators away from zero.", _EXPLANATION, "schema:Number"),
    "explainedTarget": (
        "The weight of every raw output in the combination that is explained by default.",
        _EXPLANATION,
        "schema:Number",
    ),
    "relevanceOf": ("The features that carry relevance, in order.", _EXPLANATION, "schema:Text"),
    "explainedGraph": ("The file that computes answers and relevances.", _EXPLANATION, "schema:MediaObject"),
    "conservationError": (
        "The largest difference found between what is explained and the sum of all relevances and of what biases, "
        "stabiliser and empty denominators took, relative to the size of both.",
        _EXPLANATION,
        "schema:Number",
    ),
    "relevanceTolerance": (
        "The largest difference, as a fraction of an example's largest relevance, within which the stored relevances "
        "must be reproduced.",
        _EXPLANATION,
        "schema:Number",
    ),
}  # fmt: skip


def vocabulary() -> dict[str, Any]:
    """Return the vocabulary as JSON-LD: one class, and its properties with domain and range."""
    return {
        "@context": {
            "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
            "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
            "schema": "http://schema.org/",
            "fair4ml": "https://w3id.org/fair4ml#",
            PREFIX: NAMESPACE,
        },
        "@graph": [
            {
                "@id": _EXPLANATION,
                "@type": "rdfs:Class",
                "rdfs:label": "Explanation",
                "rdfs:comment": "How a model's answers are explained: method, rules, and how well the account closes.",
                "rdfs:subClassOf": {"@id": "schema:CreativeWork"},
            },
            *(_property(name, *said) for name, said in _PROPERTIES.items()),
        ],
    }


def _property(name: str, comment: str, domain: str, values: str) -> dict[str, Any]:
    return {
        "@id": f"{PREFIX}:{name}",
        "@type": "rdf:Property",
        "rdfs:label": name,
        "rdfs:comment": comment,
        "schema:domainIncludes": {"@id": domain},
        "schema:rangeIncludes": {"@id": values},
    }
