"""The format of ``models.json``: which models a place on the web offers, and what each of their files is.

One file for one place; ``models.schema.json`` beside it is generated from the classes below. Paths are relative to the
file, so that a folder can be moved from one server to another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from .. import bundle
from ..bundle.files import read_json, sha256
from ..bundle.strict import Strict, load_yaml, validate
from ..provenance.project import Author, Licenses, Project
from .origin import learned_from

__all__ = ["LISTING", "SCHEMA", "File", "Listed", "Listing", "list_bundle", "schema"]

LISTING = "models.json"
SCHEMA = "models.schema.json"


class File(Strict):
    """A file of a bundle."""

    path: str = Field(description="relative to the bundle's folder")
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Listed(Strict):
    """A model: one version of one bundle."""

    name: str = Field(description="the project's short name; with the version it is unique in a listing")
    version: str
    title: str
    description: str
    network: str = Field(description="title of the architecture")
    summary: str = Field(description="what the network does, in one sentence")
    inputs: list[str] = Field(description="meaning of every input of the graph, with its columns")
    outputs: list[str] = Field(description="meaning of every output of the graph, with its columns")
    domain: list[str] = Field([], description="where it was trained: ranges of what is derived of an example")
    report: str | None = Field(None, description="its page for readers, relative to this listing")
    explains: bool = Field(description="whether the bundle has a graph that also explains")
    authors: list[Author] = Field([], description="who to cite, as project.yaml has it")
    licenses: Licenses
    doi: str | None = None
    repository: str | None = None
    trained_on: str | None = Field(None, description="DOI of the data that the model learned from, if these were they")
    source: str = Field(description="where the data came from: doi, sample, simulate or folder")
    headline: list[str] = Field(description="figures reached on the test set, with their errors")
    metrics: dict[str, float]
    made: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="day of the export")
    folder: str = Field(description="the bundle's folder, relative to this listing")
    files: list[File] = Field(min_length=1)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)


class Listing(Strict):
    """All models of one place: ``models.json``."""

    schema_: str = Field(SCHEMA, alias="$schema")
    format: Literal[1] = 1
    title: str
    models: list[Listed]


def schema() -> dict[str, Any]:
    """Return the JSON schema of ``models.json``."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Listing.model_json_schema()}


def list_bundle(folder: Path, place: str) -> Listed:
    """Describe a bundle from its own files, every one of which is compared with its checksum first.

    Parameters
    ----------
    folder
        The bundle.
    place
        Where it will lie, relative to the listing.

    Raises
    ------
    MissingStepError
        If there is no bundle.
    BundleError
        If a file is changed, missing or not listed, or can't be read.
    ConfigError
        If its ``project.yaml`` doesn't validate.
    """
    bundle.check_files(folder)
    signature = bundle.read_signature(folder)
    path = folder / "project.yaml"
    project = validate(Project, {**load_yaml(path), "root": folder}, str(path))
    metrics, made = read_json(folder / "metrics.json"), read_json(folder / "provenance.json")
    return Listed(
        name=project.slug,
        version=project.version,
        title=project.title,
        description=project.description,
        network=signature.title,
        summary=signature.summary,
        inputs=[_meaning(spec) for spec in signature.inputs],
        outputs=[_meaning(spec) for spec in signature.outputs],
        domain=[f"{known.title} {known.range_text()}" for known in signature.domain],
        explains=signature.explained is not None,
        authors=list(project.authors),
        licenses=project.licenses,
        doi=project.doi,
        repository=project.repository,
        trained_on=learned_from(folder),
        source=metrics["source"],
        headline=metrics["headline"],
        metrics=metrics["metrics"],
        made=made["finished"][:10],
        folder=place,
        files=[
            File(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=sha256(path))
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ],
    )


def _meaning(spec: bundle.TensorSpec) -> str:
    """Return what a tensor is, with its columns and their units."""
    columns = ", ".join(name + (f" ({unit})" if (unit := spec.unit_of(name)) != "1" else "") for name in spec.columns)
    return f"{spec.meaning}: {columns}" if columns else spec.meaning
