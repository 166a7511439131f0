"""Which library ran, and that it is the one that the project asks for."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from fair_hep import provenance
from fair_hep.bundle.errors import ConfigError
from fair_hep.provenance import library
from fair_hep.provenance.library import Library, installed, require_pinned
from support.small import make_config, make_project

WHEEL = "vendor/fair_hep-1.2.3+gabc-py3-none-any.whl"
CONTENT = b"a wheel"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    (tmp_path / "vendor").mkdir()
    (tmp_path / WHEEL).write_bytes(CONTENT)
    reference = f"fair-hep @ {{root:uri}}/{WHEEL}#sha256={DIGEST}"
    (tmp_path / "pyproject.toml").write_text(f'[project]\ndependencies = ["numpy", "{reference}"]\n')
    return tmp_path


def have(found: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "installed", lambda: found)


def test_in_place_the_commit_is_known() -> None:
    found = installed()
    assert found.in_place
    assert found.sha256 is None
    assert found.commit == provenance.git_commit(Path(library.__file__).parent)


def test_every_provenance_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fair_hep.provenance.steps.installed", lambda: Library("1.2.3+gabc", DIGEST))
    project = make_project(tmp_path / "project")
    provenance.record(tmp_path, project, make_config(project), "train", inputs={})
    values = provenance.require(tmp_path, "train")
    assert values["library"] == {"version": "1.2.3+gabc", "sha256": DIGEST, "in_place": False, "commit": None}


@pytest.mark.parametrize("digest", [DIGEST, None])
def test_the_wheel_that_is_pinned_may_run(pinned: Path, monkeypatch: pytest.MonkeyPatch, digest: str | None) -> None:
    have(Library("1.2.3+gabc", digest), monkeypatch)
    require_pinned(pinned)


@pytest.mark.parametrize("found", [Library("1.2.3+gabc", "0" * 64), Library("1.2.3"), Library("9.9", DIGEST)])
def test_another_one_is_refused(pinned: Path, monkeypatch: pytest.MonkeyPatch, found: Library) -> None:
    have(found, monkeypatch)
    said = f"fair-hep {found.version} is installed, not fair_hep-1.2.3+gabc-py3-none-any.whl as pyproject.toml asks"
    with pytest.raises(ConfigError, match=re.escape(said)) as error:
        require_pinned(pinned)
    assert "\n" not in str(error.value)
    assert "run `make install`" in str(error.value)


def test_a_damaged_or_missing_wheel_is_refused(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    have(Library("1.2.3+gabc", DIGEST), monkeypatch)
    (pinned / WHEEL).write_bytes(CONTENT + b"x")
    with pytest.raises(
        ConfigError, match=rf"gabc-py3-none-any\.whl: damaged or replaced: got .* expected {DIGEST[:12]}"
    ):
        require_pinned(pinned)
    (pinned / WHEEL).unlink()
    with pytest.raises(ConfigError, match=r"there is no such file, and pyproject\.toml asks for it"):
        require_pinned(pinned)


def test_a_library_in_place_may_be_any(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    have(Library("7.0", in_place=True), monkeypatch)
    (pinned / WHEEL).unlink()
    require_pinned(pinned)


@pytest.mark.parametrize("text", [None, "", '[project]\ndependencies = ["fair-hep>=1"]\n'])
def test_who_asks_for_none_gets_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    have(Library("7.0", "0" * 64), monkeypatch)
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    require_pinned(tmp_path)
