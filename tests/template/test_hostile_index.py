"""Whatever an index offers under the library's name, a project gets the wheel that it carries.

The name isn't ours there yet, so the index of these tests is hostile: it offers `fair-hep` in versions that a pin would
take, whose code leaves a stain. Of all else that is asked for it has empty packages: pip chooses for real.
"""

from __future__ import annotations

import email
import hashlib
import json
import re
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.package_index import PackageIndex, make_wheel
from support.template import Bake, attempt, commit, run, the_wheel

pytestmark = pytest.mark.slow

#: What builds a project, linked into an environment without anything else.
BACKEND = ("hatchling", "packaging", "pathspec", "pluggy", "trove_classifiers")
EVIL = ("0.2.0", "0.2.0+evil", "99.0")
FOUND = """
import fair_hep, json
from importlib.metadata import distribution
found = distribution("fair-hep")
print(json.dumps([found.version, json.loads(found.read_text("direct_url.json") or "{}"), fair_hep.__file__]))
"""


def requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        return [str(value) for value in email.message_from_bytes(opened.read(name)).get_all("Requires-Dist", [])]


def stub(requirement: str) -> tuple[str, bytes]:
    """Return an empty package that meets a requirement."""
    found = re.match(r"([A-Za-z0-9._-]+)(?:==([0-9.]+))?", requirement)
    assert found
    return make_wheel(re.sub(r"[-.]", "_", found[1]), found[2] or "9999", {})


@pytest.fixture
def project(bake: Bake) -> Path:
    made = bake(model="custom")
    commit(made, "generated", initial=True)
    return made


@pytest.fixture
def stain(tmp_path: Path) -> Path:
    return tmp_path / "stain"


@pytest.fixture
def index(project: Path, stain: Path) -> Iterator[PackageIndex]:
    code = f"open({str(stain)!r}, 'w').write('x')\n"
    evil = [make_wheel("fair_hep", version, {"fair_hep/__init__.py": code}) for version in EVIL]
    with PackageIndex(dict([*map(stub, requirements(the_wheel(project))), *evil])) as served:
        yield served


class Bare:
    """An environment that has nothing but what builds a project, and knows one index."""

    def __init__(self, folder: Path, index: PackageIndex) -> None:
        run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
        self.python, self.folder = folder / "bin" / "python", folder.parent
        backend = folder / "backend"
        backend.mkdir()
        for name in BACKEND:
            for path in Path(sysconfig.get_paths()["purelib"]).glob(f"{name}*"):
                if path.name == name or path.name.startswith(f"{name}-"):
                    (backend / path.name).symlink_to(path)
        (purelib,) = folder.glob("lib/python*/site-packages")
        (purelib / "backend.pth").write_text(f"{backend}\n")
        self.settings = {
            "PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": index.url, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "",
            "PIP_NO_CACHE_DIR": "1", "PIP_CONSTRAINT": "", "NO_PROXY": "127.0.0.1", "PYTHONPATH": "",
        }  # fmt: skip

    def install(self, *words: str | Path) -> None:
        pip = (sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", "--no-build-isolation")
        run(*pip, *words, cwd=self.folder, env=self.settings)

    def found(self) -> tuple[str, str | None]:
        """Return version and checksum of the library that is installed, once it has been imported."""
        version, origin, _ = json.loads(run(self.python, "-c", FOUND, cwd=self.folder, env=self.settings))
        return version, origin.get("archive_info", {}).get("hashes", {}).get("sha256")


@pytest.fixture
def bare(tmp_path: Path, index: PackageIndex) -> Bare:
    return Bare(tmp_path / "bare", index)


def vendored(project: Path) -> tuple[str, str]:
    wheel = the_wheel(project)
    return wheel.name.split("-")[1], hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_the_index_would_be_obeyed_by_a_name(bare: Bare, project: Path, stain: Path) -> None:
    """Else the tests below would pass whatever they install."""
    bare.install("fair-hep~=0.2.0")
    assert bare.found() == ("0.2.0+evil", None)
    assert stain.exists()


@pytest.mark.parametrize("how", ["plain", "editable", "extras", "eager", "git"])
def test_a_project_gets_the_wheel_that_it_carries(
    bare: Bare, project: Path, index: PackageIndex, stain: Path, how: str
) -> None:
    if how == "plain":
        bare.install(project)
    elif how == "editable":
        bare.install("--editable", project)
    elif how == "extras":
        bare.install(f"{project}[train,plot,serve,publish,fair,simulate]")
    elif how == "eager":
        bare.install(project)
        bare.install("--upgrade", "--upgrade-strategy", "eager", project)
        bare.install("--upgrade", "--upgrade-strategy", "eager", "--editable", f"{project}[train]")
    else:
        bare.install(f"my_tagger @ git+file://{project}")
    assert bare.found() == vendored(project)
    assert not stain.exists()
    assert not [path for path in index.asked if "fair" in path], "nobody may even ask for it"


def test_what_was_slipped_in_before_is_replaced(bare: Bare, project: Path, stain: Path) -> None:
    bare.install("fair-hep==99.0")
    bare.install(project)
    assert bare.found() == vendored(project)
    assert not stain.exists()


def test_a_damaged_wheel_is_not_installed(bare: Bare, project: Path) -> None:
    wheel = the_wheel(project)
    wheel.write_bytes(wheel.read_bytes() + b"x")
    command = (sys.executable, "-m", "pip", "--python", bare.python, "install", "--no-build-isolation", project)
    done = attempt(*command, cwd=bare.folder, env=bare.settings)
    assert done.returncode != 0
    assert "HASH" in done.stderr.upper()
