"""The stand-ins of the archives are read as the real ones are, by what others wrote: pooch and cernopendata-client.

Both are asked for the files and checksums of a record, and must find what we find. (zenodo-get does that for Zenodo.)
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fair_hep.archives import find_record
from fair_hep.archives.fetch import fetch
from fair_hep.archives.web import Client, Patience
from fair_hep.bundle.archive_record import Record
from support.archives import CERN, Archives, Article, Dataset, OpenRecord

FILES = {"train.csv": b"a,b\n1,2\n", "test.csv": b"a,b\n3,4\n"}


def ours(doi: str) -> Record:
    with Client(None, Patience(tries=2, first_wait=0.05)) as client:
        return find_record(client, doi, direct=False)


@pytest.mark.parametrize("record", [Article(1476, FILES), Dataset("JETS01", FILES)], ids=["figshare", "dataverse"])
def test_pooch_finds_the_same_files(
    archives: Archives,
    tmp_path: Path,
    record: Article | Dataset,
    require: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require(importlib.util.find_spec("pooch"), "needs pooch: make peers")
    import pooch

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(archives.certificate))
    doi = archives.publish(record)
    found = ours(doi)
    theirs = pooch.create(path=tmp_path / "theirs", base_url=f"doi:{doi}/")
    theirs.load_registry_from_doi()
    assert theirs.registry == {file.key: file.checksum for file in found.files}
    for file in fetch(doi, tmp_path / "ours").files:
        assert Path(theirs.fetch(file.name)).read_bytes() == file.path.read_bytes() == FILES[file.name]


def test_cernopendata_client_finds_the_same_files(
    archives: Archives, tmp_path: Path, require: Callable[..., None]
) -> None:
    require(importlib.util.find_spec("cernopendata_client"), "needs cernopendata-client: make peers")
    files = {f"cms/2016/{name}": content for name, content in FILES.items()}
    record = OpenRecord(12361, "10.7483/OPENDATA.CMS.AB1C.D2EF", files, {"cms/2016/0/jets.root": b"jets"})
    found = ours(archives.publish(record))
    code = "from cernopendata_client.cli import cernopendata_client; cernopendata_client()"
    wanted = ["get-file-locations", "--doi", record.doi, "--server", f"https://{CERN}", "--verbose"]
    # GPL: a program of its own, never imported.
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *wanted],
        env={**os.environ, "REQUESTS_CA_BUNDLE": str(archives.certificate)},
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    listed = [tuple(line.split("\t")) for line in done.stdout.splitlines()]
    # Its addresses hold the two slashes of those of XRootD.
    known = [(file.link.replace(".ch/eos", ".ch//eos"), str(file.size), file.checksum) for file in found.files]
    assert [(a.replace(".ch/eos", ".ch//eos"), size, checksum) for a, size, checksum in listed] == known
