"""What operators expect: health, metrics, ids, a log of lines of JSON, a token, TLS."""

from __future__ import annotations

import json
import logging
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families as families

from fair_hep.bundle.errors import DataError
from fair_hep.bundle.runtime import LoadedModel, load
from fair_hep.serve.access import Access
from fair_hep.serve.log import JsonLines, Sparing
from support.kept import kept
from support.serving import connect, inside, post, rest

TOKEN = "0123456789abcdef0123"


def get(url: str, headers: Mapping[str, str] | None = None, **more: Any) -> tuple[int, Any, str]:
    """Return status, headers and text of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=30, **more) as a:
            return a.status, a.headers, a.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def ready(url: str) -> tuple[int, str]:
    """Wait while the stored examples are asked for; return the status and the text of `/health/ready`."""
    end = time.monotonic() + 60
    while True:
        status, _, text = get(f"{url}/health/ready")
        if "yet" not in text or time.monotonic() > end:
            return status, text
        time.sleep(0.05)


def numbers(url: str) -> dict[tuple[str, ...], float]:
    """Return what `/metrics` says, by names and values of labels, in the order of the labels' names."""
    _, headers, text = get(f"{url}/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=")
    return {
        (one.name, *(one.labels[key] for key in sorted(one.labels))): one.value
        for family in families(text)
        for one in family.samples
    }


def test_alive_is_one_thing_and_ready_another(folder: Path, tmp_path: Path) -> None:
    model = load(kept("particlenet", tmp_path), threads=1)
    stored = model.folder / "examples" / "examples.json"
    told = json.loads(stored.read_text())
    stored.write_text(json.dumps({**told, "tolerance": 1e-12, "near_ties": [], "unsteady": []}))
    with inside(model) as url:
        assert get(f"{url}/health/live")[0] == 200
        status, text = ready(url)
        assert status == 503
        assert "particlenet: " in json.loads(text)["message"]
        assert get(f"{url}/ping")[0] == get(f"{url}/health")[0] == 200
        assert numbers(url)["fair_hep_ready",] == 0
    stored.write_text(json.dumps(told))
    with inside(model) as url:
        assert ready(url) == (200, "\n")
        assert numbers(url)["fair_hep_ready",] == 1


def test_metrics_count_what_was_asked(model: LoadedModel) -> None:
    with inside(model, SERVE_PARALLEL="2", SERVE_QUEUE="7") as url:
        given = json.loads((model.folder / "examples" / "request.json").read_text())["inputs"]
        assert post(url, {"inputs": [*given, []]})[0] == 200
        assert post(url, {"inputs": given, "params": {"explain": True}})[0] == 200
        assert post(url, b"{")[0] == 400
        assert get(f"{url}/secret/place")[0] == 404
        with connect(url, b"nonsense\r\n\r\n") as opened:
            assert b" 400 " in rest(opened)
        found = numbers(url)
    name = model.signature.model
    assert found["fair_hep_requests_total", "/invocations", "200"] == 2
    assert found["fair_hep_requests_total", "/invocations", "400"] == 1
    assert found["fair_hep_requests_total", "other", "404"] == 1
    assert found["fair_hep_examples_total", "false", name] == len(given) + 1
    assert found["fair_hep_examples_total", "true", name] == len(given)
    assert found["fair_hep_outside_total", name] >= 1
    assert found["fair_hep_refusals_total", "wrong"] == 1
    assert found["fair_hep_request_seconds_count", "false", name] == 1
    assert found["fair_hep_pass_examples_sum", name] == 2 * len(given) + 1
    assert (found["fair_hep_places",], found["fair_hep_queue_size",], found["fair_hep_waiting",]) == (2, 7, 0)


def test_a_request_keeps_its_id_or_gets_one(model: LoadedModel, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fair_hep.serve")
    with inside(model) as url:
        given = [
            get(f"{url}/version", {"X-Request-ID": one})[1]["x-request-id"]
            for one in ("job-17.3", "a b", "é", "x" * 200)
        ]
        _, headers, _ = get(f"{url}/nowhere")
    assert given[0] == "job-17.3"
    made = [*given[1:], headers["x-request-id"]]
    assert all(len(one) == 32 and one.isalnum() for one in made)
    assert len(set(made)) == len(made)
    told = [record.__dict__["fields"]["id"] for record in caplog.records if record.getMessage() == "request"]
    assert told == ["job-17.3", *made]


def test_a_line_of_the_log_is_json_whatever_it_says() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "request", (), None)
    record.__dict__["fields"] = {"path": "/\ud800\n\u2028é", "status": 200}
    line = JsonLines().format(record)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == {
        "time": round(record.created, 3),
        "level": "info",
        "event": "request",
        "path": "/\ud800\n\u2028é",
        "status": 200,
    }


def test_a_log_says_how_much_it_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    sparing, passed = Sparing(3), []
    for number in range(12):
        now = 100.0 if number < 10 else 101.0
        record = logging.LogRecord("x", logging.INFO, "f", 1, "request", (), None)
        record.__dict__["fields"] = {"number": number}
        if sparing.filter(record):
            passed.append(record.__dict__["fields"])
    assert passed == [{"number": 0}, {"number": 1}, {"number": 2}, {"number": 10, "held_back": 7}, {"number": 11}]


def test_a_token_opens_what_asks_for_it(model: LoadedModel, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    with inside(model, SERVE_TOKEN_FILE=str(file)) as url:
        for path in ("version", "metrics", "invocations", "nowhere"):
            for given in (
                {},
                {"Authorization": f"Bearer {TOKEN}x"},
                {"Authorization": TOKEN},
                {"Authorization": f"Basic {TOKEN}"},
            ):
                status, headers, text = get(f"{url}/{path}", given)
                assert status == 401
                assert headers["WWW-Authenticate"] == "Bearer"
                assert TOKEN not in text
        for path in ("version", "metrics"):
            assert get(f"{url}/{path}", {"Authorization": f"Bearer {TOKEN}"})[0] == 200
        for path in ("ping", "health", "health/live", "openapi.json", "", "page.js"):
            assert get(f"{url}/{path}")[0] == 200
        assert post(url, {"inputs": [[]]})[0] == 401
        _, _, text = get(f"{url}/openapi.json")
        described = json.loads(text)
        assert described["paths"]["/invocations"]["post"]["security"] == [{"token": []}]
        assert "401" in described["paths"]["/version"]["get"]["responses"]
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"SERVE_TOKEN": "short"}, "SERVE_TOKEN: got 5 characters, expected at least 16"),
        ({"SERVE_TOKEN": ""}, "SERVE_TOKEN: got 0 characters"),
        ({"SERVE_TOKEN": "with spaces in between"}, "of ASCII without spaces"),
        ({"SERVE_TOKEN": TOKEN, "SERVE_TOKEN_FILE": "x"}, "got both, expected one of them"),
        ({"SERVE_TOKEN_FILE": "/nowhere"}, "SERVE_TOKEN_FILE: can't read /nowhere"),
        ({"SERVE_TLS_KEY": "x"}, "SERVE_TLS_KEY: got a key without a certificate"),
        ({"SERVE_TLS_CERTIFICATE": "/nowhere"}, "SERVE_TLS_CERTIFICATE /nowhere: No such file or directory"),
        ({"SERVE_TLS_CERTIFICATE": __file__}, "expected PEM files"),
    ],
)
def test_wrong_keys_are_refused_at_the_start(given: dict[str, str], line: str) -> None:
    with pytest.raises(DataError, match=line) as caught:
        Access.read(given)
    assert TOKEN not in str(caught.value)


def test_connections_are_encrypted_by_certificate_files(model: LoadedModel, tmp_path: Path) -> None:
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in own.cert_chain_pems))
    key.write_bytes(own.private_key_pem.bytes())
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    variables = {"SERVE_TLS_CERTIFICATE": str(certificate), "SERVE_TLS_KEY": str(key), "SERVE_CONNECTIONS": "10"}
    with inside(model, **variables, SERVE_HEADER_SECONDS="1") as url:
        secure = url.replace("http:", "https:")
        # Whoever never shakes hands counts, is closed for others, and has a deadline.
        silent = [connect(url) for _ in range(30)]
        for _ in range(3):
            status, _, text = get(f"{secure}/version", context=trusting)
            assert (status, json.loads(text)["model"]) == (200, model.signature.model)
        with connect(url, b"GET /ping HTTP/1.1\r\n\r\n") as plain:
            assert b"200 OK" not in rest(plain)
        assert all(rest(one) == b"" for one in silent)
        for one in silent:
            one.close()
        assert get(f"{secure}/ping", context=trusting)[0] == 200
