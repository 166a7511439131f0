"""Which data a model learned from and was measured on, as the records of its steps tell: never as somebody planned it.

`project.yaml` names the published data set of the task. Only a model whose data came from there learned from it
(``data.source`` was ``doi``); for any other that data set is a reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..bundle.files import read_json
from ..provenance.about import trained_elsewhere
from ..provenance.project import Project

__all__ = ["Origin", "learned_from", "origin", "reference"]

_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Origin:
    """Where data came from; what isn't known is None.

    Parameters
    ----------
    source
        ``data.source`` of the configuration: sample, simulate, doi or folder; "unknown" without a record.
    title, doi, license, files
        Of the data set; ``doi`` only if the data were fetched by it; ``files`` is the address of its files.
    simulated
        How they were simulated, as the generator tells it; empty where that isn't known.
    """

    source: str = "unknown"
    title: str | None = None
    doi: str | None = None
    license: str | None = None
    files: str | None = None
    simulated: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project, made: Mapping[str, Any]) -> Origin:
        """Return what the ``provenance.json`` of a converted split tells.

        The licence in ``project.yaml`` is that of the published data set; where the project names none, it is that of
        its own files. Archives have spellings of their own, so for the published data it goes before what they note.
        """
        noted: Mapping[str, Any] = made.get("dataset") or {}
        doi = noted.get("doi")
        own = project.licenses.data if doi == project.dataset.doi else None
        licences = (own, noted.get("license")) if doi else (noted.get("license"), own)
        return cls(
            source=made["configuration"]["data"]["source"],
            title=noted.get("title"),
            doi=doi,
            license=next(filter(None, licences), None),
            files=noted.get("files"),
            simulated=noted.get("simulated") or {},
        )


def origin(project: Project, folder: Path) -> Origin:
    """Return where the data in a bundle came from: those it was trained on, or only measured on if it was imported."""
    paths = [folder / "provenance" / f"data-{split}.json" for split in _SPLITS]
    found = next((path for path in paths if path.is_file()), None)
    return Origin() if found is None else Origin.of(project, read_json(found))


def learned_from(folder: Path) -> str | None:
    """Return the DOI of the published data that a bundle's model was trained on; None if it were others, or unknown."""
    if about := trained_elsewhere(folder):
        return about.dataset_doi
    path = folder / "provenance" / "data-train.json"
    if not path.is_file():
        return None
    doi: str | None = (read_json(path).get("dataset") or {}).get("doi")
    return doi


def reference(project: Project, folder: Path) -> str | None:
    """Return the DOI of the published data that the project names, if the model in a bundle didn't learn from them."""
    doi = project.dataset.doi
    return None if doi == learned_from(folder) else doi
