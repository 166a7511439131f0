"""The library in a project: one wheel, of the same bytes each time, of what git tracks and of nothing else."""

from __future__ import annotations

import base64
import csv
import email
import hashlib
import io
import re
import shutil
import sys
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter

from support.template import ROOT, TEMPLATE, attempt, commit, load, run, the_wheel

CRUFT = Path(sys.executable).with_name("cruft")
POST = load(ROOT / "hooks" / "post_gen_project.py")
ABOUT = {
    "name": "fair-hep",
    "version": "1.2.3+g",
    "description": "A library",
    "license": "MIT",
    "requires-python": ">=3.11",
    "dependencies": ["numpy>=1.26"],
    "optional-dependencies": {"plot": ["matplotlib>=3.9", "tomli>=2; python_version < '3.11'"]},
    "scripts": {"fair-hep": "fair_hep.cli:main"},
    "urls": {"Repository": "https://example.org"},
}


def bake(template: Path | str, folder: Path) -> Path:
    return Path(cookiecutter(str(template), no_input=True, default_config=True, output_dir=str(folder)))


def contents(wheel: Path) -> dict[str, bytes]:
    """Return what a wheel holds; its own folder of metadata without the version in its name."""
    with zipfile.ZipFile(wheel) as opened:
        return {re.sub(r"^fair_hep-[^/]*\.dist-info", "INFO", name): opened.read(name) for name in opened.namelist()}


def headers(metadata: bytes) -> dict[str, list[str]]:
    found: Message = email.message_from_bytes(metadata)
    return {name: sorted(str(value) for value in found.get_all(name, [])) for name in found}


@pytest.mark.slow
def test_cookiecutter_and_cruft_make_the_same_bytes(clone: Path, tmp_path: Path) -> None:
    made = [bake(clone, tmp_path / "one"), bake(clone, tmp_path / "two")]
    (tmp_path / "three").mkdir()
    run(CRUFT, "create", clone, "--no-input", "--output-dir", tmp_path / "three", cwd=tmp_path)
    wheels = [the_wheel(project) for project in (*made, tmp_path / "three" / "top_tagger")]
    assert len({(wheel.name, wheel.read_bytes()) for wheel in wheels}) == 1
    for project in (*made, tmp_path / "three" / "top_tagger"):
        digest = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
        settings = (project / "pyproject.toml").read_text()
        assert settings.count(f"{{root:uri}}/vendor/{wheels[0].name}#sha256={digest}") == 7
        assert POST.PLACEHOLDER not in settings


def test_it_holds_what_pip_packs_of_the_repository(clone: Path, tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", tmp_path / "pip", clone, cwd=tmp_path)
    (built,) = (tmp_path / "pip").iterdir()
    theirs, ours = contents(built), contents(the_wheel(bake(clone, tmp_path)))
    assert ours.keys() == theirs.keys()
    described = {"INFO/METADATA", "INFO/RECORD", "INFO/WHEEL"}
    assert {name: ours[name] for name in ours.keys() - described} == {
        name: theirs[name] for name in theirs.keys() - described
    }
    for suffix in (".py", ".js", ".css", ".yaml", ".jsonld", ".ttl", "py.typed"):
        assert any(name.endswith(suffix) for name in ours), suffix
    # Ours has no README, which changes more often than the library, and a version that names its contents.
    own, other = headers(ours["INFO/METADATA"]), headers(theirs["INFO/METADATA"])
    assert set(other) - set(own) == {"Description-Content-Type"}
    differs = {name for name in own if own[name] != other[name]}
    assert differs <= {"Version", "Metadata-Version"}
    assert re.fullmatch(re.escape(other["Version"][0]) + "[0-9a-f]{12}", own["Version"][0])


def test_it_is_a_whole_wheel_that_no_build_of_zlib_changes(project: Path) -> None:
    with zipfile.ZipFile(the_wheel(project)) as wheel:
        entries = wheel.infolist()
        assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
        assert {(entry.date_time, entry.external_attr >> 16) for entry in entries} == {
            ((2020, 2, 2, 0, 0, 0), 0o100644)
        }
        names = [entry.filename for entry in entries]
        assert names == [*sorted(names[:-1]), names[-1]]
        assert names[-1].endswith(".dist-info/RECORD")
        rows = list(csv.reader(io.StringIO(wheel.read(names[-1]).decode())))
        assert [row[0] for row in rows] == names
        for name, digest, size in rows[:-1]:
            found = hashlib.sha256(wheel.read(name)).digest()
            assert digest == "sha256=" + base64.urlsafe_b64encode(found).decode().rstrip("=")
            assert int(size) == wheel.getinfo(name).file_size


@pytest.mark.slow
@pytest.mark.parametrize("named", ["by its path", "from where it lies"])
def test_only_what_git_tracks_gets_in(clone: Path, tmp_path: Path, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = the_wheel(bake(clone, tmp_path / "before"))
    library = clone / "src" / "fair_hep"
    (clone / ".gitignore").write_text("*.log\n")
    for name in ("secret.py", "lrp/ignored.log", "lrp/.env", "lrp/__pycache__/rules.cpython-311.pyc"):
        (library / name).parent.mkdir(exist_ok=True)
        (library / name).write_bytes(b"TOKEN = 1")
    if named == "by its path":
        again = the_wheel(bake(clone, tmp_path / "after"))
    else:
        # As a shell leaves it: cookiecutter tells its hooks of the folder "." only.
        monkeypatch.chdir(clone)
        monkeypatch.setenv("PWD", str(clone))
        again = the_wheel(bake(".", tmp_path / "after"))
    assert (again.name, again.read_bytes()) == (whole.name, whole.read_bytes())
    # What git tracks counts as it is, committed or not, and names another version.
    (library / "py.typed").write_text("changed\n")
    assert the_wheel(bake(clone, tmp_path / "changed")).name != whole.name
    run("git", "add", "src/fair_hep/secret.py", cwd=clone)
    assert "fair_hep/secret.py" in contents(the_wheel(bake(clone, tmp_path / "added")))


def test_a_folder_that_is_no_checkout_works_too(clone: Path, tmp_path: Path) -> None:
    whole = the_wheel(bake(clone, tmp_path / "before"))
    shutil.rmtree(clone / ".git")
    (clone / "src" / "fair_hep" / "left.pyc").write_bytes(b"")
    assert the_wheel(bake(clone, tmp_path / "after")).read_bytes() == whole.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["text", "nothing"])
@pytest.mark.parametrize("name", ["fair_hep", "pyproject.toml", "LICENSE"])
def test_a_link_that_is_none_is_one_line(clone: Path, tmp_path: Path, name: str, how: str) -> None:
    link = clone / TEMPLATE.name / "vendor" / name
    target = str(link.readlink())
    link.unlink()
    if how == "text":
        link.write_text(target)  # as git does where there are no links
    commit(clone, "broken")
    for program in ((sys.executable, "-m", "cookiecutter", "--default-config", clone), (CRUFT, "create", clone)):
        (tmp_path / "out").mkdir(exist_ok=True)
        done = attempt(*program, "--no-input", "--output-dir", tmp_path / "out", cwd=tmp_path)
        assert done.returncode != 0
        (line,) = (line for line in done.stderr.splitlines() if line.startswith("ERROR: "))
        got = "a text file that holds a path" if how == "text" else "nothing"
        assert f"vendor/{name} of the template: got {got}, expected a symbolic link to" in line
        assert "core.symlinks=true" in line
        assert list((tmp_path / "out").iterdir()) == []


def test_a_version_without_a_local_part_is_a_release() -> None:
    files = {"fair_hep/__init__.py": b""}
    name, content = POST.wheel(files, {**ABOUT, "version": "1.2.3"}, b"MIT")
    assert name == "fair_hep-1.2.3-py3-none-any.whl"
    assert POST.wheel(files, {**ABOUT, "version": "1.2.3"}, b"MIT") == (name, content)


def test_the_version_names_all_that_goes_in() -> None:
    files = {"fair_hep/__init__.py": b"", "fair_hep/a.py": b"1"}
    variants = [
        POST.wheel(files, ABOUT, b"MIT"),
        POST.wheel({**files, "fair_hep/a.py": b"2"}, ABOUT, b"MIT"),
        POST.wheel({"fair_hep/__init__.py": b"", "fair_hep/b.py": b"1"}, ABOUT, b"MIT"),
        POST.wheel(files, {**ABOUT, "dependencies": []}, b"MIT"),
        POST.wheel(files, ABOUT, b"ISC"),
    ]
    names = [name for name, _ in variants]
    assert all(re.fullmatch(r"fair_hep-1\.2\.3\+g[0-9a-f]{12}-py3-none-any\.whl", name) for name in names)
    assert len(set(names)) == len(names)
    assert POST.wheel(dict(reversed(files.items())), ABOUT, b"MIT") == variants[0]


def test_requirements_of_an_extra_keep_their_conditions() -> None:
    text = POST.metadata(ABOUT, "1").decode()
    assert "Requires-Dist: matplotlib>=3.9; extra == 'plot'\n" in text
    assert "Requires-Dist: tomli>=2; (python_version < '3.11') and extra == 'plot'\n" in text
    assert "Requires-Dist: numpy>=1.26\n" in text
