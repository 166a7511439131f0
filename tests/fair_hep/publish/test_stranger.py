"""Whoever has only the DOI: the record brings the library and the model, and its card says how to use them."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from fair_hep import bundle
from fair_hep.bundle.errors import ConfigError
from fair_hep.bundle.files import read_json, sha256
from fair_hep.describe.software import LICENCE, SOFTWARE, carry
from fair_hep.project import publish
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project, load_project
from support.containers import free_port
from support.deposits import TOKEN, Deposits, add_deposits
from support.published import copy
from support.strangers import CORE, Stranger, built_wheel
from support.zenodo import Zenodo

Bundled = tuple[Project, Config]
HEAVY = ("torch", "mlflow", "pandas", "matplotlib", "requests", "onnx", "awkward", "starlette", "PIL")
#: What a stranger does with a browser: look at the record, fetch its archive and unpack it.
FETCH = """
import io, json, sys, urllib.request, zipfile
number = sys.argv[1].rpartition(".")[2]
with urllib.request.urlopen(f"https://sandbox.zenodo.org/api/records/{number}") as answer:
    (file,) = [file for file in json.load(answer)["files"] if file["key"].endswith(".zip")]
with urllib.request.urlopen(file["links"]["self"]) as answer:
    zipfile.ZipFile(io.BytesIO(answer.read())).extractall("record")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def project(bundled: Bundled, wheel: Path, tmp_path: Path) -> Project:
    made, _ = copy(bundled, tmp_path / "project")
    (made.root / "vendor").mkdir()
    (made.root / "vendor" / wheel.name).write_bytes(wheel.read_bytes())
    return made


@pytest.fixture
def drafts(zenodo: Zenodo, monkeypatch: pytest.MonkeyPatch) -> Deposits:
    monkeypatch.setenv("ZENODO_TOKEN", TOKEN)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return add_deposits(zenodo)


def _published(project: Project) -> str:
    doi: str = publish.run(project, target="zenodo")["doi"]
    publish.run(load_project(project.root), release=True)
    return doi


def test_from_the_doi_alone_to_a_picture(
    project: Project, drafts: Deposits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doi = _published(project)
    monkeypatch.delenv("ZENODO_TOKEN")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    stranger, home = Stranger(tmp_path / "venv", *CORE), tmp_path / "home"
    home.mkdir()
    _ok(stranger.run("python", "-", doi, cwd=home, stdin=FETCH))
    (record,) = (home / "record").iterdir()
    assert (record / "README.md").is_file()
    shell, program = _snippet(record, "With the library fair-hep")

    # What the card says, to the letter; pip reaches no index, and what it needs is there.
    sums, install, show = shell
    assert sums == f"sha256sum --check --quiet {bundle.SUMS}"
    assert subprocess.run(sums.split(), cwd=record, check=False).returncode == 0
    verb, *arguments = install.removeprefix("pip ").split()
    assert verb == "install"
    _ok(stranger.pip("install", "--no-index", *arguments, cwd=record))
    _ok(stranger.pip("check", cwd=record))
    absent = f"import importlib.util as i; print([n for n in {HEAVY} if i.find_spec(n)])"
    assert _ok(stranger.run("python", "-c", absent, cwd=home)).strip() == "[]"
    told = _ok(stranger.run(*show.split(), cwd=record))
    assert "input particles [jets, constituents, component 4] float32: E (GeV)" in told
    count = bundle.read_examples(record).count
    done = stranger.run("python", "-", cwd=record, stdin=f"{program}\nprint(outputs['logits'].shape, len(why))")
    assert _ok(done) == f"({count}, 2) {count}\n"
    _, alone = _snippet(record, "With ONNX Runtime alone")
    assert "fair_hep" not in alone
    assert "relevances and ledger together" in _ok(stranger.run("python", "-", cwd=record, stdin=alone))

    # The command, from the DOI.
    assert "logits" in _ok(stranger.run("fair-hep", "verify", doi, cwd=home))
    kept = tmp_path / "cache" / "fair-hep"
    assert len([path for path in kept.iterdir() if path.is_dir()]) == 1
    inputs = str(record / "examples" / "inputs.npz")
    _ok(stranger.run("fair-hep", "predict", doi, inputs, "--output", "scores.csv", cwd=home))
    with (home / "scores.csv").open(newline="") as stream:
        assert len(list(csv.reader(stream))) == bundle.read_examples(record).count + 1
    explained = json.loads(_ok(stranger.run("fair-hep", "explain", doi, "--count", "1", "--json", cwd=home)))
    assert len(explained["explanations"]) == 1
    assert f"https://doi.org/{doi}" in _ok(stranger.run("fair-hep", "cite", doi, cwd=home))
    (wheel,) = (record / "software").glob("*.whl")
    carried = f"in a project `make install` brings them, in a bundle's folder `pip install 'software/{wheel.name}"
    missing = stranger.run("fair-hep", "plot", doi, "--output", "why.png", cwd=home)
    assert missing.returncode == 1
    assert missing.stderr.strip() == f"error: plot needs matplotlib: {carried}[plot]'`"
    missing = stranger.run("fair-hep", "serve", doi, cwd=home)
    assert missing.stderr.strip() == f"error: serve needs prometheus_client, starlette, uvicorn: {carried}[serve]'`"
    stranger.offer("prometheus_client", "starlette", "uvicorn")
    _ask(stranger, record)
    _ok(stranger.run("fair-hep", "index", str(record), "--output", "zoo", cwd=home))
    assert "Tiny tagger" in (home / "zoo" / "index.html").read_text()
    stranger.offer("matplotlib")
    _ok(stranger.run("fair-hep", "plot", doi, "--output", "why.png", cwd=home))
    assert (home / "why.png").stat().st_size > 10_000


def _ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _snippet(record: Path, title: str) -> tuple[list[str], str]:
    """Return the lines for a shell and the program of one of the card's ways to an answer."""
    section = (record / "README.md").read_text().partition(f"\n### {title}\n")[2].partition("\n##")[0]
    shell = "".join(re.findall(r"```bash\n(.*?)```", section, re.DOTALL))
    program = "".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
    return shell.strip().splitlines(), program


def _ask(stranger: Stranger, record: Path) -> None:
    """Serve the bundle and ask it, as the card says, at a port that is free."""
    (install, serve, *asked), _ = _snippet(record, "Over HTTP")
    assert install.startswith('pip install "software/fair_hep-')
    assert install.endswith('.whl[serve]"')
    port = str(free_port())
    program, *arguments = serve.replace("8080", port).split()
    server = subprocess.Popen([stranger.folder / "bin" / program, *arguments], cwd=record, stdout=subprocess.DEVNULL)
    try:
        end = time.time() + 60
        while subprocess.run(["curl", "--silent", f"http://127.0.0.1:{port}/ping"], check=False).returncode:
            assert server.poll() is None
            assert time.time() < end
        for line in asked:
            command = ["bash", "-c", line.replace("8080", port)]
            done = subprocess.run(command, cwd=record, capture_output=True, text=True, check=True)
            answers = json.loads(done.stdout)["predictions"]
            assert {"logits", "probabilities", "outside"} <= set(answers[0])
        assert len(answers[0]["relevance"]) == 3
    finally:
        server.kill()
        server.wait()
    assert bundle.check_files(record)


def test_the_archive_holds_the_wheel_of_the_project_and_its_sums_say_so(project: Project, wheel: Path) -> None:
    found = publish.run(project)
    assert f"{SOFTWARE}/{wheel.name}: travels with the bundle" in "\n".join(found["headline"])
    with zipfile.ZipFile(project.root / found["archive"]) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".whl")]
        assert name == f"{project.slug}-0.1.0/{SOFTWARE}/{wheel.name}"
        assert archive.read(name) == wheel.read_bytes()
    listed = (project.bundle / bundle.SUMS).read_text()
    assert f"{sha256(wheel)}  {SOFTWARE}/{wheel.name}\n" in listed
    with zipfile.ZipFile(wheel) as opened:
        (about,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        assert f"License-Expression: {LICENCE}\n" in opened.read(about).decode()
    crate = {entity["@id"]: entity for entity in read_json(project.bundle / "ro-crate-metadata.json")["@graph"]}
    assert crate[f"{SOFTWARE}/{wheel.name}"]["license"]["@id"] == f"https://spdx.org/licenses/{LICENCE}"
    assert crate[f"https://spdx.org/licenses/{LICENCE}"]["description"].endswith("library")
    assert bundle.check_files(project.bundle)


def test_another_version_takes_the_place_of_the_one_before(project: Project, wheel: Path) -> None:
    publish.run(project)
    newer = wheel.name.replace("0.2.0", "0.2.1")
    (project.root / "vendor" / wheel.name).rename(project.root / "vendor" / newer)
    publish.run(project)
    assert [path.name for path in (project.bundle / SOFTWARE).iterdir()] == [newer]
    assert f"pip install {SOFTWARE}/{newer}" in (project.bundle / "README.md").read_text()


def test_without_a_wheel_one_line_says_so_and_the_card_names_the_library(bundled: Bundled, tmp_path: Path) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    found = publish.run(project)
    assert "no wheel of fair-hep in vendor/" in "\n".join(found["headline"])
    card = (project.bundle / "README.md").read_text()
    assert "from fair_hep import load" in card
    assert "pip install" not in card


def test_of_two_wheels_none_is_chosen(project: Project, wheel: Path) -> None:
    (project.root / "vendor" / wheel.name.replace("0.2.0", "0.2.1")).write_bytes(b"")
    with pytest.raises(ConfigError, match=r"vendor/: got fair_hep-.*, fair_hep-.*, expected one wheel"):
        carry(project.root, project.bundle)
