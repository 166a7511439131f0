"""Transfers over real HTTPS against the stand-in, with everything that goes wrong on the way."""

from __future__ import annotations

import datetime
import email.utils
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fair_hep.archives import web
from fair_hep.archives.transfer import download
from fair_hep.archives.web import Client, Patience
from fair_hep.bundle.errors import DataError
from support.standin import Answer, Fault, cut, drip, instead, stall
from support.zenodo import Zenodo

BIG = random.Random(20190222).randbytes(3_000_000)
LINK = "https://zenodo.org/api/records/7/files/big.bin/content"
PATH = "/api/records/7/files/big.bin/content"
SWIFT = Patience(tries=3, first_wait=0.01, timeout=20)


@pytest.fixture
def archive(zenodo: Zenodo) -> Zenodo:
    zenodo.add(7, {"big.bin": BIG})
    return zenodo


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "big.part"


@pytest.fixture
def bring(archive: Zenodo, part: Path) -> Iterator[Callable[..., bool]]:
    """Download the file; the argument ``moves`` collects what the progress bar is told."""

    def call(patience: Patience = SWIFT, moves: list[int] | None = None, size: int = len(BIG)) -> bool:
        told = moves if moves is not None else []
        with Client(patience=patience) as client:
            return download(client, LINK, part, size, what="big.bin", advance=told.append)

    yield call


def test_one_transfer_brings_the_whole_file(bring: Callable[..., bool], archive: Zenodo, part: Path) -> None:
    moves: list[int] = []
    assert not bring(moves=moves)
    assert part.read_bytes() == BIG
    assert sum(moves) == len(BIG)
    assert [request.start for request in archive.seen(PATH)] == [None]


@pytest.mark.parametrize("have", [1, 1_000_000, len(BIG) - 1])
def test_a_part_is_continued_at_its_last_byte(
    bring: Callable[..., bool], archive: Zenodo, part: Path, have: int
) -> None:
    part.write_bytes(BIG[:have])
    assert bring()
    assert part.read_bytes() == BIG
    assert archive.sent(PATH) == len(BIG) - have


def test_a_complete_part_needs_no_request(bring: Callable[..., bool], archive: Zenodo, part: Path) -> None:
    part.write_bytes(BIG)
    assert bring()
    assert archive.seen(PATH) == []


def test_a_part_that_is_too_long_begins_again(bring: Callable[..., bool], part: Path) -> None:
    part.write_bytes(BIG + b"more")
    assert bring()
    assert part.read_bytes() == BIG


def test_an_empty_file_needs_no_request(bring: Callable[..., bool], archive: Zenodo, part: Path) -> None:
    assert not bring(size=0)
    assert part.read_bytes() == b""
    assert archive.seen(PATH) == []


def test_a_cut_connection_continues_inside_the_file(bring: Callable[..., bool], archive: Zenodo, part: Path) -> None:
    for after in (1_000_000, 600_000):
        archive.fail(cut(after), PATH)
    moves: list[int] = []
    assert bring(moves=moves)
    assert part.read_bytes() == BIG
    assert sum(moves) == len(BIG)
    starts = [request.start or 0 for request in archive.seen(PATH)]
    assert starts[0] == 0 < starts[1] < starts[2]
    # What is sent twice is at most one chunk for each cut.
    assert len(BIG) <= archive.sent(PATH) <= len(BIG) + 2 * 256 * 1024


def test_every_new_byte_renews_the_patience(bring: Callable[..., bool], archive: Zenodo, part: Path) -> None:
    archive.fail(cut(300_000), PATH, times=5)
    assert bring(Patience(tries=2, first_wait=0.01))
    assert part.read_bytes() == BIG


def test_a_silent_server_counts_as_cut(bring: Callable[..., bool], archive: Zenodo, part: Path) -> None:
    archive.fail(stall(1_000_000, archive.event()), PATH)
    assert bring(replace(SWIFT, timeout=0.5))
    assert part.read_bytes() == BIG
    assert len(archive.seen(PATH)) == 2


def test_a_server_that_drips_is_given_up_and_the_part_stays(
    bring: Callable[..., bool], archive: Zenodo, part: Path
) -> None:
    archive.fail(drip(0.01), PATH)
    with pytest.raises(DataError, match=r"zenodo\.org sends \d+ bytes a second, .* what came is kept"):
        bring(replace(SWIFT, minute=0.3))
    assert 0 < part.stat().st_size < 100
    assert bring()
    assert part.read_bytes() == BIG


@pytest.mark.parametrize("fault", [drip(0.05), instead(Answer(never=True)), instead(Answer(body=b" " * 2**20))])
def test_a_description_that_never_ends_is_given_up(
    archive: Zenodo, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.fail(fault, "/api/records/7", times=2)
    monkeypatch.setattr(web, "_LARGEST_JSON", 2**19)
    with (
        Client(patience=Patience(tries=2, first_wait=0.01, answer=0.4)) as client,
        pytest.raises(DataError, match=r"zenodo\.org wasn't done after 0\.4 s, 2 times in a row|larger than 524\.3 kB"),
    ):
        client.read_json("https://zenodo.org/api/records/7", "DOI")


def test_a_head_that_never_comes_is_given_up(bring: Callable[..., bool], archive: Zenodo) -> None:
    archive.fail(instead(Answer(never=True)), PATH, times=2)
    with pytest.raises(DataError, match=r"zenodo\.org wasn't done after 0\.4 s, 2 times in a row"):
        bring(Patience(tries=2, first_wait=0.01, answer=0.4))


def test_patience_ends_and_the_part_stays(bring: Callable[..., bool], archive: Zenodo, part: Path) -> None:
    archive.fail(cut(1_000_000), PATH)
    archive.fail(cut(0), PATH, times=3)
    with pytest.raises(DataError, match=r"big\.bin: .* 3 times in a row; .* of 3\.0 MB are kept; run the same command"):
        bring()
    assert 0 < part.stat().st_size <= 1_000_000
    assert BIG.startswith(part.read_bytes())
    assert bring()
    assert part.read_bytes() == BIG


def test_a_silent_server_is_named_with_the_time_waited(bring: Callable[..., bool], archive: Zenodo) -> None:
    archive.fail(stall(0, archive.event()), PATH, times=2)
    with pytest.raises(DataError, match=r"zenodo\.org was silent for 0\.3 s, 2 times in a row"):
        bring(Patience(tries=2, first_wait=0.01, timeout=0.3))


def test_a_server_without_ranges_begins_again(bring: Callable[..., bool], archive: Zenodo, part: Path) -> None:
    part.write_bytes(BIG[:1_000_000])
    archive.fail(lambda answer: replace(answer, ranges=False), PATH)
    moves: list[int] = []
    assert bring(moves=moves)
    assert part.read_bytes() == BIG
    assert sum(moves) == len(BIG) - 1_000_000
    assert archive.sent(PATH) == len(BIG)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(206, BIG[5:], {"Content-Range": f"bytes 5-{len(BIG) - 1}/{len(BIG)}"}),
        Answer(206, BIG[1_000_000:], {"Content-Range": f"bytes 1000000-{len(BIG) - 1}/{len(BIG) + 1}"}),
        Answer(206, BIG[1_000_000:], {}),
        Answer(416, b"", {"Content-Range": "bytes */12"}),
    ],
    ids=["other start", "other size", "no range named", "not satisfiable"],
)
def test_a_range_that_does_not_fit_is_not_appended(
    bring: Callable[..., bool], archive: Zenodo, part: Path, answer: Answer
) -> None:
    part.write_bytes(BIG[:1_000_000])
    archive.fail(instead(answer), PATH)
    assert bring()
    assert part.read_bytes() == BIG


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(bring: Callable[..., bool], archive: Zenodo, part: Path, status: int) -> None:
    archive.fail(instead(Answer.json({"message": "later"}, status)), PATH, times=2)
    assert not bring()
    assert part.read_bytes() == BIG
    assert len(archive.seen(PATH)) == 3


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "ZENODO_TOKEN"), (403, "restricted"), (404, "check the DOI"), (410, "withdrawn"), (451, "expected 200")],
)
def test_what_does_not_pass_ends_at_once(bring: Callable[..., bool], archive: Zenodo, status: int, hint: str) -> None:
    archive.fail(instead(Answer.json({}, status)), PATH)
    with pytest.raises(DataError, match=rf"^big\.bin: zenodo\.org answered {status}: .*{hint}"):
        bring()
    assert len(archive.seen(PATH)) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(
    bring: Callable[..., bool], archive: Zenodo, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    asked = "1" if form == "seconds" else email.utils.format_datetime(soon, usegmt=True)
    archive.fail(instead(Answer.json({}, 429, Retry_After=asked)), PATH)
    with caplog.at_level(logging.WARNING):
        bring()
    pauses = [record.args[2] for record in caplog.records if isinstance(record.args, tuple) and len(record.args) == 5]
    assert len(pauses) == 1
    assert isinstance(pauses[0], float)
    assert 0.5 < pauses[0] <= 2.0


def test_nobody_waits_for_hours(bring: Callable[..., bool], archive: Zenodo) -> None:
    archive.fail(instead(Answer.json({}, 429, Retry_After="7200")), PATH)
    with pytest.raises(DataError, match="answered 429 and asks to wait 7200 s"):
        bring()


def test_a_retry_after_that_means_nothing_is_ignored(bring: Callable[..., bool], archive: Zenodo) -> None:
    archive.fail(instead(Answer.json({}, 503, Retry_After="soon")), PATH)
    bring()
    assert len(archive.seen(PATH)) == 2


def test_pauses_grow_up_to_a_limit() -> None:
    patience = Patience(first_wait=1.0, longest_wait=10.0)
    assert [patience.pause(failures, None) for failures in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert patience.pause(1, 7.0) == 7.0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (instead(Answer(200, BIG[:-1])), "sends 2999999 bytes, expected 3000000"),
        (instead(Answer(200, BIG + b"!")), "sends 3000001 bytes, expected 3000000"),
        (instead(Answer.redirect("https://evil.example/x")), "redirects to https://evil.example, which isn't followed"),
        (instead(Answer.redirect("http://zenodo.org/x")), "redirects to http://zenodo.org, which isn't followed"),
        (instead(Answer.redirect(LINK)), "redirects more than 5 times"),
    ],
    ids=["too short", "too long", "other host", "plain http", "circle"],
)
def test_what_is_not_the_file_is_refused(
    bring: Callable[..., bool], archive: Zenodo, fault: Fault, message: str
) -> None:
    archive.fail(fault, PATH, times=9)
    with pytest.raises(DataError, match=message):
        bring()
    assert archive.refused == []


def test_a_redirect_within_the_host_is_followed(bring: Callable[..., bool], archive: Zenodo, part: Path) -> None:
    archive.fail(instead(Answer.redirect(LINK + "?x=1")), PATH)
    bring()
    assert part.read_bytes() == BIG


def test_a_full_disk_is_one_line(bring: Callable[..., bool], part: Path, require: Callable[..., None]) -> None:
    require(Path("/dev/full").exists(), "this system has no /dev/full")
    part.symlink_to("/dev/full")
    with pytest.raises(DataError, match="the disk is full; free some space and run the same command again") as caught:
        bring()
    assert "\n" not in str(caught.value)


def test_a_folder_without_permission_is_one_line(bring: Callable[..., bool], part: Path) -> None:
    part.mkdir()
    with pytest.raises(DataError, match=r"can't be written: Is a directory"):
        bring()


def test_a_certificate_from_elsewhere_is_not_trusted(
    bring: Callable[..., bool], archive: Zenodo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DataError, match=r"certificate of zenodo\.org isn't trusted; .* set SSL_CERT_FILE"):
        bring()
    assert archive.seen() == []


def test_no_network_is_one_line_without_the_password_of_the_proxy(
    bring: Callable[..., bool], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://someone:secret@127.0.0.1:9")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DataError, match=r"proxy in HTTPS_PROXY .*, 3 times in a row") as caught:
        bring()
    assert "secret" not in str(caught.value) + caplog.text


def test_logins_of_netrc_stay_at_home(
    bring: Callable[..., bool], archive: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine zenodo.org login someone password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    bring()
    assert all("authorization" not in request.headers for request in archive.seen())
