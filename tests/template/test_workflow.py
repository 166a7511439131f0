"""The workflow of a project: Snakemake starts every verb once and in order, and what it makes is what `run` makes."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from cookiecutter.main import cookiecutter

from fair_hep.bundle.files import sha256
from fair_hep.project.run import CHAIN, run
from fair_hep.project.seeds import members, training_seed
from fair_hep.provenance.configuration import load_config
from fair_hep.provenance.project import load_project
from support.documents import DOCS, blocks, script
from support.template import ROOT
from support.workflows import JOBS, REANA, snakemake, stand_in, start

pytestmark = pytest.mark.slow

SLUG = "my_tagger"
LOCKED = "Directory cannot be locked"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    answers = {"model": "custom", "project_slug": SLUG}
    place = str(tmp_path_factory.mktemp("workflow"))
    return Path(cookiecutter(str(ROOT), no_input=True, default_config=True, extra_context=answers, output_dir=place))


@pytest.fixture
def folder(generated: Path, tmp_path: Path) -> Path:
    """Give a project whose command is a stand-in."""
    made = shutil.copytree(generated, tmp_path / SLUG)
    stand_in(made, SLUG)
    return made


def finished(folder: Path, *options: str) -> str:
    """Run the workflow to its end; return what Snakemake said."""
    process = snakemake(folder, "--cores", "2", *options)
    said, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, said
    return said


def calls(folder: Path) -> list[str]:
    """Return the commands that were called since one asked last, without what all of them have."""
    path = folder / "calls.txt"
    found = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [re.sub(r" --config configs/quick.yaml --json$", "", call) for call in found]


def change(folder: Path, section: str, **values: object) -> None:
    path = folder / "configs" / "quick.yaml"
    known = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**known, section: {**known.get(section, {}), **values}}))


def wait_for(path: Path) -> None:
    end = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < end, f"{path} doesn't come"
        time.sleep(0.05)


def test_the_chain_of_run_once_and_then_what_changed(folder: Path) -> None:
    """What was learned and measured stays if only the explanation is to be another."""
    finished(folder)
    assert calls(folder) == list(CHAIN)
    assert {path.stem for path in (folder / JOBS).glob("*.json")} == set(CHAIN)
    assert "Nothing to be done" in finished(folder)
    change(folder, "explain", size=7)
    finished(folder)
    assert calls(folder) == ["explain", "export", "verify", "register"]
    change(folder, "train", epochs=2)
    finished(folder)
    assert calls(folder) == list(CHAIN[1:])  # a training that was finished isn't resumed


def test_parts_by_one_number(folder: Path) -> None:
    finished(folder, "--config", "parts=3")
    found = calls(folder)
    for verb in ("data", "evaluate", "explain"):
        parts = [f"{verb} --part {number}/3" for number in (1, 2, 3)]
        assert sorted(call for call in found if call.startswith(f"{verb} ")) == [f"{verb} --join 3", *parts]
        assert found.index(f"{verb} --join 3") > max(found.index(part) for part in parts)
    assert min(found.index(f"explain --part {number}/3") for number in (1, 2, 3)) > found.index("train")
    assert found.index("explain --join 3") > found.index("evaluate --join 3")  # it tells what was measured
    assert len(found) == len(CHAIN) + 9
    finished(folder, "--config", "parts=2")  # another division is other work, and the data stay for who reads them
    assert "explain --part 2/2" in calls(folder)


def test_trainings_with_several_seeds_are_jobs_of_their_own(folder: Path) -> None:
    """Names and seeds are those that the library gives them."""
    change(folder, "train", seeds=3)
    expected = members(load_config(folder / "configs" / "quick.yaml"))
    finished(folder)
    trained = [call for call in calls(folder) if call.startswith("train")]
    assert trained[-1] == "train --resume"  # finds them finished, and counts them together
    first, *others = sorted(trained[:-1])
    assert first == "train train.seeds=1 name=quick"
    assert others == [f"train train.seeds=1 name={one.name} train.seed={training_seed(one)}" for one in expected[1:]]


def test_a_failed_verb_ends_it_and_the_next_start_goes_on(folder: Path) -> None:
    (folder / "fail-train").touch()
    process = snakemake(folder, "--cores", "1")
    said, _ = process.communicate(timeout=1200)
    assert process.returncode == 1
    assert "Error in rule train" in said
    assert (folder / JOBS / "train.log").read_text() == "error: the train is to fail\n"
    (folder / "fail-train").unlink()
    finished(folder)
    assert calls(folder) == ["data", "train", "train --resume", *CHAIN[2:]]


def test_one_workflow_at_a_time_and_one_that_was_killed_goes_on(folder: Path) -> None:
    waiting = folder / "wait-train"
    waiting.touch()
    first = snakemake(folder, "--cores", "1")
    wait_for(folder / "runs" / "quick" / "train" / "checkpoints" / "last.ckpt")
    second = snakemake(folder, "--cores", "1")
    said, _ = second.communicate(timeout=1200)
    assert second.returncode == 1
    assert LOCKED in said
    first.kill()
    waiting.unlink()
    first.communicate(timeout=1200)  # the training that it had started ends
    said, _ = snakemake(folder, "--cores", "1").communicate(timeout=1200)
    assert LOCKED in said  # its lock is still there
    finished(folder, "--unlock")
    finished(folder)
    assert calls(folder) == list(CHAIN)  # what ended well after its Snakemake counts


def test_resources_for_every_verb(folder: Path) -> None:
    """In the words of Slurm, HTCondor and REANA."""
    wanted = yaml.safe_load((folder / "workflow" / "config.yaml").read_text())["resources"]
    said = finished(folder, "--dry-run", "--cores", "4")
    for verb in CHAIN:
        rule = said.partition(f"rule {verb}:")[2].partition("\n\n")[0].partition("\nrule ")[0]
        memory, minutes = wanted[verb]["mem_mb"], wanted[verb]["runtime"]
        for resource in (f"mem_mb={memory}", f"request_memory={memory}", f"memory_limit={memory}Mi", f"={minutes}"):
            assert resource in rule, (verb, resource)


def test_every_command_of_the_how_to(folder: Path) -> None:
    """But for those that need a cluster: they wait for one, and their profiles are read."""
    (folder / "runs").mkdir()
    text = (DOCS / "how-tos" / "run-on-a-cluster.md").read_text()
    process = start(folder, "bash", "-euo", "pipefail", "-c", script(blocks(text)))
    said, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, said
    found = calls(folder)
    assert found[: len(CHAIN)] == list(CHAIN)
    assert "evaluate --join 4" in found
    for width in (32, 128):
        assert f"evaluate --config configs/width-{width}.yaml --json" in found
        assert load_config(folder / "configs" / f"width-{width}.yaml").model == {"width": width}
    assert (folder / "report.html").stat().st_size > 10_000
    assert all(f"[{verb}" in (folder / "jobs.mmd").read_text() for verb in CHAIN)
    profiles = folder / "home" / ".config" / "snakemake"
    for name in ("slurm", "htcondor", "kubernetes"):
        assert yaml.safe_load((profiles / name / "config.yaml").read_text())["executor"] == name


def test_the_workflow_of_reana(folder: Path) -> None:
    """REANA's own tools read the same files, with the Snakemake that they pin, and that one runs them too."""
    path = folder / "workflow" / "config.yaml"
    image = "docker.io/ada/my_tagger-chain:0.1.0"
    path.write_text(path.read_text().replace('image: ""', f"image: docker://{image}"))
    process = start(folder, "reana-client", "validate", packages=REANA)
    said, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, said
    assert "Valid REANA specification file" in said
    assert "Workflow operations appear valid" in said
    old = start(folder, "snakemake", "--cores", "1", "--config", "parts=2", packages=REANA)
    said, _ = old.communicate(timeout=1200)
    assert old.returncode == 0, said
    assert len(calls(folder)) == len(CHAIN) + 6
    (folder / "parts.yaml").write_text("parts: 2")
    program = (
        "import json; from reana_commons.snakemake import snakemake_load; "
        "print(json.dumps(snakemake_load('workflow/Snakefile', input='parts.yaml', workdir='.')['steps']))"
    )
    said, _ = start(folder, "python", "-c", program, packages=REANA).communicate(timeout=1200)
    steps = json.loads(said.splitlines()[-1])
    divided = {f"{verb}_part" for verb in ("data", "evaluate", "explain")}
    assert {step["name"] for step in steps} == {*CHAIN, *divided}
    assert {step["environment"] for step in steps} == {image}
    assert next(step for step in steps if step["name"] == "train")["kubernetes_memory_limit"] == "8000Mi"


#: Files of a bundle that say when it was made, and how many seconds that took.
TELL_TIME = ("README.md", "SHA256SUMS", "metrics.json", "provenance", "ro-crate-metadata.json")


def sums(folder: Path) -> dict[str, str]:
    """Return checksums of the files of a bundle that say nothing of the time."""
    listed = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: sha256(path) for name, path in listed.items() if not name.startswith(TELL_TIME)}


def without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_seconds(inner) for key, inner in value.items() if "seconds" not in key}
    return value


def test_run_and_the_workflow_in_parts_lead_to_the_same_bundle(generated: Path, tmp_path: Path) -> None:
    """Of the network of a project of one's own, the quickest there is."""
    by_run, by_workflow = (shutil.copytree(generated, tmp_path / name / SLUG) for name in ("run", "workflow"))
    for made in (by_run, by_workflow):
        change(made, "model", width=8)
        change(made, "train", epochs=1, limit=128)
        change(made, "evaluate", limit=100)
        change(made, "explain", size=8, figures=0, options={"trust": 2})
        change(made, "export", examples=4)
    project = load_project(by_run)
    run(project, load_config(by_run / "configs" / "quick.yaml"))
    command = by_workflow / ".venv" / "bin" / SLUG
    command.parent.mkdir(parents=True)
    path = f"{ROOT / 'src'}:{by_workflow / 'src'}"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {sys.executable} -P -m fair_hep.cli "$@"\n')
    command.chmod(0o755)
    finished(by_workflow, "verify", "--cores", "1", "--config", "parts=2", "divided=[explain]")
    told = json.loads((by_workflow / JOBS / "verify.json").read_text())
    assert all(check["passed"] for check in told["checks"])
    assert sums(by_workflow / "bundle") == sums(by_run / "bundle")
    assert {"weights.safetensors", "model.onnx"} <= sums(by_run / "bundle").keys()
    first, second = (json.loads((made / "bundle" / "metrics.json").read_text()) for made in (by_run, by_workflow))
    assert without_seconds(first) == without_seconds(second)
