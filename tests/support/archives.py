"""Stand-ins for figshare, a Dataverse and CERN Open Data beside Zenodo, with the JSON of their interfaces.

The layouts are those that their documentation shows, and that pooch and cernopendata-client read
(`test_archives_peers.py` lets both of them read these). Bytes come from hosts of their own, as in reality.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.standin import Answer, Request
from support.zenodo import Zenodo

__all__ = ["CERN", "DATAVERSE", "FIGSHARE", "Archives", "Article", "Dataset", "OpenRecord"]

FIGSHARE, DATAVERSE, CERN = "figshare.com", "dataverse.harvard.edu", "opendata.cern.ch"
_API, _DOWNLOADS = "api.figshare.com", "ndownloader.figshare.com"
_STORES = {_DOWNLOADS: "s3-eu-west-1.amazonaws.com", DATAVERSE: "dvn-cloud.s3.amazonaws.com"}
_EOS = "root://eospublic.cern.ch/"


def _md5(content: bytes) -> str:
    return md5(content, usedforsecurity=False).hexdigest()


@dataclass
class Article:
    """An article of figshare in one version; ``changes`` puts other values into the entries of files, by name."""

    number: int
    files: dict[str, bytes]
    version: int = 1
    title: str = "Jets"
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def all_versions(self) -> str:
        """DOI that stands for all versions."""
        return f"10.6084/m9.figshare.{self.number}"

    @property
    def doi(self) -> str:
        """DOI of this version."""
        return f"{self.all_versions}.v{self.version}"

    def describe(self) -> dict[str, Any]:
        """Return the article as the API shows it."""
        files = [
            {
                "id": self.number * 100 + place,
                "name": name,
                "size": len(content),
                "is_link_only": False,
                "download_url": f"https://{_DOWNLOADS}/files/{self.number * 100 + place}",
                "supplied_md5": _md5(content),
                "computed_md5": _md5(content),
                **self.changes.get(name, {}),
            }
            for place, (name, content) in enumerate(self.files.items())
        ]
        address = f"https://{FIGSHARE}/articles/dataset/{self.title}/{self.number}/{self.version}"
        licence = {"value": 1, "name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"}
        head = {"id": self.number, "title": self.title, "doi": self.doi, "version": self.version, "license": licence}
        return {**head, "url_public_html": address, "files": files, **self.more}


@dataclass
class Dataset:
    """A data set of a Dataverse; names may have a folder; ``tables`` are files that were turned into another format."""

    suffix: str
    files: dict[str, bytes]
    tables: frozenset[str] = frozenset()
    version: tuple[int, int] = (1, 0)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def doi(self) -> str:
        """DOI of all versions: there is no other."""
        return f"10.7910/DVN/{self.suffix}"

    def describe(self) -> dict[str, Any]:
        """Return the data set as the API shows it."""
        latest = {
            "id": 5,
            "datasetPersistentId": f"doi:{self.doi}",
            "versionNumber": self.version[0],
            "versionMinorNumber": self.version[1],
            "versionState": "RELEASED",
            "license": {"name": "CC0 1.0", "uri": "http://creativecommons.org/publicdomain/zero/1.0"},
            "metadataBlocks": {"citation": {"fields": [{"typeName": "title", "multiple": False, "value": "Jets"}]}},
            "files": [self._file(place, name) for place, name in enumerate(self.files)],
            **self.more,
        }
        authority, identifier = self.doi.split("/", 1)
        data = {"id": 77, "identifier": identifier, "authority": authority, "protocol": "doi", "latestVersion": latest}
        return {"status": "OK", "data": {**data, "persistentUrl": f"https://doi.org/{self.doi}"}}

    def _file(self, place: int, name: str) -> dict[str, Any]:
        folder, _, label = name.rpartition("/")
        content = self.files[name]
        data: dict[str, Any] = {"id": 900 + place, "filename": label, "filesize": len(content), "md5": _md5(content)}
        if name in self.tables:
            archival = f"{Path(label).stem}.tab"
            original = {"originalFileFormat": "text/csv", "originalFileName": label, "originalFileSize": len(content)}
            data |= {"filename": archival, "filesize": len(content) + 7, "UNF": "UNF:6:x==", **original}
            label = archival
        data["checksum"] = {"type": "MD5", "value": data["md5"]}
        change = dict(self.changes.get(name, {}))
        data |= change.pop("dataFile", {})
        entry = {"label": label, "restricted": False, "version": 1, "datasetVersionId": 5, "dataFile": data}
        return {**entry, **({"directoryLabel": folder} if folder else {}), **change}


@dataclass
class OpenRecord:
    """A record of CERN Open Data; names are paths below ``/eos/opendata/``, ``indexed`` ones stand in an index."""

    number: int
    doi: str
    files: dict[str, bytes]
    indexed: dict[str, bytes] = field(default_factory=dict)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Return the record as the API shows it."""
        indices = [{"key": "list_file_index.json", "size": 1, "files": self._entries(self.indexed)}]
        metadata = {
            "recid": str(self.number),
            "doi": self.doi,
            "title": "Jets",
            "license": {"attribution": "CC0"},
            "files": self._entries(self.files),
            **({"_file_indices": indices} if self.indexed else {}),
            **self.more,
        }
        return {"id": self.number, "metadata": metadata, "links": {"self": f"https://{CERN}/api/records/{self.number}"}}

    def _entries(self, files: Mapping[str, bytes]) -> list[dict[str, Any]]:
        return [
            {
                "key": path.rsplit("/", 1)[-1],
                "uri": f"{_EOS}/eos/opendata/{path}",
                "size": len(content),
                "checksum": f"adler32:{zlib.adler32(content):08x}",
                **self.changes.get(path, {}),
            }
            for path, content in files.items()
        ]


class Archives(Zenodo):
    """The stand-in for all archives and for doi.org."""

    def __init__(self, folder: Path) -> None:
        extra = [FIGSHARE, _API, _DOWNLOADS, DATAVERSE, CERN, *_STORES.values(), "springernature.figshare.com"]
        super().__init__(folder, hosts=extra)
        self.articles: dict[tuple[int, int], Article] = {}
        self.datasets: dict[str, Dataset] = {}
        self.open_records: dict[int, OpenRecord] = {}
        self.stored: dict[str, bytes] = {}
        for host in (FIGSHARE, "springernature.figshare.com"):
            self.route("GET", host, "/articles/.*", lambda *_: Answer(200, b"<html>an article</html>"))
        self.route("GET", _API, "/v2/articles", self._search)
        self.route("GET", _API, r"/v2/articles/(\d+)(?:/versions/(\d+))?", self._article)
        self.route("GET", _DOWNLOADS, r"/files/(\d+)", self._away)
        self.route("GET", DATAVERSE, "/(citation|dataset.xhtml)", lambda *_: Answer(200, b"<html>a data set</html>"))
        self.route("GET", DATAVERSE, "/api/datasets/:persistentId/?", self._dataset)
        self.route("GET", DATAVERSE, r"/api/access/datafile/(\d+)", self._away)
        for host in _STORES.values():
            self.route("GET", host, "/(.+)", self._store)
        self.route("GET", CERN, r"/record/(\d+)", lambda *_: Answer(200, b"<html>a record</html>"))
        self.route("GET", CERN, "/api/records/?", self._find_open)
        self.route("GET", CERN, r"/api/records/(\d+)", self._open)
        self.route("GET", CERN, r"(/eos/opendata/.+)", self._eos)

    def publish(self, record: Article | Dataset | OpenRecord) -> str:
        """Publish a record; return its DOI."""
        with self.lock:
            if isinstance(record, Article):
                self.articles[record.number, record.version] = record
                page = f"https://{FIGSHARE}/articles/dataset/{record.title}/{record.number}"
                self.dois[record.doi] = f"{page}/{record.version}"
                self.dois[record.all_versions] = page
                pieces = {f"{record.number * 100 + place}": data for place, data in enumerate(record.files.values())}
                self.stored |= pieces
            elif isinstance(record, Dataset):
                self.datasets[record.doi.lower()] = record
                self.dois[record.doi.lower()] = f"https://{DATAVERSE}/citation?persistentId=doi:{record.doi}"
                for place, (name, content) in enumerate(record.files.items()):
                    table = name in record.tables
                    self.stored[f"{900 + place}"] = b"a\tb\n1\t2\n" if table else content
                    self.stored[f"{900 + place}.original"] = content
            else:
                self.open_records[record.number] = record
                self.dois[record.doi.lower()] = f"http://{CERN}/record/{record.number}"
        return record.doi

    def _search(self, request: Request, match: re.Match[str]) -> Answer:
        wanted = request.query["doi"][0].lower()
        found = {a.number: a for a in self.articles.values() if wanted in (a.doi, a.all_versions)}
        return Answer.json([{"id": article.number, "doi": article.doi} for article in found.values()])

    def _article(self, request: Request, match: re.Match[str]) -> Answer:
        number = int(match[1])
        versions = [version for known, version in self.articles if known == number]
        version = int(match[2]) if match[2] else max(versions, default=0)
        found = self.articles.get((number, version))
        return Answer.json(found.describe()) if found else Answer.json({"message": "Entity not found"}, 404)

    def _dataset(self, request: Request, match: re.Match[str]) -> Answer:
        found = self.datasets.get(request.query["persistentId"][0].removeprefix("doi:").lower())
        return Answer.json(found.describe()) if found else Answer.json({"status": "ERROR", "message": "not found"}, 404)

    def _away(self, request: Request, match: re.Match[str]) -> Answer:
        """Send to the storage, as both archives do, with a signature that ends."""
        name = match[1] + (".original" if request.query.get("format") == ["original"] else "")
        if name not in self.stored:
            return Answer.json({"message": "no such file"}, 404)
        return Answer.redirect(f"https://{_STORES[request.host]}/{quote(name)}?X-Amz-Expires=10&X-Amz-Signature=abc")

    def _store(self, request: Request, match: re.Match[str]) -> Answer:
        return Answer(200, self.stored[match[1]], {"Content-Type": "binary/octet-stream"}, ranges=True)

    def _find_open(self, request: Request, match: re.Match[str]) -> Answer:
        wanted = request.query["q"][0].removeprefix("doi:").strip('"').lower()
        hits = [{"id": r.number} for r in self.open_records.values() if r.doi.lower() == wanted]
        return Answer.json({"hits": {"total": len(hits), "hits": hits}})

    def _open(self, request: Request, match: re.Match[str]) -> Answer:
        found = self.open_records.get(int(match[1]))
        return Answer.json(found.describe()) if found else Answer.json({"message": "PID does not exist."}, 404)

    def _eos(self, request: Request, match: re.Match[str]) -> Answer:
        path = match[1].removeprefix("/eos/opendata/")
        for record in self.open_records.values():
            if (content := {**record.files, **record.indexed}.get(path)) is not None:
                return Answer(200, content, ranges=True)
        return Answer.json({"message": "no such file"}, 404)
