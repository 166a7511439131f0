"""The addresses of the Open Inference Protocol, for the document of OpenAPI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .asked import HEADER
from .limits import Limits
from .tensors import BYTES, NAMES

__all__ = ["PREFIX", "described"]

#: What all addresses begin with; mistakes there are told in the protocol's own form.
PREFIX = "/v2"

_JSON, _BINARY = "application/json", "application/octet-stream"
_ERRORS = {
    400: "The request is wrong: one line says what and where.",
    401: "The server asks for a token.",
    404: "There is no such model, or no such version.",
    408: "The body came too slowly.",
    413: "The request, or its answer, is larger than the limits.",
    415: "The body is compressed.",
    500: "The server failed; its log says how.",
    503: "The server is busy, or not ready: try again after the seconds of Retry-After.",
}


def described(
    models: dict[str, Sequence[str]], limits: Limits, *, token: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the paths, and the schemas that they refer to.

    Parameters
    ----------
    models
        Versions of each model, by name.
    limits
        What a request may take.
    token
        Whether a token is asked for.
    """
    own: dict[str, Any] = {"security": [{"token": []}]} if token else {}
    paths: dict[str, Any] = {
        PREFIX: {"get": {**_get("What the server is", "V2Server", token=token), **own}},
        f"{PREFIX}/health/live": {"get": _get("Whether the server lives", "V2Live")},
        f"{PREFIX}/health/ready": {"get": _get("Whether the next request would be answered", "V2Ready", 503)},
    }
    name = _parameter("name", sorted(models))
    version = _parameter("version", sorted({one for some in models.values() for one in some}))
    for path, given in (
        (f"{PREFIX}/models/{{name}}", [name]),
        (f"{PREFIX}/models/{{name}}/versions/{{version}}", [name, version]),
    ):
        paths[path] = {
            "parameters": given,
            "get": {**_get("What a model takes and gives", "V2Model", 404, token=token), **own},
        }
        paths[f"{path}/ready"] = {
            "parameters": given,
            "get": {**_get("Whether it would answer", "V2Ready", 404, 503, token=token), **own},
        }
        paths[f"{path}/infer"] = {"parameters": given, "post": {**_infer(token=token), **own}}
    return paths, _schemas(limits)


def _parameter(name: str, values: Sequence[str]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": list(values)}}


def _get(summary: str, schema: str, *errors: int, token: bool = False) -> dict[str, Any]:
    content = {_JSON: {"schema": _ref(schema)}}
    return {
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": content},
            **_errors(*errors, *((401,) if token else ())),
        },
    }


def _infer(*, token: bool) -> dict[str, Any]:
    told = "tensors as bytes: JSON, and the bytes of all tensors in their order behind it"
    header = {
        "name": HEADER, "in": "header", "required": False, "schema": {"type": "integer", "minimum": 1},
        "description": "bytes of JSON at the head of a body that has more behind it",
    }  # fmt: skip
    answer = {_JSON: {"schema": _ref("V2Response")}, _BINARY: {"schema": {"description": told}}}
    return {
        "summary": "Scores of examples, or why (models whose names end with _explained)",
        "parameters": [header],
        "requestBody": {"required": True, "content": {_JSON: {"schema": _ref("V2Request")}}, "description": told},
        "responses": {
            "200": {"description": "Tensors for all examples.", "content": answer},
            **_errors(400, *((401,) if token else ()), 404, 408, 413, 415, 500, 503),
        },
    }


def _errors(*statuses: int) -> dict[str, Any]:
    content = {_JSON: {"schema": _ref("V2Error")}}
    return {str(status): {"description": _ERRORS[status], "content": content} for status in statuses}


def _schemas(limits: Limits) -> dict[str, Any]:
    text: dict[str, Any] = {"type": "string"}
    texts = {"type": "array", "items": text}
    shape = {"type": "array", "items": {"type": "integer", "minimum": 0}}
    kinds = {"type": "string", "enum": sorted(NAMES.values())}
    size = _object({"binary_data_size": {"type": "integer", "minimum": 0}}, required=())
    told = {"name": text, "datatype": {"enum": [*kinds["enum"], BYTES]}}
    metadata = _object(
        {**told, "shape": {"type": "array", "items": {"type": "integer"}}, "parameters": {"type": "object"}}
    )
    given = {"name": text, "shape": {**shape, "maxItems": 8}, "datatype": kinds, "parameters": size}
    numbers = {"type": "array", "description": "flat, or nested as the shape says"}
    wanted = _object(
        {"name": text, "parameters": _object({"binary_data": {"type": "boolean"}}, required=())}, required=("name",)
    )
    return {
        "V2Server": _object({"name": text, "version": text, "extensions": texts}),
        "V2Live": _object({"live": {"type": "boolean"}}),
        "V2Ready": _object({"ready": {"type": "boolean"}, "name": text}, required=("ready",)),
        "V2Model": _object({
            "name": text, "versions": texts, "platform": text, "parameters": {"type": "object"},
            "inputs": {"type": "array", "items": metadata}, "outputs": {"type": "array", "items": metadata},
        }),
        "V2Request": _object(
            {
                "id": {**text, "maxLength": 1000},
                "parameters": _object({"binary_data_output": {"type": "boolean"}}, required=()),
                "inputs": {
                    "type": "array",
                    "minItems": 1,
                    "description": f"at most {limits.examples} examples, {limits.elements} elements",
                    "items": _object({**given, "data": numbers}, required=("name", "shape", "datatype")),
                },
                "outputs": {"type": "array", "items": wanted},
            },
            required=("inputs",),
        ),
        "V2Response": _object(
            {
                "model_name": text, "model_version": text, "id": text,
                "outputs": {
                    "type": "array",
                    "items": _object(
                        {**told, "shape": shape, "parameters": size, "data": {"type": "array"}},
                        required=("name", "datatype", "shape"),
                    ),
                },
            },
            required=("model_name", "model_version", "outputs"),
        ),
        "V2Error": _object({"error": text}),
    }  # fmt: skip


def _object(fields: dict[str, Any], required: Sequence[str] | None = None) -> dict[str, Any]:
    """Describe an object with these keys and no others."""
    wanted = list(fields if required is None else required)
    found: dict[str, Any] = {"type": "object", "properties": fields, "additionalProperties": False}
    return {**found, "required": wanted} if wanted else found


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
