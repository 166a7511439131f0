"""The parser of requests: what JSON is and a request may be gets its arrays, anything else one line."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_hep.bundle.errors import DataError
from fair_hep.bundle.signature import Explained, Relevance, Signature, TensorSpec
from fair_hep.serve.limits import Limits
from fair_hep.serve.parse import most_values, read_request
from fair_hep.serve.refusal import Refusal


def spec(name: str, columns: int = 2) -> TensorSpec:
    return TensorSpec(
        name=name, axes=("jets", "constituents", "features"), dynamic=("jets", "constituents"),
        sizes={"features": columns}, dtype="float32", meaning="", limits={"constituents": 1000},
    )  # fmt: skip


OUT = TensorSpec(name="logits", axes=("jets",), dynamic=("jets",), sizes={}, dtype="float32", meaning="")
HOW = Relevance(composite="epsilon", bias="absorbed", epsilon=1e-6, target=[1.0], tolerance=1e-3)
EXPLAINED = Explained(inputs=[spec("x"), OUT], outputs=[OUT, OUT, OUT], how=HOW)
ONE = Signature(
    model="m", title="M", summary="", version="1", opset=17, inputs=[spec("x")], outputs=[OUT], explained=EXPLAINED
)
TWO = ONE.model_copy(update={"inputs": [spec("x"), spec("y", 1)]})
LIMITS = Limits.read({"SERVE_MAX_EXAMPLES": "50", "SERVE_MAX_ELEMENTS": "2000", "SERVE_PARALLEL": "1"})

numbers = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False) | st.integers(-(2**31), 2**31)
jets = st.lists(st.lists(numbers, min_size=2, max_size=2), max_size=8)
space = st.text(" \n\r\t", max_size=3)


def spaced(value: Any, gap: str) -> str:
    """Write JSON with space between all its signs."""
    if isinstance(value, list):
        return f"{gap}[{f'{gap},'.join(spaced(one, gap) for one in value)}{gap}]"
    if isinstance(value, dict):
        pairs = f"{gap},".join(f"{gap}{json.dumps(name)}{gap}:{spaced(one, gap)}" for name, one in value.items())
        return f"{gap}{{{pairs}{gap}}}"
    return gap + json.dumps(value)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(jets, min_size=1, max_size=5), space, st.booleans(), st.booleans(), st.booleans())
def test_it_reads_what_json_and_numpy_read(examples: list[Any], gap: str, named: bool, first: bool, long: bool) -> None:
    given_ = [{"x": one} for one in examples] if named else examples
    pairs = [("params", {"explain": True, "top": 3}), ("inputs", given_)]
    text = spaced(dict(pairs if first else pairs[::-1]), gap) + " " * (70_000 * long)
    found = read_request(text.encode(), ONE, LIMITS)
    assert found.parameters == {"explain": True, "top": 3, "edges": False}
    assert found.elements == sum(map(len, examples))
    for got, wanted in zip(found.examples["x"], examples, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, np.asarray(wanted, dtype=np.float32).reshape(-1, 2))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_what_json_refuses_is_refused_and_nothing_else_escapes(data: st.DataObject) -> None:
    text = json.dumps({"inputs": [[[1.5, 2]], {"x": []}], "params": {"top": 1}})
    at, until = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    broken = text[:at] + data.draw(st.text(st.sampled_from('[]{}",:0-eE.tfnN \\ud8é'), max_size=5)) + text[until:]
    try:
        found = read_request(broken.encode("utf-8", "surrogatepass"), ONE, LIMITS)
    except (DataError, Refusal) as error:
        assert str(error)
        return
    first = json.loads(broken)["inputs"][0]
    wanted = np.asarray(first["x"] if isinstance(first, dict) else first, dtype=np.float32)
    np.testing.assert_array_equal(found.examples["x"][0], wanted.reshape(-1, 2))


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'{"inputs": [[["100", 1]]]}', "x[0]: got something else than numbers"),
        (b'{"inputs": [[["1_0_0", 1]]]}', "x[0]: got something else than numbers"),
        (b'{"inputs": [[[1, 2]], [[true, 1]]]}', "x[1]: got something else than numbers"),
        (b'{"inputs": [[[null, 1]]]}', "x[0]: got something else than numbers"),
        (b'{"inputs": [{"x": {"x": 1}}]}', "x[0]: got something else than numbers"),
        (b'{"inputs": [true]}', "x[0]: got something else than numbers"),
        (b'{"inputs": [[[1, 2]]], "inputs": [[[1, 2]]]}', "got 'inputs' twice in one object"),
        (b'{"inputs": [{"x": [], "x": []}]}', "got 'x' twice in one object"),
        (b'{"inputs": [[]], "params": {"top": 1, "top": 2}}', "got 'top' twice in one object"),
        (b'{"inputs": [{"\\ud800": []}]}', "inputs[0]: got \\ud800, expected x"),
        (b'{"\\ud800": []}', "body: got \\ud800, expected inputs"),
        (b'{"inputs": [[[1, 2]],]}', "body: not JSON"),
        (b'{"inputs": [[]]} x', "body: not JSON (Extra data"),
        (b'{"inputs": [[]] "params": {}}', "body: not JSON (Expecting ',' delimiter"),
        (b'{"inputs" [[]]}', "body: not JSON (Expecting ':' delimiter"),
        (b"{inputs: [[]]}", "body: not JSON (Expecting property name"),
        (b'{"inputs": [[]]', "body: not JSON"),
        (b'\xff{"inputs": [[]]}', "body: not JSON in UTF-8 (byte 0)"),
        (b'{"inputs": ' + b"[" * 1500, "body: not JSON"),
        (b'{"inputs": [[[1' + b"0" * 5000 + b", 1]]]}", "body: not JSON (Exceeds the limit"),
        (b'{"inputs": [[[1, 2], [3]]]}', "x[0]: got something else than numbers, or rows of different lengths"),
        (b'{"inputs": [[[NaN, 2]]]}', "x[0][0, 0]: got nan, expected a finite number"),
    ],
)
@pytest.mark.parametrize("long", [False, True])
def test_what_is_wrong_gets_its_line(body: bytes, line: str, long: bool) -> None:
    with pytest.raises(DataError) as caught:
        read_request(body.replace(b"{", b"{" + b" " * (70_000 * long), 1), ONE, LIMITS)
    assert line in str(caught.value) or (long and "not JSON" in line and "not JSON" in str(caught.value))


def test_an_input_that_is_missing_or_unknown_is_named() -> None:
    found = read_request(b'{"inputs": [{"y": [[1]], "x": [[1, 2]]}]}', TWO, LIMITS)
    assert [found.examples[name][0].tolist() for name in "xy"] == [[[1, 2]], [[1]]]
    for body, line in (
        (b'{"inputs": [{"x": []}]}', "inputs[0]: got x, expected x, y"),
        (b'{"inputs": [{"x": [], "z": []}]}', "inputs[0]: got x, z, expected x, y"),
        (b'{"inputs": [[]]}', "inputs[0]: got list, expected x, y"),
        (b'{"inputs": [{}]}', "inputs[0]: got no keys, expected x, y"),
    ):
        with pytest.raises(DataError) as caught:
            read_request(body, TWO, LIMITS)
        assert line in str(caught.value)


@pytest.mark.parametrize(
    ("examples", "line"),
    [
        ([[]] * 51, "inputs: got more than 50 examples"),
        ([[[1, 2]] * 700] * 3, "inputs: got more than 2000 elements"),
        ([[[1, 2, 3, 4, 5, 6]] * 900] * 2, "lists and values, expected at most"),
    ],
)
def test_too_much_is_refused_with_the_name_of_the_limit(examples: list[Any], line: str) -> None:
    with pytest.raises(Refusal, match=line) as caught:
        read_request(json.dumps({"inputs": examples}).encode(), ONE, LIMITS)
    assert caught.value.status == 413
    assert "50 examples (SERVE_MAX_EXAMPLES) and 2000 elements (SERVE_MAX_ELEMENTS)" in str(caught.value)


def test_what_explains_nothing_says_so() -> None:
    silent = ONE.model_copy(update={"explained": None})
    body = b'{"inputs": [[]], "params": {"explain": true}}'
    with pytest.raises(DataError, match=r"params\.explain: got true, and m explains nothing"):
        read_request(body, silent, LIMITS)
    assert read_request(body, ONE, LIMITS).parameters["explain"]


@pytest.mark.parametrize("signature", [ONE, TWO], ids=["bare", "named"])
def test_what_keeps_to_the_limits_has_no_more_values_than_are_allowed(signature: Signature) -> None:
    rows = LIMITS.elements // LIMITS.examples // len(signature.inputs)
    one = {s.name: [[1] * s.sizes["features"]] * rows for s in signature.inputs}
    text = json.dumps({"inputs": [one] * LIMITS.examples, "params": {"explain": True, "top": 1, "edges": True}})
    assert sum(map(text.count, ",[{")) <= most_values(signature, LIMITS)
    assert len(read_request(text.encode(), signature, LIMITS).examples["x"]) == LIMITS.examples


def test_a_large_body_takes_a_few_times_its_size() -> None:
    """`json.loads` takes 24 times the size; here no more than one example is there as Python's objects."""
    limits = Limits.read({"SERVE_MAX_EXAMPLES": "5000", "SERVE_MAX_ELEMENTS": "500000", "SERVE_PARALLEL": "1"})
    body = json.dumps({"inputs": [[[1.25, 2.5]] * 100] * 200}).encode()
    tracemalloc.start()
    try:
        read_request(body, ONE, limits)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 3 * len(body)


def test_it_stops_when_nobody_waits_any_more() -> None:
    def gone() -> None:
        raise Refusal(499, "gone", "gone")

    with pytest.raises(Refusal, match="gone"):
        read_request(b'{"inputs": [[]]}', ONE, LIMITS, gone)
