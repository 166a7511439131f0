"""The OpenAPI document: valid, true of the stored answers, and held against the server by schemathesis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from fair_hep.bundle.answer import answer
from fair_hep.bundle.runtime import load
from fair_hep.serve.limits import Limits
from fair_hep.serve.openapi import document
from support.kept import kept
from support.serving import inside

KINDS = ["particlenet", "mlpf", "imported", "third_party"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("token", [False, True])
def test_it_is_a_document_of_openapi_3_1(name: str, token: bool, tmp_path: Path) -> None:
    made = document(load(kept(name, tmp_path)).signature, Limits.read({}), token=token)
    assert list(OPENAPI_31_VALIDATOR.iter_errors(made)) == []
    for schema in made["components"]["schemas"].values():
        jsonschema_rs.meta.validate({**schema, "$defs": {}})


@pytest.mark.parametrize("name", KINDS)
def test_requests_and_answers_are_as_it_says(name: str, tmp_path: Path) -> None:
    model = load(kept(name, tmp_path), threads=1)
    made = document(model.signature, Limits.read({}), token=False)
    post = made["paths"]["/invocations"]["post"]
    asked = post["requestBody"]["content"]["application/json"]["schema"]
    told = post["responses"]["200"]["content"]["application/json"]["schema"]

    def errors(schema: Any, value: Any) -> list[str]:
        whole = {**schema, "components": made["components"]}
        return [str(error) for error in jsonschema_rs.Draft202012Validator(whole).iter_errors(value)]

    request = json.loads((model.folder / "examples" / "request.json").read_text())
    every: list[dict[str, Any]] = [{}, {"explain": True}, {"explain": True, "edges": True, "top": 2}]
    for params in every if model.signature.explained else every[:1]:
        assert errors(asked, {**request, "params": params}) == []
        assert errors(told, {"predictions": answer(model, request["inputs"], params)}) == []
    assert errors(asked, {"inputs": [], "params": {}})
    assert errors(asked, {**request, "params": {"why": True}})
    assert errors(asked, {"inputs": [[["100"]]]})


@pytest.mark.slow
def test_the_server_keeps_to_it(tmp_path: Path) -> None:
    """Schemathesis asks what fits and what doesn't; not all that a model refuses can be said in JSON Schema."""
    model = load(kept("particlenet", tmp_path), threads=1)
    statuses = 'expected-statuses = ["400", "404", "405", "408", "413", "415"]'
    (tmp_path / "schemathesis.toml").write_text(f"[checks.negative_data_rejection]\n{statuses}\n", encoding="utf-8")
    # Few examples in a request, since one that has as many as it may is among those that are tried.
    with inside(model, SERVE_MAX_EXAMPLES="4") as url:
        command = [
            sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--seed", "1",
            "--max-examples", "8",
            "--exclude-checks", "positive_data_acceptance", "--workers", "1", "--phases", "examples,coverage,fuzzing",
            # Asked as the addresses without a version are.
            "--exclude-path-regex", "/versions/",
            # Neither bytes of tensors nor how many numbers a shape wants can be said in JSON Schema.
            "--warnings", "missing_auth,missing_test_data,unused_openapi_auth,unsupported_regex",
        ]  # fmt: skip
        own = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert "No issues found" in done.stdout
