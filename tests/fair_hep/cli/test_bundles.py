"""The command ``fair-hep``: what a published model says, without a project, and with the library's own needs alone."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from fair_hep import bundle
from fair_hep.bundle.stored import Stored
from fair_hep.cli.bundles import command
from support.containers import free_port
from support.needs import require
from support.small import SOURCE
from support.strangers import CORE, Stranger, built_wheel

#: A bundle that was published once: a small network that explains itself, whose training isn't needed here.
PUBLISHED = Path(__file__).parents[1] / "bundles" / "before-0.2"
COMMAND = (sys.executable, "-c", "from fair_hep.cli.bundles import main; main()")
VERBS = ("show", "verify", "predict", "explain", "plot", "cite", "serve", "triton", "index")


def unpacked(name: str, folder: Path) -> Path:
    with tarfile.open(PUBLISHED / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "bundle"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("imported", tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("third_party", tmp_path_factory.mktemp("third-party"))


def ask(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env={"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "PATH": ""},
        cwd=cwd, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def told(*arguments: object, cwd: Path) -> Any:
    done = ask(*arguments, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_verb_has_help() -> None:
    assert set(command.commands) == set(VERBS)
    for verb in command.commands.values():
        assert len(verb.help or "") > 20
        assert {"as_json"} <= {parameter.name for parameter in verb.params}


def test_it_writes_a_repository_for_triton(folder: Path, tmp_path: Path) -> None:
    found = told("triton", folder, "repository", cwd=tmp_path)
    assert found["models"] == {"my_tagger": 64, "my_tagger_explained": 16}
    for name in found["models"]:
        assert (tmp_path / "repository" / name / "config.pbtxt").is_file()
        assert (tmp_path / "repository" / name / str(found["version"]) / "model.onnx").is_file()


def test_it_serves_several_bundles(folder: Path, third_party: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[Any, ...]] = []
    monkeypatch.setattr("fair_hep.serve.server.serve", lambda *places, **options: served.append((*places, options)))
    done = CliRunner().invoke(command, ["serve", str(folder), str(third_party), "--port", "8081"])
    assert done.exit_code == 0, done.output
    assert served == [(folder, third_party, {"host": "127.0.0.1", "port": 8081})]
    assert CliRunner().invoke(command, ["serve"]).exit_code == 2


def test_it_says_its_version(tmp_path: Path) -> None:
    done = ask("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("fair-hep 0.")


def test_it_shows_what_a_model_is(folder: Path, tmp_path: Path) -> None:
    done = ask("show", folder, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    signature = bundle.read_signature(folder)
    assert signature.explained is not None
    assert signature.summary in done.stdout
    for words in (
        "input particles",
        "E (GeV)",
        "at most",
        "output logits",
        "licence of the weights: CC-BY-4.0",
        "limit: ",
    ):
        assert words in done.stdout
    assert f"rules {signature.explained.how.composite}" in done.stdout
    found = told("show", folder, cwd=tmp_path)
    assert found["rules"]["composite"] == signature.explained.how.composite
    assert found["inputs"][0]["unit"] == "GeV"
    assert found["licenses"]["weights"] == "CC-BY-4.0"


def test_it_shows_what_is_missing_of_a_third_party_graph(third_party: Path, tmp_path: Path) -> None:
    done = ask("show", third_party, cwd=tmp_path)
    assert "explains nothing: this bundle was made from an ONNX file without its source" in done.stdout
    assert "limit: Made for a test." in done.stdout
    assert "unit m" in done.stdout or "(m)" in done.stdout


def test_it_verifies(folder: Path, tmp_path: Path) -> None:
    found = told("verify", folder, cwd=tmp_path)
    assert {check["output"] for check in found["checks"]} == set(Stored.read(folder).answers)
    damaged = Path(shutil.copytree(folder, tmp_path / "damaged"))
    (damaged / "README.md").write_text("better")
    done = ask("verify", damaged, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: damaged: README.md changed")


def test_it_predicts_and_explains_into_tables(folder: Path, tmp_path: Path) -> None:
    inputs, stored = folder / "examples" / "inputs.npz", Stored.read(folder)
    assert told("predict", folder, inputs, "--output", "scores.csv", cwd=tmp_path)["examples"] == stored.examples.count
    with (tmp_path / "scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    logits = [[float(row[f"logits_{name}"]) for name in stored.signature.outputs[0].columns] for row in rows]
    np.testing.assert_allclose(logits, stored.answers["logits"], atol=1e-4)
    for given in ((inputs,), ()):
        assert told("explain", folder, *given, "--output", "why.csv", cwd=tmp_path)["explained"]
        with (tmp_path / "why.csv").open(newline="") as stream:
            (first, *_) = csv.DictReader(stream)
        name = stored.signature.relevant.columns[0]
        relevance = json.loads(first[f"relevance_{name}"])
        np.testing.assert_allclose(relevance, stored.answers["relevance"][0][: len(relevance), 0], atol=1e-4)


def test_it_explains_on_the_terminal(folder: Path, tmp_path: Path) -> None:
    done = ask("explain", folder, "--count", "2", "--top", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("example ") == 2
    assert done.stdout.count("  element ") == 6
    # Rows fall in the number that stands first, and it is said what is explained.
    for example in done.stdout.split("example ")[1:]:
        sums = [float(value) for value in re.findall(r"element \d+: \|R\| (\S+), R", example)]
        assert sums == sorted(sums, reverse=True)
        assert re.match(r"\d: explained z_\w+ - z_\w+ = [+-]", example)
    found = told("explain", folder, "--count", "1", "--top", "2", cwd=tmp_path)
    assert len(found["explanations"][0]["relevance"]) == 2


def test_it_plots(folder: Path, tmp_path: Path) -> None:
    require(importlib.util.find_spec("matplotlib"), "matplotlib isn't installed")
    assert told("plot", folder, "--output", "why.svg", "--example", "1", cwd=tmp_path)["example"] == 1
    assert "<svg" in (tmp_path / "why.svg").read_text()
    done = ask("plot", folder, "--output", "why.txt", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: why.txt: ")
    assert "plot" not in done.stdout
    done = ask("plot", folder, "--output", "why.png", "--example", "999", cwd=tmp_path)
    assert done.stderr == "error: --example 999: there aren't that many; they count from 0\n"


def test_it_cites(folder: Path, tmp_path: Path) -> None:
    line = ask("cite", folder, cwd=tmp_path).stdout
    assert re.match(r"Lovelace, A\. \(\d{4}\)\. Tiny tagger \(version 0\.1\.0\)\. unpublished; SHA-256 of its ", line)
    assert ask("cite", folder, "--bibtex", cwd=tmp_path).stdout.startswith("@misc{")


def test_it_gathers_bundles(folder: Path, third_party: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(third_party, tmp_path / "other"))
    path = other / "project.yaml"
    path.write_text(path.read_text().replace("0.1.0", "3.0.0"))
    bundle.write_sums(other)
    assert len(told("index", folder, other, "--output", "zoo", cwd=tmp_path)["models"]) == 2


@pytest.fixture
def served(folder: Path, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [*COMMAND, "serve", str(folder), "--port", str(port)],
        env={"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}, cwd=tmp_path,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        # It ends what it began, and then as somebody who was asked to end.
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)


def test_it_serves_until_it_is_stopped(served: str, folder: Path) -> None:
    require(importlib.util.find_spec("uvicorn"), "uvicorn isn't installed")
    from support.serving import _answers, post

    for _ in range(600):
        if _answers(served):
            break
        time.sleep(0.1)
    with urllib.request.urlopen(f"{served}/version", timeout=30) as answer:
        assert json.load(answer)["version"] == bundle.read_signature(folder).version
    request = json.loads((folder / bundle.REQUEST).read_text())
    status, found = post(served, request)
    assert status == 200
    assert len(found["predictions"]) == len(request["inputs"])
    checks = told("verify", folder, "--url", served, cwd=folder.parent)["checks"]
    assert {check["face"] for check in checks if check["passed"]} == {"ONNX Runtime", "server"}


def test_a_server_that_is_not_there_is_one_line(folder: Path, tmp_path: Path) -> None:
    done = ask("verify", folder, "--url", f"http://127.0.0.1:{free_port()}", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no answer" in done.stderr
    assert "is a server running there?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ["verify", "nothing"],
            1,
            "error: nothing: there is no bundle (no signature.json): give its folder, or its DOI",
        ),
        (["show", "."], 1, "there is no bundle (no signature.json)"),
        (["serve", "nothing"], 1, "error: nothing: there is no bundle"),
        (["predict", "nothing"], 2, "Missing argument"),
        (["predict", "nothing", "none.npz"], 1, "error: none.npz: no such file"),
        (["fly"], 2, "No such command"),
        (["show", "10.1234/other"], 1, "error: DOI: got 10.1234/other, expected one of Zenodo"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    done = ask(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_what_the_library_asks_for_is_enough(folder: Path, tmp_path: Path) -> None:
    """Installed as an index would give it, where there is nothing but what its metadata ask for."""
    stranger = Stranger(tmp_path / "venv", *CORE)
    wheel = built_wheel(tmp_path / "wheel")
    for arguments in (("install", "--no-index", str(wheel)), ("check",)):
        done = stranger.pip(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    program = f"""
import sys
import fair_hep
model = fair_hep.load({str(folder)!r}, threads=1)
import numpy as np
inputs = np.load({str(folder / "examples" / "inputs.npz")!r})["particles"][:2]
assert len(model.predict(inputs)["logits"]) == len(model.explain(inputs)) == 2
assert all(check.passed for check in model.verify())
assert model.cite().bibtex.startswith("@")
import fair_hep.cli.bundles
"""
    done = stranger.run("python", "-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for verb in ("show", "verify", "cite", "explain"):
        done = stranger.run("fair-hep", verb, str(folder), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    done = stranger.run("fair-hep", "plot", str(folder), "--output", "why.png", cwd=tmp_path)
    assert done.stderr.startswith(
        "error: plot needs matplotlib: in a project `make install` brings them, in a bundle's"
    )
    assert done.stderr.endswith("-py3-none-any.whl[plot]'`\n")
