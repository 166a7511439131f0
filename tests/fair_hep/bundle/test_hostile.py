"""Small files that ask for much, and files that make whoever reads them wait: refused in one line, at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fair_hep.bundle import session
from fair_hep.bundle.columnar import open_columns
from fair_hep.bundle.errors import BundleError, ConfigError, DataError, ProjectError, ServiceError
from fair_hep.bundle.folder import SUMS, check_files, read_arrays, write_sums
from fair_hep.bundle.http import without_secrets
from fair_hep.bundle.runtime import LoadedModel
from fair_hep.bundle.signature import TensorSpec
from fair_hep.bundle.strict import load_yaml, validate
from fair_hep.bundle.text import parse_json, parse_yaml
from fair_hep.export.client import ask
from fair_hep.provenance.configuration import load_config
from fair_hep.provenance.project import Project, load_project
from fair_hep.publish.service import Service
from support.fuzzing import clean
from support.kept import kept

#: Nine lines that stand for 10^9 values, in a list, and by merging.
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the smallest published bundle."""
    return kept("third_party", tmp_path)


def rewritten(folder: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a description, as somebody who can count checksums."""
    path = folder / name
    values = json.loads(path.read_bytes())
    change(values)
    path.write_text(json.dumps(values))
    (folder / SUMS).unlink()
    write_sums(folder)


def test_a_data_set_that_was_never_written_isnt_made(tmp_path: Path) -> None:
    path = tmp_path / "jets.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("E", (2**10, 2**20), "f8", chunks=(1, 2**17), compression="gzip")
    assert path.stat().st_size < 4096
    with (
        clean(BaseException),
        open_columns(path) as source,
        pytest.raises(DataError, match=r"claims 8\.6 GB in a file of 1\.4 kB; refused"),
    ):
        next(source.chunks(["E"], 1024))


def test_a_row_that_all_others_repeat_is_read_once(tmp_path: Path) -> None:
    """Lists of HDF5 lie in a heap: a file may let every row be the same long one."""
    path = tmp_path / "jets.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("E", (2000,), h5py.vlen_dtype(np.float64))
        data[0] = np.ones(5000)
        at = data.id.get_offset()
    content = bytearray(path.read_bytes())
    content[at : at + 16 * 2000] = content[at : at + 16] * 2000
    path.write_bytes(content)
    with open_columns(path) as source, pytest.raises(DataError, match="its lists hold more than the file"):
        list(source.chunks(["E"], 1024))


@pytest.mark.parametrize("shape", [(10**15 // 8,), (10**15, 0)])
def test_an_archive_that_claims_a_petabyte(tmp_path: Path, shape: tuple[int, ...]) -> None:
    import zipfile

    path = tmp_path / "inputs.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("x.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with clean(BaseException), pytest.raises(BundleError, match=r"claims .*(holds 0 bytes|in a file)"):
        read_arrays(path)
    with open_columns(path) as source, pytest.raises(DataError, match="claims"):
        next(source.chunks(["x"], 10))


def test_examples_that_arent_there(folder: Path) -> None:
    rewritten(folder, "examples/examples.json", lambda values: values.update(count=10**9))
    with (
        clean(BaseException),
        pytest.raises(BundleError, match=r"has \d examples, .*json says 1000000000"),
    ):
        LoadedModel(folder, threads=1).verify()


@pytest.mark.parametrize("text", ["Infinity", "NaN", "1e999", "0.11", "0"])
def test_a_tolerance_that_lets_anything_pass(folder: Path, text: str) -> None:
    path = folder / "examples" / "examples.json"
    path.write_text(path.read_text().replace('"tolerance": 0.0001', f'"tolerance": {text}'))
    (folder / SUMS).unlink()
    write_sums(folder)
    with pytest.raises(BundleError, match=r"not JSON .*finite number|tolerance: got 0.*(less|greater) than"):
        LoadedModel(folder, threads=1).verify()


def test_a_pipe_is_not_waited_for(folder: Path, tmp_path: Path) -> None:
    path = folder / "metrics.json"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BundleError, match=r"metrics\.json: got a pipe, a socket or a device, expected a file"):
        check_files(folder)
    for read, kind in ((read_arrays, BundleError), (load_yaml, ConfigError)):
        with pytest.raises(kind, match="not a plain file"):
            read(path)


def test_sums_with_other_ends_of_lines_are_changed_sums(folder: Path) -> None:
    path = folder / SUMS
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(BundleError, match="SHA256SUMS: changed"):
        check_files(folder)


def test_verify_ends_where_the_graph_doesnt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer goes through a loop that goes on as long as a constant is true."""
    graph = onnx.load(folder / "model.onnx")
    output = graph.graph.output[0]
    kind = output.type.tensor_type.elem_type
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c_out"]), helper.make_node("Identity", ["v"], ["v_out"])],
        "body",
        [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), value("v", kind, None)],
        [value("c_out", TensorProto.BOOL, []), value("v_out", kind, None)],
    )
    for node in graph.graph.node:
        node.output[:] = ["before" if name == output.name else name for name in node.output]
    graph.graph.initializer.append(helper.make_tensor("again", TensorProto.BOOL, [], [True]))
    graph.graph.node.append(helper.make_node("Loop", ["", "again", "before"], [output.name], body=body))
    onnx.save(graph, folder / "model.onnx")
    (folder / SUMS).unlink()
    write_sums(folder)
    defaults = session.compute.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "seconds", 0.3)
    with pytest.raises(ProjectError, match=r"wasn't done after 0\.3 s and was stopped"):
        LoadedModel(folder, threads=1).verify()


@pytest.mark.parametrize("text", [LAUGHS, MERGED], ids=["lists", "merged"])
def test_aliases_of_aliases_are_refused_before_anything_is_made(tmp_path: Path, text: str) -> None:
    with clean(BaseException), pytest.raises(ValueError, match="holds more than 100,000 values"):
        parse_yaml(text)
    path = tmp_path / "quick.yaml"
    path.write_text(f"name: quick\n{text}")
    with clean(BaseException), pytest.raises(ConfigError, match=r"quick\.yaml: holds more than 100,000 values"):
        load_config(path)


@pytest.mark.parametrize(
    "text", ["a: &a [*a]", "[" * 5000, "a: 2024-13-45", "a: !!python/object:os.system x", "a: 1\n\tb: 2", "? [[]]\n: 1"]
)
def test_yaml_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with clean(BaseException), pytest.raises(ConfigError, match=r"x\.yaml: ") as caught:
        load_yaml(tmp_path / "x.yaml")
    assert len(str(caught.value)) < 500


def test_aliases_as_people_use_them_stay() -> None:
    assert parse_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: *a") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 1}}


def test_json_is_what_its_standard_says() -> None:
    assert parse_json(b'{"a": "\\ud83d\\ude00", "b": [1e300, -0.0, null]}') == {"a": "😀", "b": [1e300, -0.0, None]}
    for text in (
        "[NaN]",
        "[-Infinity]",
        "[1e999]",
        '"\\ud800"',
        "[" * 100_000,
        "9" * 5000,
        b"\xff",
        '{"a": 1, "a": 2}',
    ):
        with pytest.raises(ValueError, match=r"."):
            parse_json(text, unique=True)
    assert parse_json('{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize("key", ["slug", "version"])
@pytest.mark.parametrize("value", ["../../x", "/tmp/x", "a/b", ".hidden", "a\nb", ""])
def test_a_project_cant_be_named_out_of_its_folder(tmp_path: Path, key: str, value: str) -> None:
    named = {"title": "t", "slug": "a", "description": "d", "version": "1", "model": "m"}
    values = {**named, "licenses": {"code": "MIT", "weights": "MIT"}, "root": tmp_path}
    assert validate(Project, values, "project.yaml").slug == "a"
    with pytest.raises(ConfigError, match=f"{key}: got "):
        validate(Project, {**values, key: value}, "project.yaml")


def test_a_password_in_an_address_is_neither_shown_nor_kept(tmp_path: Path, folder: Path) -> None:
    address = "https://ada:se/cret@example.org:5001"
    assert without_secrets("see https://ada:s@cret@example.org/x and git+ssh://git@host/y") == (
        "see https://example.org/x and git+ssh://host/y"
    )
    from fair_hep.bundle.stored import Stored

    for url in ("https://ada:secret@example.org", "http://ada:secret@127.0.0.1:5001/", "https://ada:secret@[::1"):
        with pytest.raises(ServiceError) as told:
            ask(url, Stored.read(folder))
        with pytest.raises((ServiceError, ValueError)) as refused:
            Service(url, "token")
        assert "secret" not in f"{told.value} {refused.value}"
    (tmp_path / "project.yaml").write_text(
        "title: t\nslug: a\ndescription: d\nversion: '1'\nmodel: m\nlicenses: {code: MIT, weights: MIT}\n"
        "repository: https://ada:secret@example.org/a.git\n"
    )
    with pytest.raises(ConfigError, match="expected an address without a name and a password") as said:
        load_project(tmp_path)
    assert "secret" not in str(said.value)
    assert address


@pytest.mark.parametrize(
    "change",
    [
        {"axes": []},
        {"axes": ["n", "n"]},
        {"sizes": {}},
        {"sizes": {"c": -1}},
        {"sizes": {"c": 10**12}},
        {"dtype": "object"},
        {"dtype": "float3"},
        {"columns": ["a"]},
        {"positive": ["d"]},
        {"allowed": {"d": [1.0]}},
    ],
    ids=str,
)
def test_a_signature_holds_what_its_readers_count_on(change: dict[str, Any]) -> None:
    good = {"name": "x", "axes": ["n", "c"], "dynamic": ["n"], "sizes": {"c": 2}, "dtype": "float32", "meaning": ""}
    named = {**good, "columns": ["a", "b"], "positive": ["a"], "allowed": {"b": [0.0]}}
    assert validate(TensorSpec, named, "signature").sizes == {"c": 2}
    with pytest.raises(ConfigError, match="signature: x: "):
        validate(TensorSpec, {**named, **change}, "signature")


def test_a_message_stays_one_line_whatever_is_named_in_it() -> None:
    for text in ("a\nb", "a\r\u2028b", "a\x1b[2Jb", "a\ud800b"):
        shown = str(DataError(text))
        assert shown.isprintable()
        assert (shown[0], shown[-1]) == ("a", "b")
        shown.encode("utf-8")
