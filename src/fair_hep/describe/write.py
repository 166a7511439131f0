"""Where the descriptions go: the plain documents of a bundle, and the files beside its archive."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from .. import bundle
from ..bundle.files import new_folder, write_json, write_text
from ..provenance.project import Dataset, Project, identity
from .card import write_card
from .citation import citation_cff
from .codemeta import codemeta
from .crate import CRATE, ro_crate
from .croissant import croissant
from .datacite import datacite
from .facts import Facts, gather
from .fair4ml import fair4ml
from .people import guessed
from .software import carry
from .terms import vocabulary
from .zenodo_json import zenodo_json

__all__ = ["describe", "refresh", "write_all"]

log = logging.getLogger(__name__)


def describe(project: Project, folder: Path) -> None:
    """Write the plain documents of a bundle anew, from the project, the bundle's other files and the recorded runs.

    The software that the documents tell of comes first: the wheel of this library, where the project carries one.

    Graphs, weights, examples and records of runs aren't touched. ``SHA256SUMS`` is the caller's, who writes it last.
    """
    for line in filter(None, map(guessed, project.authors)):
        log.warning("%s", line)
    carry(project.root, folder)
    facts = gather(project, folder)
    write_text(folder / "project.yaml", identity(_with_its_data(facts)))
    write_text(folder / "CITATION.cff", citation_cff(project, folder, own=facts.model is not None))
    write_text(folder / "README.md", write_card(facts))
    write_json(folder / "datacite.json", datacite(facts))
    if facts.data.splits:  # of a third-party graph no data are known
        write_json(folder / "croissant.json", croissant(facts))
    write_json(folder / "fair4ml.json", fair4ml(facts))
    write_json(folder / "terms.jsonld", vocabulary())
    write_json(folder / CRATE, ro_crate(facts))  # the last one: it holds the checksums of all the others


def _with_its_data(facts: Facts) -> Project:
    """Return the project as its bundle repeats it: with the data that its model was made of, not those that were meant.

    A data set that is a reference stands in ``CITATION.cff`` and ``datacite.json``, which say so.
    """
    licences = facts.project.licenses.model_copy(update={"data": facts.data.license})
    return facts.project.model_copy(update={"dataset": Dataset(doi=facts.learned_from), "licenses": licences})


def refresh(project: Project) -> bool:
    """Bring the plain documents of the project's bundle up to date, and ``SHA256SUMS`` with them, in one step.

    Returns
    -------
    changed
        Whether something changed; the same facts give the same bytes.
    """
    sums = project.bundle / bundle.SUMS
    before = sums.read_bytes() if sums.is_file() else b""
    with new_folder(project.bundle) as folder:
        shutil.copytree(project.bundle, folder, dirs_exist_ok=True)
        describe(project, folder)
        bundle.write_sums(folder)
    return sums.read_bytes() != before


def write_all(project: Project, folder: Path) -> list[str]:
    """Render every description: first those inside the bundle, then those that lie beside its archive.

    Parameters
    ----------
    project
        Read again from ``project.yaml`` if that changed (a reserved DOI, a title).
    folder
        Where the descriptions of the code and of the record go (``dist/``).

    Returns
    -------
    names
        The files written into ``folder``.
    """
    refresh(project)
    facts = gather(project)
    write_text(folder / "CITATION.cff", citation_cff(project))
    described = {
        "codemeta.json": codemeta(project),
        ".zenodo.json": zenodo_json(project),
        "datacite.json": datacite(facts),
    }
    for name, values in described.items():
        write_json(folder / name, values)
    return ["CITATION.cff", *described]
