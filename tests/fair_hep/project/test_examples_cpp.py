"""The example in C++: compiled as its Makefile says, run on the bundle's examples, compared with the stored answers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from fair_hep import bundle
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.documents import DOCS, blocks
from support.needs import require
from support.small import SOURCE

Bundled = tuple[Project, Config]
FOLDER = SOURCE.parent / "examples" / "cpp"
HEADER = "onnxruntime_cxx_api.h"


def headers() -> Path | None:
    """Return the folder of ONNX Runtime's headers: the one that ONNXRUNTIME_INCLUDE names, or one of the system's."""
    known = [os.environ.get("ONNXRUNTIME_INCLUDE", ""), "/usr/include/onnxruntime", "/usr/local/include/onnxruntime"]
    return next((Path(folder) for folder in known if folder and (Path(folder) / HEADER).is_file()), None)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the example against a folder that looks like a release of ONNX Runtime, with the library of its wheel."""
    require(shutil.which("g++") and shutil.which("make"), "g++ and make are needed")
    found = headers()
    require(found, f"{HEADER} isn't found: set ONNXRUNTIME_INCLUDE to its folder")
    assert found
    folder = tmp_path_factory.mktemp("cpp")
    release = folder / "release"
    (release / "lib").mkdir(parents=True)
    (release / "include").symlink_to(found)
    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (release / "lib" / name).symlink_to(library)
    for name in ("explain.cpp", "Makefile"):
        shutil.copy(FOLDER / name, folder / name)
    command = ["make", "CXX=g++", f"ONNXRUNTIME={release}", "CXXFLAGS=-O1 -Wall -Wextra -Wconversion -Werror"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "explain"


def run(program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [str(program), *map(str, arguments)], env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def numbers(text: str) -> dict[str, np.ndarray]:
    """Return the numbers behind each name of a line."""
    found = re.findall(r"([a-z]\w*)((?: -?[\d.]+(?:e[-+]?\d+)?)+)", text)
    return {name: np.array(values.split(), dtype=np.float64) for name, values in found}


def test_it_gives_the_stored_answers_and_relevances(program: Path, bundled: Bundled, tmp_path: Path) -> None:
    signature, examples = bundle.read_signature(bundled[0].bundle), bundle.read_examples(bundled[0].bundle)
    inputs = bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")[signature.inputs[0].name]
    requested = [example[: np.flatnonzero(example.any(1)).max() + 1].tolist() for example in inputs]
    (tmp_path / "all.json").write_text(json.dumps({"inputs": requested}))
    done = run(program, bundled[0].bundle, tmp_path / "all.json", "20")
    assert done.returncode == 0, done.stderr
    outputs = bundle.read_arrays(bundled[0].bundle / "examples/outputs.npz")
    stored = bundle.read_arrays(bundled[0].bundle / "examples/relevance.npz")["relevance"]
    told = re.split(r"^example \d+: (\d+) elements\n", done.stdout, flags=re.MULTILINE)[1:]
    assert len(told) == 2 * examples.count
    compared = 0
    for number, (count, text) in enumerate(zip(told[::2], told[1::2], strict=True)):
        assert int(count) == len(requested[number])
        first, *rows = re.split(r"^  element ", text, flags=re.MULTILINE)
        whole = numbers(first)
        elements = [int(row.split()[0]) for row in rows]
        assert len(elements) == min(20, len(requested[number]))
        scale = np.abs(stored[number]).max()
        account = whole["relevance"] + whole["ledger"]
        for spec in signature.outputs:
            if spec.set_axis is None:
                difference = np.abs(whole[spec.name] - outputs[spec.name][number])
                assert (difference <= examples.tolerance * np.maximum(1, np.abs(whole[spec.name]))).all()
        if len(signature.outputs[0].axes) == 2:
            raw = np.concatenate([whole[spec.name] for spec in signature.outputs if spec.raw])
            assert np.allclose(account, raw @ np.array(signature.target), atol=1e-3)
        if number in examples.unsteady:
            continue
        compared += 1
        assert abs(whole["relevance"][0] - stored[number].sum()) <= 5e-3 * np.abs(stored[number]).sum()
        sizes = np.abs(stored[number]).sum(1)
        assert sizes[elements].min() >= np.sort(sizes)[-20] - 5e-3 * scale, "the most relevant ones"
        for element, row in zip(elements, rows, strict=True):
            given = numbers(row)
            assert np.abs(given["relevance"] - stored[number, element]).max() <= 5e-3 * scale
            for spec in signature.outputs:
                if spec.set_axis and number * stored.shape[1] + element not in examples.near_ties:
                    wanted = outputs[spec.name][number, element]
                    assert np.allclose(given[spec.name], wanted, rtol=1e-3, atol=1e-3)
    assert compared


def test_without_a_request_it_takes_the_bundles_own(program: Path, bundled: Bundled) -> None:
    own, named = run(program, bundled[0].bundle), run(program, bundled[0].bundle, bundled[0].bundle / bundle.REQUEST)
    assert own.returncode == 0
    wanted = len(json.loads((bundled[0].bundle / bundle.REQUEST).read_text())["inputs"])
    assert len(re.findall(r"^example", own.stdout, re.MULTILINE)) == wanted
    assert [line.split()[:2] for line in own.stdout.splitlines()] == [
        line.split()[:2] for line in named.stdout.splitlines()
    ]


def test_the_tutorial_says_how_it_is_compiled_and_run(program: Path, bundled: Bundled, tmp_path: Path) -> None:
    text = (DOCS / "tutorials" / "use-a-published-model.md").read_text(encoding="utf-8")
    (block,) = [block for block in blocks(text) if block.note == "needs-compiler"]
    _, _, compiled, called = block.text.splitlines()
    assert (FOLDER / "Makefile").read_text(encoding="utf-8").splitlines()[1].removeprefix("#   ") == compiled
    (kept := tmp_path / ".cache" / "fair-hep").mkdir(parents=True)
    (kept / "10.5281_zenodo.NUMBER").symlink_to(bundled[0].bundle)
    done = subprocess.run(
        ["bash", "-c", called], cwd=program.parent, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "relevance" in done.stdout


def test_a_bare_list_of_any_lengths_is_a_request(program: Path, bundled: Bundled, tmp_path: Path) -> None:
    name = bundle.read_signature(bundled[0].bundle).inputs[0].name
    inputs = json.loads((bundled[0].bundle / bundle.REQUEST).read_text())["inputs"]
    bare = {"inputs": [inputs[0][name][:3], inputs[1][name][:9]], "params": {"explain": True, "top": [1]}}
    (tmp_path / "own.json").write_text(json.dumps(bare))
    done = run(program, bundled[0].bundle, tmp_path / "own.json", "1")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^example (\d): (\d) elements", done.stdout, re.MULTILINE) == [("0", "3"), ("1", "9")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "got no list of examples"),
        ("{", "got no list of examples"),
        ("[]", "got no list of examples"),
        ('{"inputs": [[[1.0, 2.0]]]}', "got 2 columns, expected "),
        ('{"inputs": [[[NaN, 2.0]]]}', "got 'N', expected numbers"),
        ('{"inputs": [[[1e99, 2.0]]]}', "single precision"),
        ('{"inputs": [[[1.0', "got no list of examples"),
        ('{"inputs', "got no list of examples"),
    ],
)
def test_a_wrong_request_is_one_line(program: Path, bundled: Bundled, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "wrong.json").write_text(text)
    done = run(program, bundled[0].bundle, tmp_path / "wrong.json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_no_bundle_and_no_words(program: Path, tmp_path: Path) -> None:
    done = run(program, tmp_path / "nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert run(program).returncode == 2
