"""`evaluate` and `explain` in parts: joined they are what one run makes, and what doesn't belong is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fair_hep.bundle.errors import ConfigError, MissingStepError, ProjectError
from fair_hep.bundle.files import read_json, write_json
from fair_hep.bundle.parts import Part
from fair_hep.models.recipe import recipe
from fair_hep.project import evaluate, explain
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project, load_project
from fair_hep.study import sets
from fair_hep.study.passes import explain_block
from fair_hep.study.work import Work
from support.needs import require
from support.small import call, make_config

#: In blocks of four examples, and batches of sixty.
OPTIONS = ("evaluate.batch_size=60", "explain.options={trust: 0, controls: 2, control_size: 6}")
VERBS = {"evaluate": evaluate, "explain": explain}


@pytest.fixture
def here(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Project, Config]:
    monkeypatch.setattr(sets, "BLOCK", 4)
    shutil.copytree(project.root, tmp_path / "project", symlinks=True)
    copied = load_project(tmp_path / "project")
    return copied, make_config(copied, *OPTIONS)


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a result but its provenance, which has the time."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "provenance.json"
    }


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "of"), [("evaluate", 7), ("explain", 2)])
def test_parts_are_joined_to_what_one_run_makes(here: tuple[Project, Config], verb: str, of: int) -> None:
    run, (project, config) = VERBS[verb].run, here
    folder = project.run(config.name, verb)
    run(project, config)
    whole = contents(folder)
    shutil.rmtree(folder)
    for number in range(of, 0, -1):
        run(project, config, part=Part(number, of))
    run(project, config, join=of)
    joined = contents(folder)
    assert joined.keys() == whole.keys()
    assert [name for name in whole if joined[name] != whole[name]] == [], "byte by byte"


@pytest.mark.slow
def test_joining_explains_nothing_again(here: tuple[Project, Config], monkeypatch: pytest.MonkeyPatch) -> None:
    project, config = here
    for number in (1, 2):
        explain.run(project, config, part=Part(number, 2))
    monkeypatch.setattr(sets, "explain_block", None)
    explain.run(project, config, join=2)


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_what_does_not_belong_together_is_refused(here: tuple[Project, Config], verb: str) -> None:
    run, (project, config) = VERBS[verb].run, here
    folder = project.run(config.name, verb).with_name(f"{verb}-parts")
    run(project, config, part=Part(1, 2))
    with pytest.raises(MissingStepError, match=rf"{verb}-parts/2-of-2 is missing: run `{verb} --part 2/2` first"):
        run(project, config, join=2)
    other = make_config(project, *OPTIONS, "evaluate.limit=200", "explain.size=11")
    run(project, other, part=Part(2, 2))
    with pytest.raises(ProjectError, match=r"2-of-2: was made from another configuration than 1-of-2"):
        run(project, config, join=2)
    run(project, other, part=Part(1, 2))
    with pytest.raises(ProjectError, match=r"1-of-2: was made from other weights, data, settings or versions than"):
        run(project, config, join=2)
    for number in (1, 2):
        run(project, config, part=Part(number, 2))
    (file,) = [folder / "2-of-2" / name for name in list(read_json(folder / "2-of-2/provenance.json")["files"])[-1:]]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(
        ProjectError, match=rf"{file.name}: isn't what its part noted; make it again by `{verb} --part 2"
    ):
        run(project, config, join=2)


@pytest.mark.slow
def test_weights_of_another_training_are_smuggled_in_vain(here: tuple[Project, Config]) -> None:
    project, config = here
    explain.run(project, config, part=Part(1, 2))
    weights = project.run(config.name, "train") / "weights.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-4] + b"\0\0\0\0")
    explain.run(project, config, part=Part(2, 2))
    weights.write_bytes(kept)
    with pytest.raises(ProjectError, match=r"2-of-2: was made from other files than 1-of-2"):
        explain.run(project, config, join=2)


@pytest.mark.slow
def test_an_interrupted_part_goes_on(here: tuple[Project, Config], monkeypatch: pytest.MonkeyPatch) -> None:
    project, config = here
    honest = explain_block
    seen: list[list[int]] = []

    def killed(work: Work, indices: list[int], tell: Any) -> object:
        if len(seen) == 1:
            raise KeyboardInterrupt
        seen.append(indices)
        return honest(work, indices, tell)

    monkeypatch.setattr(sets, "explain_block", killed)
    with pytest.raises(KeyboardInterrupt):
        explain.run(project, config, part=Part(1, 1))
    place = project.run(config.name, "explain").with_name("explain-parts") / "1-of-1"
    assert len(list(place.rglob("block-*.npz"))) == 1
    assert not (place / "provenance.json").exists()
    with pytest.raises(MissingStepError):
        explain.run(project, config, join=1)
    seen.clear()

    def counted(work: Work, indices: list[int], tell: Any) -> object:
        seen.append(indices)
        return honest(work, indices, tell)

    monkeypatch.setattr(sets, "explain_block", counted)
    explain.run(project, config, part=Part(1, 1))
    assert len(seen) == 2 + 2 * 2, "three blocks, one is there, and two of each untrained network"


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_no_part(here: tuple[Project, Config]) -> None:
    project, config = here
    parts = project.run(config.name, "explain").with_name("explain-parts")
    parts.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(parts)]
    require(subprocess.run(mount, capture_output=True, check=False).returncode == 0, "no file system can be mounted")
    try:
        done = call(project, "explain", "--part", "1/1", *OPTIONS, "explain.size=200")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("error: no space is left")
        assert "make room, and give the same command again" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (parts / "1-of-1" / "provenance.json").exists()
        subprocess.run(["mount", "-o", "remount,size=64m", str(parts)], check=True)
        assert call(project, "explain", "--part", "1/1", *OPTIONS, "explain.size=200").returncode == 0
        assert call(project, "explain", "--join", "1", *OPTIONS, "explain.size=200").returncode == 0
        logs = project.root / "runs" / "logs"
        assert {"explain-1-of-1.log", "explain.log"} <= {path.name for path in logs.iterdir()}
    finally:
        subprocess.run(["umount", str(parts)], check=True)


@pytest.mark.slow
def test_a_model_that_cannot_share_says_so(here: tuple[Project, Config], monkeypatch: pytest.MonkeyPatch) -> None:
    project, config = here
    monkeypatch.setattr(type(recipe(project)), "explanations", lambda *given: ())
    for asked in ({"part": Part(1, 2)}, {"join": 2}):
        with pytest.raises(ConfigError, match=r"doesn't say in what blocks .* explain without them"):
            explain.run(project, config, **asked)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--part", "5/4"], "--part: got '5/4', expected NUMBER/OF"),
        (["--part", "1/2", "--join", "2"], "give one of them at a time"),
    ],
)
def test_what_is_no_part_is_one_line(project: Project, words: list[str], line: str) -> None:
    done = call(project, "explain", *words)
    assert done.returncode
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_of_a_part_that_names_strange_files_is_refused(here: tuple[Project, Config]) -> None:
    project, config = here
    evaluate.run(project, config, part=Part(1, 1))
    note = project.run(config.name, "evaluate").with_name("evaluate-parts") / "1-of-1" / "provenance.json"
    write_json(note, read_json(note) | {"files": {"../../../project.yaml": "0" * 64}})
    with pytest.raises(ProjectError, match="isn't what its part noted"):
        evaluate.run(project, config, join=1)
