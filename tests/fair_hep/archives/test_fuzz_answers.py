"""Answers of archives that aren't what they should be: a record, or one line of ours; names stay in their folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from fair_hep.archives import find_record
from fair_hep.archives.choice import check_fetchable, chosen
from fair_hep.archives.manifest import safe_paths
from fair_hep.archives.web import Client
from fair_hep.bundle.errors import DataError
from support.archives import CERN, DATAVERSE, FIGSHARE, Article, Dataset, OpenRecord
from support.fuzzing import clean, fuzz, mutated
from support.zenodo import ZENODO, StoredFile, StoredRecord

pytestmark = pytest.mark.fuzz

FILES = {"train.h5": b"abc", "more/test.h5": b"defg"}
_CERN = OpenRecord(12361, "10.7483/OPENDATA.CMS.JETS", {"cms/a.root": b"x"}, {"cms/b/c.root": b"y"})
_FIGSHARE, _DATAVERSE = Article(1476, FILES), Dataset("JETS01", FILES, frozenset({"train.h5"}))
_ZENODO = StoredRecord(1001, ZENODO, {name: StoredFile(content) for name, content in FILES.items()}, 1000)


def handle(page: str) -> dict[str, Any]:
    """Return what doi.org says of a DOI."""
    return {"responseCode": 1, "values": [{"index": 1, "type": "URL", "data": {"format": "string", "value": page}}]}


#: By archive the DOI, and the answers in the order in which they are asked for.
ANSWERS: dict[str, tuple[str, list[Any]]] = {
    "cern": (_CERN.doi, [handle(f"http://{CERN}/record/12361"), _CERN.describe()]),
    "dataverse": (
        _DATAVERSE.doi,
        [handle(f"https://{DATAVERSE}/citation?persistentId=doi:{_DATAVERSE.doi}"), _DATAVERSE.describe()],
    ),
    "figshare": (
        _FIGSHARE.doi,
        [
            handle(f"https://{FIGSHARE}/articles/dataset/Jets/1476/1"),
            [{"id": 1476, "doi": _FIGSHARE.doi}],
            _FIGSHARE.describe(),
        ],
    ),
    "zenodo": (_ZENODO.doi, [_ZENODO.describe(files=True)]),
}


class Replayed:
    """Gives what an archive answered, in order, instead of asking it."""

    def __init__(self, answers: Any) -> None:
        self.answers = answers if isinstance(answers, list) else [answers]

    def read_json(self, url: str, what: str) -> Any:
        """Return the next answer."""
        url.encode("ascii")  # what can't be sent never comes this far
        if not self.answers:
            raise DataError(f"{what}: nothing more was asked when this was recorded")
        return self.answers.pop(0)


@pytest.mark.parametrize("archive", ANSWERS)
def test_a_strange_answer_is_a_record_or_one_line(archive: str, tmp_path: Path) -> None:
    doi, answers = ANSWERS[archive]

    def take(found: Any) -> None:
        client = cast(Client, Replayed(found))
        record = find_record(client, doi, direct=True)
        names = chosen([file.key for file in record.files], ["*"])
        check_fetchable(record.files, names)
        for path in safe_paths(tmp_path, names).values():
            assert path.resolve().is_relative_to(tmp_path.resolve())
        assert all(file.size >= 0 for file in record.files)

    def check(found: Any) -> None:
        with clean():
            take(found)

    take(list(answers))
    fuzz(f"answers-{archive}", check, mutated(answers), 120)
