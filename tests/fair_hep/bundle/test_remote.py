"""A published model by its DOI: fetched once, checked in every way, and nothing hostile gets onto the disk."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fair_hep import bundle
from fair_hep.bundle import remote
from fair_hep.bundle.errors import BundleError, DataError
from fair_hep.bundle.remote import cache, fetch_bundle, is_doi
from fair_hep.bundle.runtime import load
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.publish.archive import write_archive
from support.kept import kept
from support.published import copy
from support.standin import Answer, cut, drip, instead
from support.zenodo import StoredFile, Zenodo

Bundled = tuple[Project, Config]
DOI, NAME = "10.5281/zenodo.1001", "model-0.1.0.zip"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return cache()


@pytest.fixture(scope="module")
def archive(bundled: Bundled, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("archive") / NAME
    write_archive(bundled[0].bundle, path)
    return path.read_bytes()


def add(zenodo: Zenodo, content: bytes, **more: bytes | StoredFile) -> None:
    zenodo.add(1001, {NAME: content, "README.md": b"a model", **more})


def no_check(folder: Path) -> None:
    """Accept whatever is whole."""


def left(home: Path) -> list[str]:
    """Return the names of the folders in the cache."""
    return sorted(path.name for path in home.iterdir() if path.is_dir()) if home.exists() else []


def test_a_doi_is_told_from_a_folder() -> None:
    for place in (DOI, f"doi:{DOI}", f"https://doi.org/{DOI}", f" {DOI} "):
        assert is_doi(place)
    for place in ("bundle", "./10.5281", "10/model", "C:\\bundle", "https://example.org/bundle", ""):
        assert not is_doi(place)


def test_a_record_is_fetched_once_and_works_offline_after_that(zenodo: Zenodo, archive: bytes, home: Path) -> None:
    add(zenodo, archive)
    model = load(DOI)
    assert model.folder == home / "10.5281_zenodo.1001"
    assert left(home) == ["10.5281_zenodo.1001"]
    seen = len(zenodo.requests)
    assert load(f"https://doi.org/{DOI}").folder == model.folder
    assert len(zenodo.requests) == seen
    assert not list(home.glob("*.part"))


def test_of_many_that_ask_at_once_one_fetches_it(zenodo: Zenodo, home: Path, tmp_path: Path) -> None:
    """As the workers of a cluster do, who share a home; here threads, which the lock keeps apart just so."""
    write_archive(kept("particlenet", tmp_path), tmp_path / NAME)
    add(zenodo, (tmp_path / NAME).read_bytes())
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: fetch_bundle(DOI, no_check), range(4)))
    assert set(folders) == {home / "10.5281_zenodo.1001"}
    assert len([request for request in zenodo.requests if NAME in request.path]) == 1
    assert not list(home.glob("*.part"))


def test_the_doi_of_all_versions_means_the_newest(zenodo: Zenodo, archive: bytes, home: Path) -> None:
    zenodo.add(1001, {NAME: archive}, concept=1000)
    assert fetch_bundle("10.5281/zenodo.1000", no_check).name == "10.5281_zenodo.1001"
    zenodo.add(1005, {NAME: archive}, concept=1000)
    assert fetch_bundle("10.5281/zenodo.1000", no_check).name == "10.5281_zenodo.1005"


def test_a_cache_that_somebody_changed_is_fetched_again(zenodo: Zenodo, archive: bytes, home: Path) -> None:
    add(zenodo, archive)
    folder = fetch_bundle(DOI, no_check)
    (folder / "README.md").write_text("changed")
    assert fetch_bundle(DOI, no_check) == folder
    assert bundle.check_files(folder)


def test_a_cut_transfer_goes_on_where_it_was(zenodo: Zenodo, archive: bytes, home: Path) -> None:
    add(zenodo, archive)
    zenodo.fail(cut(100_000), f"*/{NAME}/content")
    zenodo.fail(instead(Answer.json({}, 503, Retry_After="1")), f"*/{NAME}/content")
    fetch_bundle(DOI, no_check)
    first, busy, rest = zenodo.seen(f"*/{NAME}/content")
    assert (first.start, busy.start, rest.start) == (None, first.sent, first.sent)
    assert first.sent + rest.sent == len(archive)


def test_a_server_without_ranges_starts_again(zenodo: Zenodo, archive: bytes, home: Path) -> None:
    add(zenodo, archive)
    home.mkdir(parents=True)
    zenodo.fail(cut(50_000), f"*/{NAME}/content")
    zenodo.fail(instead(Answer(200, archive)), f"*/{NAME}/content")
    assert bundle.check_files(fetch_bundle(DOI, no_check))


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_one_line_at_once(zenodo: Zenodo, archive: bytes, home: Path, status: int) -> None:
    add(zenodo, archive)
    zenodo.fail(instead(Answer.json({}, status)), "/api/records/*", times=9)
    with pytest.raises(DataError, match=f"zenodo.org answered {status}: ") as caught:
        load(DOI)
    assert "\n" not in str(caught.value)
    assert len(zenodo.requests) == 1


def test_without_a_network_it_is_one_line(zenodo: Zenodo, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"no whole answer from zenodo\.org .*; check the network"):
        load(DOI)


def test_a_certificate_that_is_not_trusted_is_refused(
    zenodo: Zenodo, archive: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(zenodo, archive)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DataError, match=r"certificate of zenodo\.org isn't trusted"):
        load(DOI)


def test_other_bytes_than_the_record_says_are_thrown_away(zenodo: Zenodo, archive: bytes, home: Path) -> None:
    add(zenodo, archive, **{f"{NAME}.sha256": f"{'0' * 64}  {NAME}\n".encode()})
    with pytest.raises(DataError, match="its checksum isn't what the record says"):
        load(DOI)
    zenodo.add(1001, {NAME: StoredFile(archive, checksum="md5:" + "0" * 32)})
    with pytest.raises(DataError, match="its checksum isn't what the record says"):
        load(DOI)
    zenodo.add(1001, {NAME: StoredFile(archive, size=1000)})
    with pytest.raises(DataError, match=r"more bytes than the record says \(1000\)"):
        load(DOI)
    assert left(home) == []


def test_links_and_redirects_to_another_host_are_not_followed(zenodo: Zenodo, archive: bytes, home: Path) -> None:
    zenodo.add(1001, {NAME: StoredFile(archive, link="https://sandbox.zenodo.org/api/records/1/files/x/content")})
    with pytest.raises(DataError, match=r"not on https://zenodo\.org; don't trust it"):
        load(DOI)
    add(zenodo, archive)
    zenodo.fail(instead(Answer.redirect("https://sandbox.zenodo.org/x")), "*/content")
    with pytest.raises(DataError, match="redirects to sandbox"):
        load(DOI)
    assert {request.host for request in zenodo.requests} == {"zenodo.org"}


def test_a_record_without_one_archive_is_no_model(zenodo: Zenodo, archive: bytes, home: Path) -> None:
    zenodo.add(1001, {"jets.h5": b"data"})
    with pytest.raises(DataError, match=r"expected one \.zip with a bundle, got: jets\.h5"):
        load(DOI)
    zenodo.add(1001, {NAME: archive, "other.zip": archive})
    with pytest.raises(DataError, match=r"expected one \.zip"):
        load(DOI)
    with pytest.raises(DataError, match="expected one of Zenodo"):
        load("10.1103/PhysRevD.101.056019")


def test_a_model_that_gives_other_answers_here_is_not_used(
    zenodo: Zenodo, bundled: Bundled, home: Path, tmp_path: Path
) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    path = project.bundle / "examples/outputs.npz"
    outputs = bundle.read_arrays(path)
    bundle.write_arrays(path, {name: values + 1 for name, values in outputs.items()})
    bundle.write_sums(project.bundle)
    write_archive(project.bundle, tmp_path / NAME)
    add(zenodo, (tmp_path / NAME).read_bytes())
    with pytest.raises(BundleError):
        load(DOI)
    assert left(home) == []


def test_a_bundle_that_differs_from_its_sums_is_not_used(
    zenodo: Zenodo, bundled: Bundled, home: Path, tmp_path: Path
) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    (project.bundle / "README.md").write_text("changed")
    write_archive(project.bundle, tmp_path / NAME)
    add(zenodo, (tmp_path / NAME).read_bytes())
    with pytest.raises(BundleError, match=r"README\.md changed"):
        fetch_bundle(DOI, no_check)
    assert left(home) == []


@pytest.mark.parametrize("path", ["/api/records/1001", f"/api/records/1001/files/{NAME}/content"])
def test_what_drips_is_given_up(zenodo: Zenodo, home: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    add(zenodo, b"x" * 1000)
    zenodo.fail(drip(0.02), path, times=5)
    for name, value in {"_ANSWER": 0.4, "_MINUTE": 0.2, "_TRIES": 2}.items():
        monkeypatch.setattr(remote, name, value)
    with pytest.raises(DataError, match=r"zenodo\.org (wasn't done after 0\.4 s|sends \d+ bytes a second)"):
        fetch_bundle(DOI, no_check)
    assert left(home) == []


def test_the_cache_follows_the_standard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache().parent == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the specification
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache().parent == tmp_path / ".cache"
