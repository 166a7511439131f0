"""The site is built without a warning, its links lead somewhere, and its pages can be read on a phone and heard."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from filelock import FileLock

import fair_hep
from fair_hep.bundle import schema
from fair_hep.bundle.folder import REQUIRED
from fair_hep.cli import bundles
from fair_hep.cli import project as projects
from support.browser import opened
from support.kept import ARCHIVES
from support.site import Page, broken, build, foreign, look
from support.template import ROOT

#: Pages that axe-core hears, one of each kind; all others are made of the same pieces.
AUDITED = (
    "index.html", "search.html", "tutorials/first-project.html", "explanation/jets-study.html", "reference/lrp.html",
    "reference/questions.html",
)  # fmt: skip
#: Width of a phone.
PHONE = 390


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Build the site once, whichever process needs it first."""
    shared = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    folder = shared / "docs"
    with FileLock(shared / "docs.lock"):
        if not (folder / "site" / "searchindex.js").is_file():
            folder.mkdir(exist_ok=True)
            build(folder)
    return folder / "site"


@pytest.mark.slow
def test_every_page_is_there(site: Path) -> None:
    sources = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert len(sources) > 20
    for source in sources:
        assert (site / source.with_suffix(".html")).is_file(), source


@pytest.mark.slow
def test_links_lead_somewhere(site: Path) -> None:
    assert list(broken(site)) == []
    assert list(foreign(site)) == []


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text(
        '<link rel="stylesheet" href="https://fonts.example.org/a.css"><script src="//cdn.example.org/a.js"></script>'
        '<h1 id="here"></h1><a href="#here"></a><a href="index.html#there"></a><a href="gone.html"></a>'
        '<a href="http://example.org"></a><a href="https://nowhere"></a><a href="https://example.org/b#c"></a>'
    )
    assert [line.partition(": ")[2] for line in broken(tmp_path)] == [
        "index.html#there leads to no place in it", "gone.html leads to no file", "http://example.org is no address",
        "https://nowhere is no address", "//cdn.example.org/a.js is no address",
    ]  # fmt: skip
    assert sorted(line.partition(": ")[2] for line in foreign(tmp_path)) == [
        "//cdn.example.org/a.js", "https://fonts.example.org/a.css",
    ]  # fmt: skip


@pytest.mark.slow
def test_every_public_name_has_its_place(site: Path) -> None:
    ids = Page(site / "reference" / "python.html").ids
    assert {f"fair_hep.{name}" for name in fair_hep.__all__} <= ids
    source = (ROOT / "docs" / "reference" / "python.md").read_text()
    named = re.findall(r"^\.\. auto(?:class|function|data|exception):: (\w+)$", source, re.MULTILINE)
    assert sorted(named) == sorted(fair_hep.__all__)


@pytest.mark.slow
def test_every_command_has_its_place(site: Path) -> None:
    page = (site / "reference" / "command-lines.html").read_text(encoding="utf-8")
    for program, command in (("fair-hep", bundles.command), ("top_tagger", projects.command)):
        for name, verb in command.commands.items():
            assert f'id="{program}-{name}"'.replace("_", "-") in page.replace("_", "-"), name
            for option in verb.params:
                assert all(part in page for part in option.opts if part.startswith("--")), (name, option.opts)


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_the_page_of_the_bundle_names_every_file(archive: Path) -> None:
    page = (ROOT / "docs" / "reference" / "bundle.md").read_text()
    told = set(re.findall(r"`([^`\n]+)`", page))
    told |= {f"examples/{name}" for name in told}  # said once for all of a row
    with tarfile.open(archive) as opened:
        held = [member.name.partition("/")[2] for member in opened.getmembers() if member.isfile()]
    for name in {*REQUIRED, *held}:
        assert name in told or f"{name.partition('/')[0]}/" in told, name


@pytest.mark.slow
def test_the_schema_is_that_of_the_code(site: Path) -> None:
    assert json.loads((site / "schema" / "bundle.json").read_text()) == json.loads(json.dumps(schema()))


@pytest.mark.slow
def test_pages_fit_a_phone_and_can_be_heard(site: Path, tmp_path: Path) -> None:
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    for seen in look(site, pages, AUDITED, tmp_path, width=PHONE):
        assert seen.width <= PHONE, f"{seen.page} is {seen.width} wide"
        assert seen.violations == [], seen.page
        assert seen.passes > 10 or seen.page not in AUDITED


@pytest.mark.slow
def test_a_page_that_is_too_wide_and_silent_is_found(tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text('<html><div style="width: 900px"><img src="a.png" width="9" height="9"></div>')
    (seen,) = look(tmp_path, ["bad.html"], ["bad.html"], tmp_path, width=PHONE)
    assert seen.width >= 900
    assert {"image-alt", "html-has-lang"} <= {line.partition(":")[0] for line in seen.violations}


@pytest.mark.slow
def test_the_search_finds_without_asking_anybody(site: Path, tmp_path: Path) -> None:
    # A page that lies in a file may look into another one, as a server's may.
    options = ("--allow-file-access-from-files",)
    found = opened(site / "search.html", tmp_path, "?q=stabiliser", width=PHONE, options=options)
    assert found.requested == []
    assert found.console == []
    assert re.search(r'<a href="[^"]*reference/[^"]*"[^>]*>Relevance: rules', found.document)


@pytest.fixture(scope="module")
def versions() -> ModuleType:
    """Import the script that puts the versions together, which needs nothing but Python."""
    spec = importlib.util.spec_from_file_location("versions", ROOT / "docs" / "building" / "versions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages(folder: Path, text: str, place: str) -> Path:
    """Write two pages as Sphinx leaves them."""
    for name in ("index.html", "reference/python.html"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f'<!doctype html>{text}<a href="https://example.org">b</a>{place}')
    return folder


def archived(folder: Path, target: Path) -> Path:
    shutil.make_archive(str(target.with_suffix("")), "zip", folder)
    return target


def test_versions_lie_side_by_side_and_know_each_other(versions: ModuleType, tmp_path: Path) -> None:
    latest = pages(tmp_path / "built", "newest", versions.PLACE)
    old = [
        archived(pages(tmp_path / name, name, versions.PLACE), tmp_path / f"site-{name}.zip")
        for name in ("v0.2.0", "v0.10.0")
    ]
    output = tmp_path / "site"
    versions.main([str(output), f"latest={latest}", *map(str, old)])
    assert sorted(path.name for path in output.iterdir()) == [".nojekyll", "index.html", "latest", "v0.10.0", "v0.2.0"]
    # The newest release is what a visitor sees first; v0.10.0 is newer than v0.2.0.
    assert "url=v0.10.0/index.html" in (output / "index.html").read_text()
    inner = (output / "v0.2.0" / "reference" / "python.html").read_text()
    assert inner.startswith("<!doctype html>v0.2.0")
    assert re.findall(r'<li[^>]*>(?:<a href="([^"]+)">)?([^<]+)', inner) == [
        ("../../latest/index.html", "latest"), ("../../v0.10.0/index.html", "v0.10.0"), ("", "v0.2.0"),
    ]  # fmt: skip
    assert list(broken(output)) == []
    assert (latest / "index.html").read_text().count("<li") == 0, "what was built stays as it was"


def test_a_site_without_releases_leads_to_the_latest(versions: ModuleType, tmp_path: Path) -> None:
    versions.main([str(tmp_path / "site"), f"latest={pages(tmp_path / 'built', '', versions.PLACE)}"])
    assert "url=latest/index.html" in (tmp_path / "site" / "index.html").read_text()


@pytest.mark.parametrize(
    ("name", "inside", "said"),
    [
        ("site-latest.zip", "index.html", r"expected the name site-vX\.Y\.Z\.zip"),
        ("site-v1.0.0.zip", "../index.html", r"site-v1\.0\.0\.zip: \.\./index\.html: not a site of ours"),
        ("site-v1.0.0.zip", "page.html", "there is no index.html"),
    ],
)  # fmt: skip
def test_what_is_no_site_is_refused(versions: ModuleType, tmp_path: Path, name: str, inside: str, said: str) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr(inside, "")
    latest = pages(tmp_path / "built", "", versions.PLACE)
    with pytest.raises(SystemExit, match=said):
        versions.main([str(tmp_path / "site"), f"latest={latest}", str(tmp_path / name)])
    with pytest.raises(SystemExit, match="expected OUTPUT latest=FOLDER"):
        versions.main([str(tmp_path / "other")])
    assert not (tmp_path / "index.html").exists()


@pytest.mark.slow
def test_every_page_has_the_place_for_versions(site: Path, versions: ModuleType) -> None:
    for path in site.rglob("*.html"):
        assert path.read_text(encoding="utf-8").count(versions.PLACE) == 1, path
