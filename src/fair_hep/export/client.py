"""Ask a running server for the stored answers of a bundle, as any client would: over HTTP, without padding."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ..bundle.deadline import within
from ..bundle.errors import ServiceError
from ..bundle.http import without_secrets
from ..bundle.inputs import cut, cuts
from ..bundle.stored import RELEVANCE, Arrays, Stored
from ..bundle.text import parse_json

__all__ = ["ask"]

#: Examples in one request; servers have limits of time and size.
BATCH = 8
#: Seconds until an answer; our own server gives up after 60.
TIMEOUT = 120.0
#: Seconds until the whole of it: a byte now and then is no silence.
LONGEST = 300.0
#: Largest answer in bytes: one of ours is smaller by far.
LARGEST = 256 * 2**20


def ask(url: str, stored: Stored) -> Arrays:
    """Send the stored examples to a server, and return its answers as they are stored.

    It may be the server of the image or ``mlflow models serve``: both take the same requests. Padding isn't sent; where
    an example has it, the stored values stand in the place of an answer.

    Parameters
    ----------
    url
        Address, with or without ``/invocations``.
    stored
        What is asked for: outputs, and relevances if the bundle has them.

    Raises
    ------
    ServiceError
        If the server can't be reached, refuses, or answers something else.
    """
    address = _address(url)
    specs = stored.signature.inputs
    count = stored.examples.count
    whole = not stored.signature.padded
    examples = [
        {s.name: stored.inputs[s.name][n] if whole else cut(s, stored.inputs[s.name][n]) for s in specs}
        for n in range(count)
    ]
    names = [spec.name for spec in stored.signature.outputs] + [RELEVANCE] * stored.explains
    given = {name: stored.answers[name].copy() for name in names}
    sizes = [None if whole else len(example[specs[0].name]) for example in examples]
    for start, stop in cuts([size or 1 for size in sizes], BATCH):
        inputs = [{name: values.tolist() for name, values in example.items()} for example in examples[start:stop]]
        params = {"params": {"explain": True}} if stored.explains else {}
        answers = _post(address, {"inputs": inputs, **params})
        if len(answers) != len(inputs):
            raise ServiceError(f"{address}: got {len(answers)} answers to {len(inputs)} examples")
        for number, answer in enumerate(answers, start=start):
            for name in names:
                _put(given[name][number : number + 1], answer, name, sizes[number], f"{address}: answer {number}")
    return given


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no address at all
        known = False
    if not known:
        raise ServiceError(f"--url: got {without_secrets(url)!r}, expected for example http://127.0.0.1:5001")
    if "@" in parts.netloc:
        raise ServiceError(f"--url: {without_secrets(url)}: got a name and a password in front of it, expected none")
    return url.rstrip("/").removesuffix("/invocations") + "/invocations"


def _answer(request: urllib.request.Request) -> bytes:
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        content: bytes = answer.read(LARGEST + 1)
    return content


def _post(address: str, body: Mapping[str, Any]) -> Sequence[Any]:
    """Send a request; return the predictions."""
    data, parts = json.dumps(body, allow_nan=False).encode(), urlsplit(address)
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        content = within(LONGEST, lambda: _answer(request), parts.hostname or "the server")
    except urllib.error.HTTPError as error:
        text = " ".join(error.read(2000).decode("utf-8", "replace").split())[:300]
        raise ServiceError(f"{address}: status {error.code}: {text}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ServiceError(f"{address}: no answer ({reason}); is a server running there?") from error
    if len(content) > LARGEST:
        raise ServiceError(f"{address}: the answer is larger than {LARGEST // 2**20} MiB")
    try:
        predictions = parse_json(content)["predictions"]
    except (ValueError, KeyError, TypeError) as error:
        text = " ".join(content[:300].decode("utf-8", "replace").split())
        raise ServiceError(f'{address}: got {text!r}, expected {{"predictions": [...]}}') from error
    if not isinstance(predictions, list):
        raise ServiceError(f"{address}: predictions: got {type(predictions).__name__}, expected a list")
    return predictions


def _put(target: np.ndarray, answer: Any, name: str, size: int | None, where: str) -> None:
    """Write one output of an answer where the stored one was, ``[1, ...]``."""
    if not isinstance(answer, dict) or name not in answer:
        got = ", ".join(answer) if isinstance(answer, dict) else type(answer).__name__
        raise ServiceError(f"{where}: got {got}, expected {name}: does the server hold this bundle?")
    # Outputs of sets have a row for each element.
    place = target[:, :size] if target.ndim > 2 else target
    try:
        values = np.asarray(answer[name], dtype=target.dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ServiceError(f"{where}: {name}: got something else than numbers") from error
    if values.size == place.size == 0:
        return
    if values.shape != place.shape[1:]:
        raise ServiceError(f"{where}: {name}: got shape {list(values.shape)}, expected {list(place.shape[1:])}")
    place[0] = values
