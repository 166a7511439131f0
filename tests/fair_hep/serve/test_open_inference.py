"""The Open Inference Protocol: what ONNX Runtime says of the same padded arrays, and hostile requests."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from fair_hep.bundle import read_arrays, write_arrays, write_sums
from fair_hep.bundle.errors import DataError
from fair_hep.bundle.files import read_json, write_json
from fair_hep.bundle.runtime import Judge, LoadedModel, load
from fair_hep.serve.access import Access
from fair_hep.serve.app import Served
from fair_hep.serve.face import Face
from fair_hep.serve.inference import Inference
from fair_hep.serve.limits import Limits
from fair_hep.serve.refusal import Refusal
from support import operators
from support.kept import ARCHIVES, unpacked
from support.serving import inside
from support.template import ROOT

KINDS = {path.name.partition(".")[0]: path for path in ARCHIVES if path.parent.name == "before-0.2"}
NAMES = {"particlenet": "top_tagger", "mlpf": "particle_flow", "imported": "my_tagger"}
#: Types as the protocol writes them ("Tensor Data Types"), by NumPy's letters.
TYPES = {"<f4": "FP32", "<f8": "FP64", "<i8": "INT64", "|b1": "BOOL"}
HEADER = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: unpacked(path, tmp_path_factory.mktemp(kind)) for kind, path in KINDS.items()}


@pytest.fixture(scope="module")
def url(folders: dict[str, Path]) -> Iterator[str]:
    """Three bundles in one server."""
    with inside([load(folders[kind], threads=1) for kind in NAMES], SERVE_MAX_EXAMPLES="50") as found:
        yield found


def ask(url: str, body: bytes | Any = None, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    """Return status, headers and body of an answer."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, named), timeout=60) as answer:
            return int(answer.status), dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def as_json(arrays: Mapping[str, np.ndarray], *, nested: bool = False) -> dict[str, Any]:
    inputs = [
        {"name": name, "shape": list(one.shape), "datatype": TYPES[one.dtype.str],
         "data": (one if nested else one.ravel()).tolist()}
        for name, one in arrays.items()
    ]  # fmt: skip
    return {"inputs": inputs}


def as_bytes(arrays: Mapping[str, np.ndarray]) -> tuple[bytes, int]:
    """Return a body whose tensors come behind its JSON, and how much of it is JSON."""
    inputs = [
        {"name": name, "shape": list(one.shape), "datatype": TYPES[one.dtype.str],
         "parameters": {"binary_data_size": one.nbytes}}
        for name, one in arrays.items()
    ]  # fmt: skip
    front = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    return front + b"".join(one.tobytes() for one in arrays.values()), len(front)


def tensors(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return the outputs of an answer: arrays, and lists of texts."""
    size = int(headers.get(HEADER.lower(), len(body)))
    told, at, found = json.loads(body[:size]), size, {}
    kinds = {name: kind for kind, name in TYPES.items()}
    for one in told["outputs"]:
        if (length := one.get("parameters", {}).get("binary_data_size")) is None:
            values = np.array(one["data"], kinds.get(one["datatype"], object))
        elif one["datatype"] == "BYTES":
            values = np.array(list(texts(body[at : at + length])), object)
        else:
            values = np.frombuffer(body[at : at + length], kinds[one["datatype"]])
        at += length or 0
        found[one["name"]] = values.reshape(one["shape"])
    assert at == len(body)
    return found


def texts(data: bytes) -> Iterator[str]:
    while data:
        size = int.from_bytes(data[:4], "little")
        yield data[4 : 4 + size].decode()
        data = data[4 + size :]


def examples(folder: Path) -> dict[str, np.ndarray]:
    """Return some stored inputs, one of them cut short, all with some more padding."""
    stored = {name: values[:2].copy() for name, values in read_arrays(folder / "examples" / "inputs.npz").items()}
    for name, values in stored.items():
        values[1, values.shape[1] // 2 :] = 0
        stored[name] = np.pad(values, [(0, 0), (0, 3), *[(0, 0)] * (values.ndim - 2)])
    return stored


def lengths_of(values: np.ndarray) -> np.ndarray:
    return np.array([np.flatnonzero(one.any(1))[-1] + 1 for one in values], np.int64)


def by_runtime(graph: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    opened = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [one.name for one in opened.get_outputs()]
    return dict(zip(names, opened.run(names, dict(arrays)), strict=True))


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("how", ["flat", "nested", "bytes"])
@pytest.mark.parametrize("explains", [False, True], ids=["scores", "reasons"])
def test_answers_are_those_of_the_graph(
    url: str, folders: dict[str, Path], kind: str, how: str, explains: bool
) -> None:
    """What a server of Triton would answer to the same arrays, but for what stands behind the elements of a set."""
    given = examples(folders[kind])
    (first,) = given.values()
    known = load(folders[kind]).signature.explained
    assert known is not None
    if explains:
        spec = known.inputs[-1]
        shape = [first.shape[0], *([first.shape[1]] if spec.set_axis else []), len(known.how.target)]
        given[spec.name] = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    expected = by_runtime(folders[kind] / ("model_explained.onnx" if explains else "model.onnx"), given)
    address = f"{url}/v2/models/{NAMES[kind]}{'_explained' if explains else ''}/infer"
    if how == "bytes":
        body, size = as_bytes(given)
        status, headers, content = ask(address, body, **{HEADER: str(size)})
        assert headers["content-type"] == "application/octet-stream"
    else:
        status, headers, content = ask(address, as_json(given, nested=how == "nested"))
    assert status == 200, content
    found = tensors(headers, content)
    assert set(found) == {*expected, "outside", *(["explained"] if explains else [])}
    for name, values in expected.items():
        assert found[name].shape == values.shape
        for row, length in enumerate(lengths_of(first)):
            real, rest = found[name][row], found[name][row][length:]
            wanted = values[row]
            if name in ("relevance", "logits", "momenta", "probabilities") and values.shape[1] == first.shape[1]:
                real, wanted = real[:length], wanted[:length]
                assert not rest.any()
            if name.startswith("edge"):
                assert (rest == (-1 if name.endswith("index") else 0)).all()
                continue  # which of two neighbours as near as each other is taken is rounding
            np.testing.assert_allclose(real, wanted, atol=1e-3 * max(1, np.abs(wanted).max()))
    if explains:
        account = found["relevance"].reshape(len(first), -1).sum(1) + found["ledger"][:, :3].sum(1)
        np.testing.assert_allclose(account, found["explained"], atol=1e-3 * np.abs(found["explained"]).max())


@pytest.mark.slow
def test_tritons_own_client_speaks_to_it(url: str, folders: dict[str, Path], tmp_path: Path) -> None:
    """Asks for metadata, health and answers, as JSON and as bytes, and understands refusals."""
    given = examples(folders["particlenet"])
    write_arrays(tmp_path / "given.npz", given)
    while ask(f"{url}/v2/health/ready")[0] == 503:
        pass
    wanted = {"host": url.removeprefix("http://"), "model": "top_tagger", "version": "0.1.0"}
    told = operators.ask("triton_client", wanted, tmp_path / "given.npz", tmp_path / "found.npz")
    assert told["live"] and told["ready"] and told["model ready"]
    assert told["server"]["extensions"] == ["binary_tensor_data"]
    assert [one["name"] for one in told["metadata"]["inputs"]] == ["particles"]
    assert "model: got 'nobody', expected top_tagger" in told["refused"]
    found = read_arrays(tmp_path / "found.npz")
    scores = by_runtime(folders["particlenet"] / "model.onnx", given)
    (why,) = load(folders["particlenet"]).explain(given["particles"][:1])
    for how in ("bytes", "json"):
        np.testing.assert_allclose(found[f"{how}/logits"], scores["logits"], atol=1e-3)
        relevance = found[f"{how}/relevance"][0, : len(why["relevance"])]
        np.testing.assert_allclose(relevance, why["relevance"], atol=1e-3 * np.abs(why["relevance"]).max())
    assert told["outside"] == ["", ""]


@pytest.mark.slow
def test_the_how_to_asks_it(url: str) -> None:
    text = (ROOT / "docs" / "how-tos" / "serve-with-triton.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    address = '"127.0.0.1:8000"'
    assert address in block
    program = block.replace(address, json.dumps(url.removeprefix("http://")))
    done = subprocess.run([operators.python(), "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    one, other = map(float, done.stdout.strip("[] \n").split())
    assert one + other == pytest.approx(1, abs=1e-4)


def test_lengths_say_what_zeros_at_the_end_would(url: str, folders: dict[str, Path]) -> None:
    given = examples(folders["particlenet"])
    (values,) = given.values()
    address = f"{url}/v2/models/top_tagger/infer"
    plain = tensors(*ask(address, as_json(given))[1:])
    said = tensors(*ask(address, as_json({**given, "lengths": lengths_of(values)}))[1:])
    np.testing.assert_array_equal(plain["logits"], said["logits"])
    padded = {name: np.pad(one, [(0, 0), (0, 40), (0, 0)]) for name, one in given.items()}
    np.testing.assert_allclose(tensors(*ask(address, as_json(padded))[1:])["logits"], plain["logits"], atol=1e-4)
    status, _, body = ask(address, as_json({**given, "lengths": np.array([1, 1])}))
    assert status == 400
    assert "got values behind its 1 constituents, expected zeros there" in json.loads(body)["error"]
    status, _, body = ask(address, as_json({**given, "lengths": np.array([1, values.shape[1] + 1])}))
    assert (status, "lengths[1]: got" in json.loads(body)["error"]) == (400, True)


def test_what_is_explained_is_the_models_own_choice_unless_told(url: str, folders: dict[str, Path]) -> None:
    model = load(folders["particlenet"], threads=1)
    given = examples(folders["particlenet"])
    (values,) = given.values()
    found = tensors(*ask(f"{url}/v2/models/top_tagger_explained/infer", as_json(given))[1:])
    for row, why in enumerate(model.explain([one[:n] for one, n in zip(values, lengths_of(values), strict=True)])):
        np.testing.assert_allclose(found["explained"][row], why["explained"], rtol=1e-4)


def test_what_several_clients_want_explained_stays_their_own(url: str, folders: dict[str, Path]) -> None:
    """Requests that are computed together, some of which say what is explained."""
    model = load(folders["imported"], threads=1)
    (name,) = [spec.name for spec in model.signature.inputs]
    values = read_arrays(folders["imported"] / "examples" / "inputs.npz")[name][:1]
    targets = [None, *np.random.default_rng(5).normal(size=(7, 1, 2)).astype(np.float32)]

    def explained(target: np.ndarray | None) -> float:
        body = as_json({name: values, **({} if target is None else {"target": target})})
        status, headers, content = ask(f"{url}/v2/models/my_tagger_explained/infer", body)
        assert status == 200, content
        return float(tensors(headers, content)["explained"][0])

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(explained, targets * 4))
    expected = [
        float(model.explain(values, None if one is None else [one[0]])[0]["explained"]) for one in targets
    ] * 4  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_an_empty_set_is_answered(url: str) -> None:
    for shape in ((1, 0, 4), (2, 5, 4)):
        values = np.zeros(shape, np.float32)
        for name in ("top_tagger", "top_tagger_explained"):
            for nested in (False, True):
                status, headers, body = ask(
                    f"{url}/v2/models/{name}/infer", as_json({"particles": values}, nested=nested)
                )
                assert status == 200, body
                assert tensors(headers, body)["probabilities"].shape == (shape[0], 2)


def test_a_request_says_what_it_wants(url: str, folders: dict[str, Path]) -> None:
    given = as_json(examples(folders["particlenet"]))
    wanted = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "outside"}]
    status, headers, body = ask(f"{url}/v2/models/top_tagger/infer", {**given, "id": "job \ud800 7", "outputs": wanted})
    assert status == 200, body
    told = json.loads(body[: int(headers[HEADER.lower()])])
    assert (told["model_name"], told["model_version"], told["id"]) == ("top_tagger", "0.1.0", "job \ud800 7")
    assert [one["name"] for one in told["outputs"]] == ["probabilities", "outside"]
    assert len(body) - int(headers[HEADER.lower()]) == told["outputs"][0]["parameters"]["binary_data_size"] == 2 * 2 * 4
    assert all(isinstance(text, str) for text in told["outputs"][1]["data"])


def test_what_lies_outside_is_told(url: str, folders: dict[str, Path]) -> None:
    """Far too much energy, as in every other answer: as JSON and as bytes."""
    given = {name: 1000 * values for name, values in examples(folders["particlenet"]).items()}
    (values,) = given.values()
    model = load(folders["particlenet"])
    real = [one[:length] for one, length in zip(values, lengths_of(values), strict=True)]
    expected = ["; ".join(one.outside) for one in model.predict_each(real, judge=Judge(model.signature))]
    assert all(expected)
    raw, size = as_bytes(given)
    address = f"{url}/v2/models/top_tagger/infer"
    assert list(tensors(*ask(address, as_json(given))[1:])["outside"]) == expected
    assert list(tensors(*ask(address, raw, **{HEADER: str(size)})[1:])["outside"]) == expected


def test_metadata_are_those_of_the_graphs(url: str, folders: dict[str, Path]) -> None:
    kinds = {"tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(int64)": "INT64"}
    for kind, name in NAMES.items():
        for suffix, graph in (("", "model.onnx"), ("_explained", "model_explained.onnx")):
            _, _, body = ask(f"{url}/v2/models/{name}{suffix}")
            told = json.loads(body)
            opened = onnxruntime.InferenceSession(folders[kind] / graph, providers=["CPUExecutionProvider"])
            assert (told["name"], told["versions"]) == (name + suffix, ["0.1.0"])
            for field, values in (("inputs", opened.get_inputs()), ("outputs", opened.get_outputs())):
                wanted = [
                    (one.name, kinds[one.type], [size if isinstance(size, int) else -1 for size in one.shape])
                    for one in values
                ]
                found = [(one["name"], one["datatype"], one["shape"]) for one in told[field]]
                assert found[: len(wanted)] == wanted
            assert all(one["parameters"]["meaning"] for one in [*told["inputs"], *told["outputs"]])


def test_the_server_says_what_it_is_and_whether_it_is_ready(url: str) -> None:
    status, _, body = ask(f"{url}/v2")
    assert (status, json.loads(body)["extensions"]) == (200, ["binary_tensor_data"])
    assert json.loads(ask(f"{url}/v2/health/live")[2]) == {"live": True}
    for path in ("/v2/health/ready", "/v2/models/top_tagger/ready", "/v2/models/my_tagger/versions/0.1.0/ready"):
        while (found := ask(f"{url}{path}"))[0] == 503:
            assert "error" in json.loads(found[2])
        assert json.loads(found[2])["ready"] is True
    metrics = ask(f"{url}/metrics")[2].decode()
    assert 'endpoint="/v2/models/ready"' in metrics
    assert "top_tagger/ready" not in metrics  # a name that clients choose makes no label


@pytest.mark.parametrize("token", ["", "0123456789abcdef0123"])
def test_the_document_of_openapi_is_true_of_it(folders: dict[str, Path], token: str) -> None:
    models = [load(folders[kind], threads=1) for kind in KINDS if kind != "third_party"]
    made = Served(models, Limits.read({}), Access.read({"SERVE_TOKEN": token} if token else {})).document()
    assert list(OPENAPI_31_VALIDATOR.iter_errors(made)) == []
    names = made["paths"]["/v2/models/{name}/infer"]["parameters"][0]["schema"]["enum"]
    assert names == sorted([*NAMES.values(), *(f"{name}_explained" for name in NAMES.values())])
    secured = {path for path, one in made["paths"].items() if any("security" in way for way in one.values())}
    assert ("/v2" in secured, "/v2/models/{name}" in secured) == (bool(token), bool(token))
    assert "/v2/health/live" not in secured


def test_answers_are_as_the_document_says(url: str, folders: dict[str, Path]) -> None:
    made = json.loads(ask(f"{url}/openapi.json")[2])

    def errors(name: str, value: Any) -> list[str]:
        whole = {"$ref": f"#/components/schemas/{name}", "components": made["components"]}
        return [str(error) for error in jsonschema_rs.Draft202012Validator(whole).iter_errors(value)]

    given = as_json(examples(folders["particlenet"]))
    asked = {**given, "id": "x", "outputs": [{"name": "logits", "parameters": {"binary_data": False}}]}
    for name, path, body in (
        ("V2Server", "/v2", None),
        ("V2Live", "/v2/health/live", None),
        ("V2Model", "/v2/models/top_tagger_explained", None),
        ("V2Response", "/v2/models/top_tagger_explained/infer", given),
        ("V2Response", "/v2/models/top_tagger/versions/0.1.0/infer", asked),
        ("V2Error", "/v2/models/top_tagger/infer", {}),
    ):
        assert errors(name, json.loads(ask(f"{url}{path}", body)[2])) == []
    assert errors("V2Request", given) == errors("V2Request", asked) == []
    assert errors("V2Request", {"inputs": [{**GOOD, "datatype": "FP8"}]})
    assert errors("V2Request", {"inputs": [GOOD], "model": 1})


def test_versions_of_a_model_stand_beside_each_other(folders: dict[str, Path], tmp_path: Path) -> None:
    older = load(folders["particlenet"], threads=1)
    newer = version(tmp_path / "a", "0.10.0")
    with inside([older, newer, version(tmp_path / "b", "0.9.1")]) as url:
        told = json.loads(ask(f"{url}/v2/models/top_tagger")[2])
        assert told["versions"] == ["0.1.0", "0.9.1", "0.10.0"]
        body = as_json({"particles": np.ones((1, 2, 4), np.float32) * [3, 1, 1, 1]} | {})
        body["inputs"][0]["datatype"] = "FP32"
        for path, wanted in (("", "0.10.0"), ("/versions/0.1.0", "0.1.0"), ("/versions/0.9.1", "0.9.1")):
            answer = json.loads(ask(f"{url}/v2/models/top_tagger{path}/infer", body)[2])
            assert answer["model_version"] == wanted
        status, _, text = ask(f"{url}/v2/models/top_tagger/versions/7.0.0/infer", body)
        assert (status, "expected 0.1.0, 0.10.0, 0.9.1" in json.loads(text)["error"]) == (404, True)
        assert ask(f"{url}/v2/models/elsewhere/infer", body)[0] == 404


def version(folder: Path, number: str) -> LoadedModel:
    bundle = unpacked(KINDS["particlenet"], folder)
    write_json(bundle / "signature.json", {**read_json(bundle / "signature.json"), "version": number})
    (bundle / "SHA256SUMS").unlink()
    write_sums(bundle)
    return load(bundle, threads=1)


def test_one_version_twice_is_refused(folders: dict[str, Path]) -> None:
    model = load(folders["particlenet"], threads=1)
    with pytest.raises(DataError, match=r"got top_tagger 0.1.0 a second time, expected each version of a model once"):
        Served([model, model], Limits.read({}), Access())


GOOD = {"name": "particles", "shape": [1, 1, 4], "datatype": "FP32", "data": [3.0, 1.0, 1.0, 1.0]}
BINARY = {"name": "particles", "shape": [1, 1, 4], "datatype": "FP32", "parameters": {"binary_data_size": 16}}


def changed(**values: Any) -> dict[str, Any]:
    return {"inputs": [{name: value for name, value in {**GOOD, **values}.items() if value is not ...}]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "expected the bytes of JSON"),
        (b"[]", "got list, expected an inference request"),
        (b'{"inputs": [', "not JSON"),
        (b'{"inputs": [], "inputs": []}', "got 'inputs' twice"),
        (b'{"inputs": [{"name": "a", "name": "b"}]}', "got 'name' twice"),
        (b'\xff{"inputs": []}', "not JSON in UTF-8"),
        ({}, "got no inputs"),
        ({"inputs": []}, "inputs: got none, expected particles"),
        ({"inputs": {}}, "got dict, expected a list of tensors"),
        ({"inputs": [3]}, "inputs[0]: got int"),
        ({"inputs": [GOOD, GOOD]}, "each once"),
        ({"inputs": [GOOD], "model": 1}, "got 'model', expected id"),
        ({"inputs": [GOOD], "id": 7}, "id: expected a text"),
        ({"inputs": [GOOD], "parameters": {"priority": 1}}, "expected nothing but binary_data_output"),
        ({"inputs": [GOOD], "outputs": [{"name": "why"}]}, "outputs[0]: got"),
        ({"inputs": [GOOD], "outputs": 3}, "outputs: expected a list"),
        ({"inputs": [GOOD], "outputs": [{"name": "logits"}, {"name": "logits"}]}, "outputs[1]: got"),
        (changed(name="other"), "inputs: got other, expected particles"),
        (changed(name=["x"]), "inputs[0]: got name"),
        (changed(datatype="FP64"), "particles: got FP64, expected FP32"),
        (changed(datatype="BYTES"), "inputs[0]: got datatype"),
        (changed(shape=[1, 4]), "got shape [1, 4], expected [jets, constituents, 4]"),
        (changed(shape=[1, 1, 3]), "got shape [1, 1, 3]"),
        (changed(shape=[1, -1, 4]), "got shape"),
        (changed(shape=[True, 1, 4]), "got shape"),
        (changed(shape=[1, 1.0, 4]), "got shape"),
        (changed(shape=[0, 1, 4], data=[]), "got no examples"),
        (changed(shape=[10**12, 1, 4]), "more than 50 examples"),
        (changed(shape=[1, 10**12, 4]), "elements in all examples together"),
        (changed(shape=[1, 2, 4]), "got 4 values, expected 8"),
        (changed(data=[3, 1, 1]), "got 3 values, expected 4"),
        (changed(data=[3, 1, 1, "1"]), "expected numbers without quotes"),
        (changed(data=[3, 1, 1, True]), "got something else than numbers"),
        (changed(data=[3, 1, 1, None]), "got something else than numbers"),
        (changed(data=[3, 1, [1, 1]]), "its data aren't [1, 1, 4] of FP32"),
        (changed(data=[[3, 1], [1, 1]]), "got other values than [1, 1, 4]"),
        (changed(shape=[2, 1, 4], data=[[[3, 1, 1, 1, 3, 1, 1, 1]]]), "other values than [2, 1, 4]"),
        (changed(shape=[2, 1, 4], data=[[3, 1, 1, 1], [3, 1], [1, 1]]), "other values than [2, 1, 4]"),
        (changed(data={"a": 1}), "expected a list of numbers"),
        (changed(data=...), "either data or parameters with binary_data_size"),
        (changed(parameters={"shared_memory_region": "x"}), "expected nothing but binary_data_size"),
        (changed(parameters={"binary_data_size": 16}), "either data or parameters"),
        (changed(parameters={"binary_data_size": -1}, data=...), "expected a number of bytes"),
        (changed(data=[0, 1, 1, 1]), "expected more than 0 GeV"),
        (b'{"inputs": [{"name": "particles", "shape": [1, 1, 4], "datatype": "FP32", "data": [NaN, 1, 1, 1]}]}', "nan"),
        (
            b'{"inputs": [{"name": "particles", "shape": [1, 1, 4], "datatype": "FP32", "data": [1e99, 1, 1, 1]}]}',
            "inf",
        ),
        (
            b'{"inputs": [{"name": "particles", "shape": [1, 1, 4], "datatype": "FP32", "data": [1_0, 1, 1, 1]}]}',
            "its data",
        ),
        (b'{"inputs": [{"name": "particles", "shape": [1, 1, 4], "datatype": "FP32", "data": [1, 1, 1, 1}]}', "JSON"),
        (b'{"inputs": [{"name": "p\\ud800", "shape": [1], "datatype": "FP32", "data": [1]}]}', "inputs: got p"),
        (b'{"inputs": ' + b"[" * 5000, "body"),
    ],
)
def test_wrong_requests_get_one_line(url: str, body: bytes | dict[str, Any], words: str) -> None:
    status, _, text = ask(f"{url}/v2/models/top_tagger/infer", body)
    line = json.loads(text)
    assert status in (400, 413), text
    assert set(line) == {"error"}
    assert words.lower() in line["error"].lower()
    assert "\n" not in line["error"]
    assert len(line["error"]) <= 500


@pytest.mark.parametrize(
    ("header", "behind", "words"),
    [
        ("x", 16, "expected a number of bytes"),
        ("-1", 16, "expected a number of bytes"),
        ("999999", 16, "expected the bytes of JSON at the head"),
        ("0", 16, "expected the bytes of JSON at the head"),
        ("+3", 16, "not JSON"),
        ("", 15, "got 15 bytes behind the JSON, expected the 16"),
        ("", 17, "got 17 bytes behind the JSON, expected the 16"),
        ("", 0, "got 0 bytes behind the JSON"),
    ],
)
def test_bytes_that_are_not_there_are_never_read(url: str, header: str, behind: int, words: str) -> None:
    front = json.dumps({"inputs": [BINARY]}).encode()
    own = {"+3": str(len(front) + 3), "": str(len(front))}.get(header, header)
    status, _, text = ask(f"{url}/v2/models/top_tagger/infer", front + b"\xff" * behind, **{HEADER: own})
    assert status == 400
    assert words in json.loads(text)["error"]


def test_bytes_of_another_size_or_without_a_finite_number_are_refused(url: str) -> None:
    for size, raw, words in ((12, b"\0" * 12, "expected 16 for [1, 1, 4] of FP32"), (16, b"\xff" * 16, "finite")):
        front = json.dumps({"inputs": [{**BINARY, "parameters": {"binary_data_size": size}}]}).encode()
        status, _, text = ask(f"{url}/v2/models/top_tagger/infer", front + raw, **{HEADER: str(len(front))})
        assert (status, words in json.loads(text)["error"]) == (400, True), text


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_whatever_comes_is_read_or_refused_in_one_line(faces: list[Face], data: st.DataObject) -> None:
    """Bodies that fit, damaged in some places: an array of each example, or an error that becomes one line."""
    face = data.draw(st.sampled_from(faces))
    length = data.draw(st.integers(0, 3))
    sizes = [2, length, 4] if face.set_axis else [2, 3]
    arrays = {face.inputs[0].name: np.full(sizes, 2, face.inputs[0].dtype)}
    if not face.set_axis:
        arrays["n"] = np.array([1, 2])
    body, size = as_bytes(arrays) if data.draw(st.booleans()) else (json.dumps(as_json(arrays)).encode(), None)
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(damaged)))
        piece = data.draw(st.one_of(st.binary(max_size=3), st.sampled_from([*map(str.encode, PIECES)])))
        damaged[start : start + data.draw(st.integers(0, 4))] = piece
    try:
        read = Inference(damaged, size, face, Limits.read({}), lambda: None)
    except (DataError, Refusal) as error:
        assert str(error)
        return
    for spec in face.signature.inputs:
        assert len(read.examples[spec.name]) == 2
        assert all(np.isfinite(one).all() and one.dtype == spec.dtype for one in read.examples[spec.name])


PIECES = [
    "[",
    "]",
    "{",
    "}",
    ",",
    '"',
    "null",
    "true",
    "1e999",
    "-",
    "NaN",
    "[[[[",
    "9" * 30,
    '"data"',
    "\\ud800",
    "\0",
]


@pytest.fixture(scope="module")
def faces(folders: dict[str, Path]) -> list[Face]:
    found = []
    for kind in ("particlenet", "third_party"):
        known = load(folders[kind]).signature
        found += [Face(kind, "1", known, explains) for explains in ([False, True] if known.explained else [False])]
    return found


def test_limits_hold_there_too(folders: dict[str, Path]) -> None:
    model = load(folders["particlenet"], threads=1)
    with inside(model, SERVE_MAX_ELEMENTS="1000", SERVE_MAX_ANSWER_MEGABYTES="0.02") as url:
        address = f"{url}/v2/models/top_tagger_explained/infer"
        wide = as_json({"particles": np.zeros((4, 251, 4), np.float32)})
        status, _, text = ask(address, wide)
        assert (status, "1000 elements" in json.loads(text)["error"]) == (413, True)
        some = as_json({"particles": np.zeros((4, 200, 4), np.float32)})
        status, _, text = ask(address, some)
        assert (status, "SERVE_MAX_ANSWER_MEGABYTES" in json.loads(text)["error"]) == (413, True)
        assert ask(address, {**some, "outputs": [{"name": "ledger"}]})[0] == 200
        assert ask(address, {**some, "outputs": [{"name": "ledger"}]}, Content_Encoding="gzip")[0] == 415
    with inside(model, SERVE_TOKEN="0123456789abcdef0123") as url:
        status, _, text = ask(f"{url}/v2/models/top_tagger")
        assert (status, set(json.loads(text))) == (401, {"error"})
        assert ask(f"{url}/v2/health/live")[0] == 200


def test_graphs_of_others_are_asked_as_they_are(folders: dict[str, Path]) -> None:
    """Inputs of several types, one number for each example; nothing is known of padding, so none is taken away."""
    arrays = {"x": np.array([[1.5, 2, 0], [0, 0, 0]]), "n": np.array([3, 2**60 + 1])}
    with inside(load(folders["third_party"], threads=1)) as url:
        expected = by_runtime(folders["third_party"] / "model.onnx", arrays)
        body, size = as_bytes(arrays)
        for found in (
            tensors(*ask(f"{url}/v2/models/top_tagger/infer", as_json(arrays))[1:]),
            tensors(*ask(f"{url}/v2/models/top_tagger/infer", as_json(arrays, nested=True))[1:]),
            tensors(*ask(f"{url}/v2/models/top_tagger/infer", body, **{HEADER: str(size)})[1:]),
        ):
            for name, values in expected.items():
                np.testing.assert_array_equal(found[name], values)
        assert ask(f"{url}/v2/models/top_tagger_explained")[0] == 404
        wrong = as_json(arrays)
        wrong["inputs"][1]["data"] = [3, 1.5]
        status, _, text = ask(f"{url}/v2/models/top_tagger/infer", wrong)
        assert (status, "whole numbers" in json.loads(text)["error"]) == (400, True)
