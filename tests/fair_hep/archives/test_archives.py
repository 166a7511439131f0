"""Data of one's own by DOI from figshare, a Dataverse and CERN Open Data, over real HTTPS, and what may be wrong there.

What all archives share (resuming, locks, the manifest) is tried in `test_fetch.py`.
"""

from __future__ import annotations

import json
import random
import zlib
from hashlib import md5, sha1, sha256
from pathlib import Path
from typing import Any

import pytest

from fair_hep.archives.fetch import FetchResult, Patience, fetch
from fair_hep.archives.manifest import load_manifest
from fair_hep.bundle.archive_record import creative_commons
from fair_hep.bundle.errors import DataError
from support.archives import CERN, DATAVERSE, FIGSHARE, Archives, Article, Dataset, OpenRecord
from support.standin import Answer, cut, instead

SWIFT = Patience(tries=2, first_wait=0.05, timeout=20)
BIG = random.Random(20190222).randbytes(1_000_000)
FILES = {"train.csv": b"a,b\n1,2\n" * 100, "big.bin": BIG}
OPEN = "10.7483/OPENDATA.CMS.AB1C.D2EF"
KINDS = ["figshare", "dataverse", "cern"]
#: Where each archive describes its records, and where the bytes come from.
RECORDS = {"figshare": "/v2/articles/*", "dataverse": "/api/datasets/*", "cern": "/api/records/*"}
HANDLES = "/api/handles/*"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "jets"


def published(archives: Archives, kind: str, files: dict[str, bytes] = FILES, **options: Any) -> str:
    """Publish files at an archive; return the DOI."""
    if kind == "figshare":
        return archives.publish(Article(1476, dict(files), **options))
    if kind == "dataverse":
        return archives.publish(Dataset("JETS01", dict(files), **options))
    changes = {f"cms/{name}": values for name, values in options.pop("changes", {}).items()}
    stored = {f"cms/{name}": content for name, content in files.items()}
    return archives.publish(OpenRecord(12361, OPEN, stored, changes=changes, **options))


def changed(kind: str, name: str, *, checksum: str = "", size: int | None = None) -> dict[str, dict[str, Any]]:
    """Return what an archive says wrongly of a file."""
    checksum = checksum or "0" * 32
    if kind == "figshare":
        return {name: {"computed_md5": checksum} if size is None else {"size": size}}
    if kind == "dataverse":
        wrong: dict[str, Any] = {"checksum": {"type": "MD5", "value": checksum}}
        return {name: {"dataFile": wrong if size is None else {"filesize": size}}}
    return {name: {"checksum": f"adler32:{checksum[:8]}"} if size is None else {"size": size}}


def get(doi: str, folder: Path, *globs: str) -> FetchResult:
    return fetch(doi, folder, choose=globs or ["*"], patience=SWIFT)


def refused(doi: str, folder: Path, *globs: str) -> str:
    """Return the one line with which a fetch fails, after seeing that nothing half-written is left in place."""
    with pytest.raises(DataError) as caught:
        get(doi, folder, *globs)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    outside = (path for path in folder.parent.parent.rglob("*") if path.is_file())
    assert [path for path in outside if path.parent.name != ".fetch"] == []
    return message


# -- what works ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_only_chosen_files_are_fetched_and_described(archives: Archives, folder: Path, kind: str) -> None:
    doi = published(archives, kind)
    result = get(doi, folder, "*.csv")
    assert (folder / "train.csv").read_bytes() == FILES["train.csv"]
    assert not (folder / "big.bin").exists()
    assert (result.doi, result.record_doi) == (doi, doi)
    assert (result.title, result.downloaded) == ("Jets", len(FILES["train.csv"]))
    (file,) = result.files
    known = {"cern": f"adler32:{zlib.adler32(FILES['train.csv']):08x}"}
    assert file.checksum == known.get(kind, f"md5:{md5(FILES['train.csv'], usedforsecurity=False).hexdigest()}")
    assert file.sha256 == sha256(FILES["train.csv"]).hexdigest()
    expected = {"figshare": ("CC-BY-4.0", "1"), "dataverse": ("CC0-1.0", "1.0"), "cern": ("CC0-1.0", None)}
    assert (result.license, result.version) == expected[kind]
    assert archives.refused == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_call_needs_no_network(
    archives: Archives, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    doi = published(archives, kind)
    first = get(doi, folder)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    second = get(doi, folder)
    assert second.downloaded == 0
    assert (second.files, second.license, second.version) == (first.files, first.license, first.version)
    manifest = load_manifest(folder, doi)
    assert manifest is not None
    host = {"figshare": FIGSHARE, "dataverse": DATAVERSE, "cern": CERN}[kind]
    assert manifest.address.startswith(f"https://{host}/")


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_transfer_is_continued(archives: Archives, folder: Path, kind: str) -> None:
    doi = published(archives, kind)
    content = {"figshare": "/147601", "dataverse": "/901", "cern": "/eos/*/big.bin"}[kind]
    archives.fail(cut(400_000), content)
    archives.fail(cut(0), content, times=2)
    assert "are kept; run the same command again" in refused(doi, folder, "big.bin")
    (part,) = (folder / ".fetch").glob("*.part")
    kept = part.stat().st_size
    assert kept > 0
    assert get(doi, folder, "big.bin").downloaded == len(BIG) - kept
    assert (folder / "big.bin").read_bytes() == BIG


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_is_busy_for_a_moment(archives: Archives, folder: Path, kind: str) -> None:
    doi = published(archives, kind)
    archives.fail(instead(Answer.json({}, 503, Retry_After="0")), HANDLES)
    archives.fail(instead(Answer.json({}, 429)), RECORDS[kind])
    assert get(doi, folder, "train.csv").downloaded == len(FILES["train.csv"])


def test_a_version_of_figshare_stays_and_all_versions_mean_the_newest(
    archives: Archives, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = Article(1476, {"a.csv": b"old"})
    second = Article(1476, {"a.csv": b"newer"}, version=2)
    for article in (first, second):
        archives.publish(article)
    archives.stored["147600"] = b"old"
    assert get(first.doi, tmp_path / "one").version == "1"
    assert (tmp_path / "one" / "a.csv").read_bytes() == b"old"
    archives.stored["147600"] = b"newer"
    result = get(first.all_versions, folder)
    assert (result.record_doi, result.version) == (second.doi, "2")
    assert (folder / "a.csv").read_bytes() == b"newer"
    assert "name that one to stay with it" in caplog.text


def test_a_newer_version_of_a_dataverse_is_noticed_when_more_is_asked_for(archives: Archives, folder: Path) -> None:
    doi = published(archives, "dataverse", {"a.csv": b"old"})
    get(doi, folder)
    archives.publish(Dataset("JETS01", {"a.csv": b"newer", "b.csv": b"b"}, version=(2, 0)))
    assert get(doi, folder, "a.csv").version == "1.0"  # what is there stays, without a question
    (folder / "a.csv").unlink()
    assert get(doi, folder, "*").version == "2.0"
    assert [path.name for path in sorted(folder.glob("*.csv"))] == ["a.csv", "b.csv"]
    assert (folder / "a.csv").read_bytes() == b"newer"


def test_a_table_that_dataverse_turned_into_its_own_format_comes_as_it_was(archives: Archives, folder: Path) -> None:
    doi = published(archives, "dataverse", {"tables/jets.csv": b"a,b\n1,2\n"}, tables=frozenset({"tables/jets.csv"}))
    result = get(doi, folder)
    assert result.files[0].name == "tables/jets.csv"
    assert (folder / "tables" / "jets.csv").read_bytes() == b"a,b\n1,2\n"
    assert archives.seen("/api/access/*")[0].query == {"format": ["original"]}


def test_a_dataverse_may_use_another_algorithm(archives: Archives, folder: Path) -> None:
    content = b"a,b\n"
    known = {"type": "SHA-1", "value": sha1(content, usedforsecurity=False).hexdigest().upper()}
    changes = {"a.csv": {"dataFile": {"checksum": known, "md5": None}}}
    doi = published(archives, "dataverse", {"a.csv": content}, changes=changes)
    assert get(doi, folder).files[0].checksum == f"sha1:{known['value'].lower()}"


def test_files_of_an_index_of_cern_open_data(archives: Archives, folder: Path) -> None:
    indexed = {"cms/a/00000/jets.root": b"first", "cms/b/00000/jets.root": b"second"}
    doi = archives.publish(OpenRecord(1, OPEN, {}, indexed))
    assert [file.name for file in get(doi, folder).files] == ["a/00000/jets.root", "b/00000/jets.root"]
    assert (folder / "b" / "00000" / "jets.root").read_bytes() == b"second"


def test_unfinished_files_with_one_adler32_are_told_apart(archives: Archives, folder: Path) -> None:
    same = {"a": b"\x01\x00\x01" + b"a" * 9, "b": b"\x00\x02\x00" + b"a" * 9}
    assert len({zlib.adler32(content) for content in same.values()}) == 1
    doi = published(archives, "cern", same)
    archives.fail(cut(3), "/eos/*/a")
    archives.fail(cut(0), "/eos/*/a", times=2)
    refused(doi, folder, "a")
    get(doi, folder, "b")
    assert (folder / "b").read_bytes() == same["b"]


def test_a_portal_of_an_institution_is_figshare_too(archives: Archives, folder: Path) -> None:
    article = Article(1476, {"a": b"x"})
    archives.publish(article)
    archives.dois[article.doi] = "https://springernature.figshare.com/articles/dataset/Jets/1476/1"
    assert get(article.doi, folder).title == "Jets"


def test_a_doi_with_another_prefix_may_lead_to_zenodo(archives: Archives, folder: Path) -> None:
    archives.add(1001, {"a": b"x"}, more={"doi": "10.1234/jets"})
    archives.dois["10.1234/jets"] = "https://zenodo.org/records/1001"
    assert get("10.1234/jets", folder).record == 1001


def test_the_token_of_zenodo_is_told_to_nobody_else(
    archives: Archives, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZENODO_TOKEN", "secret-1")
    for kind in KINDS:
        get(published(archives, kind), folder / kind)
    archives.add(1001, {"a": b"x"}, more={"doi": "10.1234/jets"})
    archives.dois["10.1234/jets"] = "https://zenodo.org/records/1001"
    get("10.1234/jets", folder / "zenodo")
    assert all("authorization" not in request.headers for request in archives.seen())


# -- what an archive says wrongly --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_checksum_that_differs(archives: Archives, folder: Path, kind: str) -> None:
    doi = published(archives, kind, changes=changed(kind, "train.csv", checksum="0123456789abcdef" * 2))
    assert "the record says" in refused(doi, folder, "train.csv")
    assert list((folder / ".fetch").glob("*.part")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_that_differs(archives: Archives, folder: Path, kind: str) -> None:
    doi = published(archives, kind, changes=changed(kind, "train.csv", size=17))
    assert "sends 800 bytes, expected 17" in refused(doi, folder, "train.csv")


@pytest.mark.parametrize("kind", ["figshare", "dataverse"])
@pytest.mark.parametrize("name", ["../../escape.txt", "/escape.txt", ".fetch/lock", "a\nb"])
def test_a_name_that_leaves_the_folder(archives: Archives, folder: Path, kind: str, name: str) -> None:
    change = {"name": name} if kind == "figshare" else {"label": name}
    doi = published(archives, kind, {"x": b"evil", "good": b"good"}, changes={"x": change})
    assert "leaves the folder or isn't one" in refused(doi, folder)
    assert get(doi, folder, "good").downloaded == 4


def test_a_folder_of_a_dataverse_that_leaves_ours(archives: Archives, folder: Path) -> None:
    doi = published(archives, "dataverse", {"x": b"evil"}, changes={"x": {"directoryLabel": "../.."}})
    assert "leaves the folder" in refused(doi, folder)


@pytest.mark.parametrize("path", ["cms/a/../../../x", "cms/a/.."])
def test_a_path_of_cern_open_data_that_leaves_the_folder(archives: Archives, folder: Path, path: str) -> None:
    doi = archives.publish(OpenRecord(1, OPEN, {path: b"evil", "cms/a/b": b"good"}))
    assert "leaves the folder" in refused(doi, folder)


def test_two_files_of_one_name(archives: Archives, folder: Path) -> None:
    doi = published(archives, "figshare", {"a": b"1", "b": b"2", "c": b"3"}, changes={"b": {"name": "a"}})
    assert refused(doi, folder).startswith("record: has 2 files named 'a'")
    assert get(doi, folder, "c").downloaded == 1


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("figshare", {"is_link_only": True, "computed_md5": "", "supplied_md5": ""}, "only a link"),
        ("dataverse", {"restricted": True}, "it is restricted"),
        ("cern", {"uri": "root://eosatlas.cern.ch//eos/atlas/a"}, "no copy over https"),
    ],
)
def test_what_cant_be_fetched_is_said_and_harms_nobody_else(
    archives: Archives, folder: Path, kind: str, change: dict[str, Any], reason: str
) -> None:
    doi = published(archives, kind, {"a": b"x", "b": b"y"}, changes={"a": change})
    assert reason in refused(doi, folder, "a")
    assert get(doi, folder, "b").downloaded == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_without_files(archives: Archives, folder: Path, kind: str) -> None:
    assert "has no files; look at https://" in refused(published(archives, kind, {}), folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("status", "hint"), [(404, "check the DOI"), (403, "the record's page"), (410, "withdrawn")])
def test_a_record_that_isnt_shown(archives: Archives, folder: Path, kind: str, status: int, hint: str) -> None:
    doi = published(archives, kind)
    archives.fail(instead(Answer.json({}, status)), RECORDS[kind])
    message = refused(doi, folder)
    assert f"answered {status}" in message
    assert hint in message
    assert "ZENODO" not in message


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_missing(archives: Archives, folder: Path, kind: str) -> None:
    doi = published(archives, kind, {"a": b"x"})
    archives.fail(
        instead(Answer.json({}, 404)), {"figshare": "/files/*", "dataverse": "/api/access/*"}.get(kind, "/e*")
    )
    assert "answered 404" in refused(doi, folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", [b"<html>maintenance</html>", b"[]", b'{"id": "x"}', b'{"data": 1, "metadata": 2}'])
def test_an_answer_that_is_no_record(archives: Archives, folder: Path, kind: str, answer: bytes) -> None:
    doi = published(archives, kind)
    archives.fail(instead(Answer(200, answer)), RECORDS[kind])
    message = refused(doi, folder)
    assert "expected JSON" in message or "the record's" in message


@pytest.mark.parametrize("kind", KINDS)
def test_another_record_than_asked_for(archives: Archives, folder: Path, kind: str) -> None:
    doi = published(archives, kind)
    other = {
        "figshare": Article(9, {"a": b"x"}).describe(),
        "dataverse": Dataset("OTHER", {"a": b"x"}).describe(),
        "cern": OpenRecord(9, "10.7483/OPENDATA.CMS.OTHER", {"a": b"x"}).describe(),
    }[kind]
    archives.fail(instead(Answer.json(other)), RECORDS[kind])
    assert "whose own DOI is" in refused(doi, folder)


def test_a_collection_of_figshare(archives: Archives, folder: Path) -> None:
    archives.dois["10.6084/m9.figshare.c.12"] = f"https://{FIGSHARE}/collections/Jets/12"
    assert "collections aren't fetched" in refused("10.6084/m9.figshare.c.12", folder)


def test_one_file_of_a_dataverse(archives: Archives, folder: Path) -> None:
    archives.dois["10.7910/dvn/jets01/a"] = f"https://{DATAVERSE}/file.xhtml?persistentId=doi:10.7910/DVN/JETS01/A"
    assert "name that of its data set" in refused("10.7910/DVN/JETS01/A", folder)


@pytest.mark.parametrize(
    "link", ["https://evil.example/files/1", "http://ndownloader.figshare.com/files/1", "file:///x"]
)
def test_a_link_to_another_place(archives: Archives, folder: Path, link: str) -> None:
    doi = published(archives, "figshare", {"a": b"x"}, changes={"a": {"download_url": link}})
    assert "don't trust it" in refused(doi, folder)
    assert archives.refused == []


# -- where it leads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "http://s3-eu-west-1.amazonaws.com/147600",
        "https://127.0.0.1/147600",
        "https://localhost/147600",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/147600",
        "https://s3-eu-west-1.amazonaws.com:8443/147600",
        "https://user@s3-eu-west-1.amazonaws.com/147600",
        "file:///etc/passwd",
    ],
)
def test_a_storage_that_isnt_public_isnt_followed(archives: Archives, folder: Path, target: str) -> None:
    doi = published(archives, "figshare", {"a": b"x"})
    archives.fail(instead(Answer.redirect(target)), "/files/*")
    assert "isn't followed" in refused(doi, folder)
    assert archives.refused == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_is_read_at_its_archive_only(archives: Archives, folder: Path, kind: str) -> None:
    doi = published(archives, kind)
    archives.fail(instead(Answer.redirect(f"https://{FIGSHARE if kind == 'cern' else CERN}/x")), RECORDS[kind])
    assert "isn't followed" in refused(doi, folder)


def test_cern_open_data_sends_nobody_elsewhere(archives: Archives, folder: Path) -> None:
    doi = published(archives, "cern", {"a": b"x"})
    archives.fail(instead(Answer.redirect(f"https://{DATAVERSE}/a")), "/eos/*")
    assert "isn't followed" in refused(doi, folder)


@pytest.mark.parametrize(
    "page", ["https://www.hepdata.net/record/1", "https://figshare.com.evil.example/articles/1", "ftp:", ""]
)
def test_an_archive_that_isnt_known(archives: Archives, folder: Path, page: str) -> None:
    archives.dois["10.17182/hepdata.1"] = page
    message = refused("10.17182/hepdata.1", folder)
    assert "Zenodo, CERN Open Data, Dataverse and figshare" in message
    assert "data.source=folder" in message


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "user@host.example"])
def test_a_dataverse_at_an_odd_address(archives: Archives, folder: Path, host: str) -> None:
    archives.dois["10.7910/dvn/x"] = f"https://{host}/citation?persistentId=doi:10.7910/DVN/X"
    assert "a plain host" in refused("10.7910/DVN/X", folder)


def test_an_unknown_doi(archives: Archives, folder: Path) -> None:
    assert "doi.org answered 404: it doesn't exist; check the DOI" in refused("10.7910/DVN/NONE", folder)


def test_a_handle_without_an_address(archives: Archives, folder: Path) -> None:
    archives.fail(instead(Answer.json({"responseCode": 1, "values": []})), HANDLES)
    assert "doi.org knows no address" in refused("10.7910/DVN/NONE", folder)


def test_no_network(archives: Archives, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert "run the same command again" in refused("10.7910/DVN/NONE", folder)


def test_a_manifest_from_before_there_were_other_archives_is_of_zenodo(archives: Archives, folder: Path) -> None:
    archives.add(1001, {"a": b"x"})
    get("10.5281/zenodo.1001", folder)
    path = folder / ".fetch" / "manifest.json"
    old = {key: value for key, value in json.loads(path.read_text()).items() if key not in ("page", "version")}
    path.write_text(json.dumps(old))
    assert get("10.5281/zenodo.1001", folder).downloaded == 0
    manifest = load_manifest(folder, "10.5281/zenodo.1001")
    assert manifest is not None
    assert manifest.address == "https://zenodo.org/records/1001/files"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://creativecommons.org/licenses/by-nc-sa/4.0/legalcode", "CC-BY-NC-SA-4.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0", "CC0-1.0"),
        ("https://opensource.org/licenses/MIT", "its name"),
        ("https://creativecommons.org.evil.example/licenses/by/4.0/", "its name"),
        (None, "its name"),
    ],
)
def test_a_licence_by_its_address(address: str | None, expected: str) -> None:
    assert creative_commons(address, "its name") == expected
