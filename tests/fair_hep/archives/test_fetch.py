"""Fetching by DOI, through zenodo-get and over real HTTPS, against the stand-in and its faults."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import pytest

from fair_hep.archives import fetch as module
from fair_hep.archives.fetch import FetchResult, Patience, fetch
from fair_hep.bundle.errors import DataError
from support.standin import Answer, cut, instead, stall
from support.zenodo import SANDBOX, StoredFile, Zenodo

TRAIN = b"a,b\n1,2\n" * 1000
BIG = random.Random(20190222).randbytes(4_000_000)
DOI = "10.5281/zenodo.1001"
CONTENT = "/api/records/1001/files/*/content"
RECORD = "/api/records/1001"
SWIFT = Patience(tries=2, first_wait=0.05, timeout=20)


@pytest.fixture
def archive(zenodo: Zenodo) -> Zenodo:
    zenodo.add(1001, {"train.csv": TRAIN, "test.csv": b"test", "big.bin": BIG, "notes/read me.txt": b"hello"})
    return zenodo


@pytest.fixture
def direct(zenodo: Zenodo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the record without zenodo-get, which takes most of the time: for tests of what comes after."""
    monkeypatch.setenv("ZENODO_TOKEN", "any")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "jets"


def get(folder: Path, *globs: str, doi: str = DOI, **options: Any) -> FetchResult:
    return fetch(doi, folder, choose=globs or ["*"], patience=SWIFT, **options)


def refused(folder: Path, *globs: str, doi: str = DOI) -> str:
    """Return the one line with which a fetch fails, after seeing that nothing half-written is left in place."""
    with pytest.raises(DataError) as caught:
        get(folder, *globs, doi=doi)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    assert visible(folder) == []
    return message


def visible(folder: Path) -> list[str]:
    """Return the files in the folder, without its hidden room."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in files if path.parts[0] != ".fetch")


def parts(folder: Path) -> list[Path]:
    return sorted((folder / ".fetch").glob("*.part"))


# -- what works --------------------------------------------------------------------------------------------------------


def test_only_chosen_files_are_fetched_and_described(archive: Zenodo, folder: Path) -> None:
    result = get(folder, "t*.csv")
    assert visible(folder) == ["test.csv", "train.csv"]
    assert (folder / "train.csv").read_bytes() == TRAIN
    assert archive.seen("/api/records/1001/files/big.bin/content") == []
    assert result.doi == result.record_doi == DOI
    assert (result.record, result.title, result.license) == (1001, "Jets", "cc-by-4.0")
    assert result.downloaded == len(TRAIN) + 4
    train = next(file for file in result.files if file.name == "train.csv")
    assert train.path == folder / "train.csv"
    assert train.size == len(TRAIN)
    assert train.checksum == f"md5:{md5(TRAIN, usedforsecurity=False).hexdigest()}"
    assert train.sha256 == sha256(TRAIN).hexdigest()


def test_zenodo_get_finds_the_record_in_a_process_of_its_own(archive: Zenodo, folder: Path) -> None:
    get(folder, "test.csv")
    assert [request.path for request in archive.seen("/10.*")] == [f"/{DOI}"]
    assert "zenodo_get" not in sys.modules


def test_a_function_may_choose(archive: Zenodo, folder: Path) -> None:
    seen: list[str] = []

    def choose(names: Any) -> list[str]:
        seen.extend(names)
        return ["test.csv", "test.csv"]

    result = fetch(DOI, folder, choose=choose, patience=SWIFT)
    assert seen == ["train.csv", "test.csv", "big.bin", "notes/read me.txt"]
    assert [file.name for file in result.files] == ["test.csv"]


def test_a_second_call_needs_no_network(archive: Zenodo, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = get(folder)
    asked = len(archive.seen())
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    second = get(folder)
    assert len(archive.seen()) == asked
    assert second.downloaded == 0
    assert second.files == first.files
    assert (second.title, second.license, second.record) == (first.title, first.license, first.record)


def test_a_further_file_is_fetched_alone(archive: Zenodo, folder: Path) -> None:
    get(folder, "test.csv")
    result = get(folder, "test.csv", "train.csv")
    assert result.downloaded == len(TRAIN)
    assert len(archive.seen("/api/records/1001/files/test.csv/content")) == 1


def test_a_changed_file_is_noticed_and_fetched_again(
    archive: Zenodo, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    get(folder, "t*.csv")
    path = folder / "train.csv"
    path.write_bytes(TRAIN[:-1] + b"!")
    result = get(folder, "t*.csv")
    assert path.read_bytes() == TRAIN
    assert result.downloaded == len(TRAIN)
    assert "isn't what the record says" in caplog.text


@pytest.mark.usefixtures("direct")
def test_a_touched_file_is_read_again_but_not_fetched(archive: Zenodo, folder: Path) -> None:
    get(folder, "train.csv")
    os.utime(folder / "train.csv", (1, 1))
    asked = len(archive.seen())
    assert get(folder, "train.csv").downloaded == 0
    assert len(archive.seen()) == asked


@pytest.mark.usefixtures("direct")
def test_a_file_that_lies_there_already_is_taken_up(archive: Zenodo, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "train.csv").write_bytes(TRAIN)
    assert get(folder, "train.csv").downloaded == 0


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize("text", ["", "{", "[]", '{"doi": 1}'])
def test_a_manifest_that_is_damaged_costs_nothing(archive: Zenodo, folder: Path, text: str) -> None:
    get(folder, "train.csv")
    (folder / ".fetch" / "manifest.json").write_text(text)
    assert get(folder, "train.csv").downloaded == 0


@pytest.mark.usefixtures("direct")
def test_the_manifest_says_what_lies_there(archive: Zenodo, folder: Path) -> None:
    get(folder, "train.csv")
    manifest = json.loads((folder / ".fetch" / "manifest.json").read_text())
    assert manifest["record_doi"] == DOI
    assert manifest["files"]["train.csv"]["sha256"] == sha256(TRAIN).hexdigest()


@pytest.mark.usefixtures("direct")
def test_names_with_blanks_and_folders_stay_inside(archive: Zenodo, folder: Path) -> None:
    result = get(folder, "notes/*")
    assert (folder / "notes" / "read me.txt").read_bytes() == b"hello"
    assert result.files[0].name == "notes/read me.txt"


@pytest.mark.usefixtures("direct")
def test_an_empty_file_is_a_file(zenodo: Zenodo, folder: Path) -> None:
    zenodo.add(1001, {"empty.txt": b""})
    assert get(folder).downloaded == 0
    assert (folder / "empty.txt").read_bytes() == b""


@pytest.mark.usefixtures("direct")
def test_a_sha256_in_the_record_is_used(zenodo: Zenodo, folder: Path) -> None:
    digest = f"sha256:{sha256(TRAIN).hexdigest()}"
    zenodo.add(1001, {"train.csv": StoredFile(TRAIN, checksum=digest)})
    assert get(folder).files[0].checksum == digest


def test_a_doi_of_all_versions_leads_to_the_newest(
    zenodo: Zenodo, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    zenodo.add(1001, {"a": b"old"}, concept=1000)
    zenodo.add(1005, {"a": b"new"}, concept=1000)
    result = get(folder, doi="10.5281/zenodo.1000")
    assert (folder / "a").read_bytes() == b"new"
    assert result.record_doi == "10.5281/zenodo.1005"
    assert "name that one to stay with it" in caplog.text


def test_the_test_prefix_leads_to_the_sandbox(zenodo: Zenodo, folder: Path) -> None:
    zenodo.add(77, {"a": b"x"}, host=SANDBOX)
    assert get(folder, doi="10.5072/zenodo.77").record == 77
    assert {request.host for request in zenodo.seen()} == {SANDBOX}


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize("form", ["https://doi.org/{}", "doi:{}", " {} ", "DOI: {}"])
def test_a_doi_may_be_written_in_several_ways(archive: Zenodo, folder: Path, form: str) -> None:
    assert get(folder, "test.csv", doi=form.format(DOI)).doi == DOI


@pytest.mark.usefixtures("direct")
def test_the_bar_is_drawn_on_standard_error(archive: Zenodo, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    get(folder, "big.bin", progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{DOI}: 100%" in err
    assert "4.00M/4.00M" in err


def test_no_bar_is_drawn_into_a_file(archive: Zenodo, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    get(folder, "test.csv")
    assert capsys.readouterr() == ("", "")


# -- interruptions -----------------------------------------------------------------------------------------------------


def test_a_broken_transfer_is_continued_by_the_next_call(archive: Zenodo, folder: Path) -> None:
    archive.fail(cut(1_500_000), CONTENT)
    archive.fail(cut(0), CONTENT, times=2)
    assert "are kept; run the same command again" in refused(folder, "big.bin")
    (part,) = parts(folder)
    kept = part.stat().st_size
    assert 1_000_000 < kept <= 1_500_000
    assert get(folder, "big.bin").downloaded == len(BIG) - kept
    assert (folder / "big.bin").read_bytes() == BIG
    assert parts(folder) == []


@pytest.mark.usefixtures("direct")
def test_files_that_were_finished_stay(archive: Zenodo, folder: Path) -> None:
    archive.fail(instead(Answer.json({}, 404)), "*/big.bin/content")
    with pytest.raises(DataError, match=r"big\.bin: .* 404"):
        get(folder, "test.csv", "big.bin")
    assert visible(folder) == ["test.csv"]
    assert get(folder, "test.csv", "big.bin").downloaded == len(BIG)


def test_kill_9_inside_a_large_file_costs_no_byte_twice(archive: Zenodo, folder: Path) -> None:
    archive.fail(stall(2_500_000, archive.event()), "*/big.bin/content")
    root = Path(module.__file__).parents[2]
    code = f"from pathlib import Path; from {module.__name__} import fetch; fetch({DOI!r}, Path({str(folder)!r}))"
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(root)})
    try:
        # The files before it are done; of the large one, all whole chunks before the silence arrive.
        _until(lambda: any(part.stat().st_size > 2_000_000 for part in parts(folder)), child)
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert "big.bin" not in visible(folder)
    (part,) = parts(folder)
    kept = part.stat().st_size
    assert BIG.startswith(part.read_bytes())
    result = get(folder)
    last = archive.seen("*/big.bin/content")[-1]
    assert (last.start, last.sent) == (kept, len(BIG) - kept)
    assert (folder / "big.bin").read_bytes() == BIG
    assert result.downloaded == len(BIG) - kept + len(b"hello")


def _until(condition: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if condition():
            return
        assert child.poll() is None, "the process ended by itself"
        time.sleep(0.05)
    raise AssertionError("nothing happened in a minute")


@pytest.mark.usefixtures("direct")
def test_a_part_that_went_bad_is_thrown_away_and_fetched_in_one(archive: Zenodo, folder: Path) -> None:
    archive.fail(cut(1_500_000), CONTENT)
    archive.fail(cut(0), CONTENT, times=2)
    refused(folder, "big.bin")
    (part,) = parts(folder)
    part.write_bytes(b"\0" * part.stat().st_size)  # as after a power cut
    get(folder, "big.bin")
    assert (folder / "big.bin").read_bytes() == BIG


@pytest.mark.usefixtures("direct")
def test_two_calls_at_once_fetch_once(archive: Zenodo, folder: Path) -> None:
    release = archive.event()
    archive.fail(stall(1_000_000, release), CONTENT)
    results: list[FetchResult] = []
    threads = [threading.Thread(target=lambda: results.append(get(folder, "big.bin"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    while archive.sent(CONTENT) < 1_000_000:
        time.sleep(0.02)
    release.set()
    for thread in threads:
        thread.join()
    assert sorted(result.downloaded for result in results) == [0, len(BIG)]
    assert archive.sent(CONTENT) == len(BIG)
    assert (folder / "big.bin").read_bytes() == BIG


# -- faults of the archive ---------------------------------------------------------------------------------------------


def test_a_checksum_that_differs(zenodo: Zenodo, folder: Path) -> None:
    zenodo.add(1001, {"train.csv": StoredFile(TRAIN, checksum="md5:" + "0" * 32)})
    message = refused(folder)
    got = md5(TRAIN, usedforsecurity=False).hexdigest()
    assert message.startswith(f"train.csv: got md5:{got}, the record says md5:000")
    assert parts(folder) == []
    assert len(zenodo.seen(CONTENT)) == 1


@pytest.mark.usefixtures("direct")
def test_a_size_that_differs(zenodo: Zenodo, folder: Path) -> None:
    zenodo.add(1001, {"train.csv": StoredFile(TRAIN, size=len(TRAIN) + 1)})
    assert "sends 8000 bytes, expected 8001" in refused(folder)


OUTSIDE = ["../../escape.txt", "/escape.txt", "a/../../b", "..", ".fetch/lock"]
ODD = ["C:\\x", "a\\..\\b", "a\nb", "a\0b", "", "a/"]


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize("name", [*OUTSIDE, *ODD])
def test_a_name_that_leaves_the_folder(zenodo: Zenodo, folder: Path, name: str) -> None:
    link = "https://zenodo.org/api/records/1001/files/x/content"
    zenodo.add(1001, {"good.txt": b"good", name: StoredFile(b"evil", link=link)})
    outside = folder.parent.parent
    message = refused(folder)
    assert "leaves the folder or isn't one" in message
    assert [path for path in outside.rglob("*") if path.is_file()] == [folder / ".fetch" / "lock"]
    assert zenodo.seen("*/content") == []
    # It harms nobody who doesn't choose it.
    assert get(folder, "good.txt").downloaded == 4


def test_a_name_that_leaves_the_folder_of_zenodo_get(zenodo: Zenodo, folder: Path) -> None:
    zenodo.add(1001, {"../../escape.txt": b"evil"})
    assert "leaves the folder or isn't one" in refused(folder)
    assert zenodo.seen("*/content") == []


@pytest.mark.usefixtures("direct")
def test_a_link_in_the_folder_that_leads_out_of_it(archive: Zenodo, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder.mkdir(parents=True)
    (folder / "notes").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="leads out of"):
        get(folder, "notes/*")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.usefixtures("direct")
def test_two_names_that_are_one_file_elsewhere(zenodo: Zenodo, folder: Path) -> None:
    zenodo.add(1001, {"Jets.h5": b"a", "jets.h5": b"b"})
    assert "are one file on some systems" in refused(folder)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/records/1001/files/a/content",
        "http://zenodo.org/api/records/1001/files/a/content",
        "https://zenodo.org:8443/api/records/1001/files/a/content",
        "https://zenodo.org@evil.example/api/records/1001/files/a/content",
        "https://zenodo.org/elsewhere",
        "file:///etc/passwd",
    ],
)
def test_a_link_to_another_place(zenodo: Zenodo, folder: Path, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    zenodo.add(1001, {"a": StoredFile(b"x", link=link)})
    monkeypatch.setenv("ZENODO_TOKEN", "any")
    assert "not on https://zenodo.org" in refused(folder)
    monkeypatch.delenv("ZENODO_TOKEN")
    message = refused(folder)
    assert "not on https://zenodo.org" in message
    assert zenodo.seen("*/content") == []
    assert zenodo.refused == []


@pytest.mark.usefixtures("direct")
def test_globs_that_match_nothing(archive: Zenodo, folder: Path) -> None:
    message = refused(folder, "*.csv", "*.h5")
    assert message == "record: no file matches '*.h5'; it has big.bin, notes/read me.txt, test.csv, train.csv"


@pytest.mark.usefixtures("direct")
def test_a_choice_of_nothing(archive: Zenodo, folder: Path) -> None:
    with pytest.raises(DataError, match="none of its files is chosen; it has big"):
        fetch(DOI, folder, choose=lambda names: [], patience=SWIFT)


def test_a_record_without_files(zenodo: Zenodo, folder: Path) -> None:
    zenodo.add(1001, {})
    assert "shows no files" in refused(folder)


@pytest.mark.parametrize("doi", ["", "zenodo.1001", "10.5281", "10.5281/zen odo", "10.5281/a\nb", "-w/etc/passwd"])
def test_what_is_no_doi(folder: Path, doi: str) -> None:
    with pytest.raises(DataError, match=r"expected for example 10\.5281/zenodo\.2603256"):
        fetch(doi, folder)
    assert not folder.exists()


def test_an_unknown_doi(archive: Zenodo, folder: Path) -> None:
    message = refused(folder, doi="10.5281/zenodo.999")
    assert message == (
        "DOI 10.5281/zenodo.999: doi.org answered 404: unknown there; check the DOI, which must be one of Zenodo"
    )


def test_a_doi_of_another_archive_that_ends_in_a_number_of_ours(archive: Zenodo, folder: Path) -> None:
    archive.dois["10.1234/x"] = "https://zenodo.org/records/1001"
    assert f"leads to record 1001, whose own DOI is {DOI}" in refused(folder, doi="10.1234/x")


def test_a_record_that_is_gone(archive: Zenodo, folder: Path) -> None:
    archive.dois["10.5281/zenodo.555"] = "https://zenodo.org/records/1001"
    archive.fail(instead(Answer.json({"message": "gone"}, 410)), RECORD)
    assert "zenodo.org answered 410: the record was withdrawn" in refused(folder)


@pytest.mark.parametrize(("status", "hint"), [(403, "ZENODO_TOKEN"), (404, "check the DOI")])
def test_a_record_that_is_refused(archive: Zenodo, folder: Path, status: int, hint: str) -> None:
    archive.fail(instead(Answer.json({}, status)), RECORD)
    message = refused(folder)
    assert f"zenodo.org answered {status}" in message
    assert hint in message


@pytest.mark.parametrize("status", [429, 503])
def test_an_archive_that_is_busy_for_a_moment(archive: Zenodo, folder: Path, status: int) -> None:
    archive.fail(instead(Answer.json({}, status, Retry_After="0")), RECORD)
    archive.fail(lambda answer: answer, RECORD)
    archive.fail(instead(Answer.json({}, status)), RECORD)
    get(folder, "test.csv")
    assert [request.status for request in archive.seen(RECORD)] == [status, 200, status, 200]


def test_an_archive_that_is_down(archive: Zenodo, folder: Path) -> None:
    archive.fail(instead(Answer.json({}, 503)), RECORD, times=9)
    assert "zenodo.org answered 503: busy or down; try again later" in refused(folder)


@pytest.mark.parametrize("late", [False, True])
def test_an_answer_that_is_no_json(archive: Zenodo, folder: Path, late: bool) -> None:
    if late:
        archive.fail(lambda answer: answer, RECORD)
    archive.fail(instead(Answer(200, b"<html>maintenance</html>")), RECORD)
    message = refused(folder)
    assert "try again later" in message
    assert "DOI 10.5281/zenodo.1001" in message


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize(
    "answer",
    [
        {"id": 1001, "doi": DOI, "files": [{"key": "a", "size": -1, "checksum": "md5:" + "0" * 32}]},
        {"id": 1001, "doi": DOI, "files": [{"key": "a", "size": 1, "checksum": "crc:12", "links": {"self": "x"}}]},
        {"id": 1001, "doi": DOI, "files": "none"},
        {"id": "x"},
        [],
    ],
)
def test_json_that_is_no_record(archive: Zenodo, folder: Path, answer: Any) -> None:
    archive.fail(instead(Answer.json(answer)), RECORD)
    assert "the record's" in refused(folder)


def test_no_network(archive: Zenodo, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert "no connection to doi.org and zenodo.org; check the network" in refused(folder)


def test_a_silent_archive(archive: Zenodo, folder: Path) -> None:
    archive.fail(stall(0, archive.event()), RECORD, times=9)
    with pytest.raises(DataError, match="no answer in time"):
        fetch(DOI, folder, patience=Patience(tries=1, first_wait=0.01, timeout=2))


# -- the place and the token -------------------------------------------------------------------------------------------


def test_a_disk_that_is_too_small(zenodo: Zenodo, folder: Path) -> None:
    zenodo.add(1001, {"huge.h5": StoredFile(b"x", size=10**18)})
    message = refused(folder)
    assert "1000000.0 TB to fetch, but only" in message
    assert zenodo.seen("*/content") == []


def test_a_disk_that_fills_up_on_the_way(archive: Zenodo, folder: Path, require: Callable[..., None]) -> None:
    require(Path("/dev/full").exists(), "this system has no /dev/full")
    (folder / ".fetch").mkdir(parents=True)
    part = folder / ".fetch" / f"md5-{md5(BIG, usedforsecurity=False).hexdigest()}.part"
    part.symlink_to("/dev/full")
    assert "the disk is full; free some space and run the same command again" in refused(folder, "big.bin")
    part.unlink()
    assert get(folder, "big.bin").downloaded == len(BIG)


@pytest.mark.usefixtures("direct")
def test_a_folder_of_another_doi(archive: Zenodo, folder: Path) -> None:
    archive.add(2002, {"a": b"x"})
    get(folder, "test.csv")
    with pytest.raises(DataError, match=r"holds files of DOI 10\.5281/zenodo\.1001, not of 10\.5281/zenodo\.2002"):
        get(folder, doi="10.5281/zenodo.2002")


def test_a_folder_that_is_a_file(archive: Zenodo, tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("in the way")
    with pytest.raises(DataError, match="can't be written"):
        get(tmp_path / "raw")


@pytest.mark.usefixtures("direct")
def test_a_folder_in_the_way_of_a_file(archive: Zenodo, folder: Path) -> None:
    (folder / "test.csv").mkdir(parents=True)
    assert "can't be written" in refused(folder, "test.csv")


def test_a_restricted_record_needs_the_token(zenodo: Zenodo, folder: Path) -> None:
    zenodo.add(1001, {"a": b"x"}, token="secret-1")
    assert "set ZENODO_TOKEN" in refused(folder)


def test_the_token_opens_the_record_and_is_told_nobody(
    zenodo: Zenodo, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    zenodo.add(1001, {"a": b"x"}, token="secret-1")
    monkeypatch.setenv("ZENODO_TOKEN", "secret-1")
    caplog.set_level(logging.DEBUG)
    assert get(folder).downloaded == 1
    assert {request.host for request in zenodo.seen()} == {"zenodo.org"}
    assert all("secret" not in f"{request.path}{request.query}" for request in zenodo.seen())
    written = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert "secret" not in caplog.text + written
    monkeypatch.setenv("ZENODO_TOKEN", "secret-2")
    zenodo.records["zenodo.org", 1001].files["b"] = StoredFile(b"y")
    (folder / "a").unlink()
    message = refused(folder)
    assert "secret" not in message


@pytest.mark.parametrize("token", ["secret two", "secret\nX-Evil: 1", "sécret"])
def test_a_token_that_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("ZENODO_TOKEN", token)
    with pytest.raises(DataError, match=r"^ZENODO_TOKEN: ") as caught:
        fetch(DOI, folder)
    assert "cret" not in str(caught.value)


def test_without_zenodo_get_the_extra_is_named(archive: Zenodo, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "zenodo-get is missing: in a project `make install` brings them" in refused(folder)
