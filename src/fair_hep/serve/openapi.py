"""What the server's addresses take and give, as a document of OpenAPI 3.1 written from the signature.

OpenAPI Specification 3.1.1, https://spec.openapis.org/oas/v3.1.1.html; its schemas are JSON Schema 2020-12.
"""

from __future__ import annotations

from typing import Any

from ..bundle.signature import Signature, TensorSpec
from .limits import Limits

__all__ = ["document"]

#: From here on a number isn't finite in single precision: half a step above its largest one.
_LARGEST = (2 - 2.0**-24) * 2.0**127
_JSON, _TEXT = "application/json", "text/plain"
_ERRORS = {
    400: "The request is wrong: one line says what and where.",
    401: "The server asks for a token.",
    404: "There is nothing of that name.",
    408: "The body came too slowly.",
    413: "The request, or its answer, is larger than the limits.",
    500: "The server failed; its log says how.",
    503: "The server is busy, or not ready: try again after the seconds of Retry-After.",
}


def document(signature: Signature, limits: Limits, *, token: bool) -> dict[str, Any]:
    """Return the document.

    Parameters
    ----------
    signature
        Of the model that is served.
    limits
        What a request may take.
    token
        Whether a token is asked for.
    """
    secured: dict[str, Any] = {"security": [{"token": []}]} if token else {}
    return {
        "openapi": "3.1.0",
        "info": {"title": signature.title, "version": signature.version, "description": signature.summary},
        "paths": {
            "/": {"get": _get("A page for people", "text/html")},
            "/invocations": {"post": {**_invocations(signature, limits, token=token), **secured}},
            "/version": {"get": {**_get("What is served", _JSON, schema="Version", token=token), **secured}},
            "/metrics": {"get": {**_get("Numbers for Prometheus", _TEXT, token=token), **secured}},
            "/ping": {"get": _get("Whether the server lives", _TEXT)},
            "/health": {"get": _get("Whether the server lives", _TEXT)},
            "/health/live": {"get": _get("Whether the server lives", _TEXT)},
            "/health/ready": {"get": _get("Whether the next request would be answered", _TEXT, 503)},
            "/card": {"get": _get("The model's card", "text/markdown", 404)},
            "/openapi.json": {"get": _get("This document", _JSON, schema="Anything")},
        },
        "components": {
            "schemas": {
                "Example": _example(signature),
                "Prediction": _prediction(signature),
                "Version": _object({name: {"type": "string"} for name in ("model", "title", "version")}),
                "Error": _object({"error_code": {"type": "string"}, "message": {"type": "string"}}),
                "Anything": {"type": "object"},
            },
            **({"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if token else {}),
        },
    }  # fmt: skip


def _invocations(signature: Signature, limits: Limits, *, token: bool) -> dict[str, Any]:
    """Describe the address that answers."""
    parameters = {
        "explain": {"type": "boolean", "default": False, "description": "relevances too"},
        "top": {"type": "integer", "minimum": 0, "default": 0, "description": "of how many elements (0: all)"},
        "edges": {"type": "boolean", "default": False, "description": "also what belongs to the edges of these"},
    }
    inputs = {"type": "array", "minItems": 1, "maxItems": limits.examples, "items": _ref("Example")}
    request = _object({"inputs": inputs, "params": _object(parameters, required=())}, required=("inputs",))
    answer = _object({"predictions": {"type": "array", "items": _ref("Prediction")}})
    return {
        "operationId": "invocations",
        "summary": "Scores of examples, and why, in MLflow's scoring protocol",
        "requestBody": {"required": True, "content": {_JSON: {"schema": request}}},
        "responses": {
            "200": {"description": "An answer for each example.", "content": {_JSON: {"schema": answer}}},
            **_errors(400, *((401,) if token else ()), 408, 413, 500, 503),
        },
    }


def _get(summary: str, kind: str, *errors: int, schema: str = "", token: bool = False) -> dict[str, Any]:
    """Describe an address that is only asked, and the media type of its answer."""
    found: dict[str, Any] = _ref(schema) if schema else {"type": "string"}
    return {
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": {kind: {"schema": found}}},
            **_errors(*errors, *((401,) if token else ())),
        },
    }


def _errors(*statuses: int) -> dict[str, Any]:
    content = {_JSON: {"schema": _ref("Error")}}
    return {str(status): {"description": _ERRORS[status], "content": content} for status in statuses}


def _example(signature: Signature) -> dict[str, Any]:
    """Describe one example: values by the names of the inputs, or the bare ones where there is one input."""
    named = _object({spec.name: _values(spec) for spec in signature.inputs})
    return {"anyOf": [named, _values(signature.inputs[0])]} if len(signature.inputs) == 1 else named


def _values(spec: TensorSpec) -> dict[str, Any]:
    """Describe the values of one example: nested lists along the axes behind the first."""
    whole = spec.dtype.startswith(("int", "uint"))
    found: dict[str, Any] = (
        {"type": "integer"}
        if whole
        else {"type": "number", "exclusiveMinimum": -_LARGEST, "exclusiveMaximum": _LARGEST}
    )
    for axis in reversed(spec.axes[1:]):
        size = spec.sizes.get(axis)
        found = {"type": "array", "items": found}
        if size is not None:
            found |= {"minItems": size, "maxItems": size}
        elif axis in spec.limits:
            found["maxItems"] = spec.limits[axis]
    columns = f": {', '.join(f'{name} ({spec.unit_of(name)})' for name in spec.columns)}" if spec.columns else ""
    return {**found, "description": f"{spec.meaning}{columns}"}


def _prediction(signature: Signature) -> dict[str, Any]:
    """Describe the answer to one example; what only an explained one has isn't required."""
    outputs = {spec.name: _values(spec) for spec in signature.outputs}
    more: dict[str, Any] = {"outside": {"type": "array", "items": {"type": "string"}}}
    if signature.explained:
        explained = {spec.name: _values(spec) for spec in signature.explained.outputs}
        outputs = {**explained, **outputs}
        more |= {
            "explained": {"type": "number"},
            "elements": {"type": "array", "items": {"type": "integer"}},
            "columns": {"type": "object"},
        }
    return _object({**outputs, **more}, required=(*(spec.name for spec in signature.outputs), "outside"))


def _object(fields: dict[str, Any], required: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Describe an object with these keys and no others."""
    wanted = list(fields if required is None else required)
    found: dict[str, Any] = {"type": "object", "properties": fields, "additionalProperties": False}
    return {**found, "required": wanted} if wanted else found


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
