"""The identity of the project: ``project.yaml``, and where its folders are."""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from pydantic import Field, PrivateAttr, field_validator

from ..bundle.errors import ConfigError
from ..bundle.http import without_secrets
from ..bundle.strict import Strict, load_yaml, validate

__all__ = ["Author", "Dataset", "Licenses", "Project", "find_root", "identity", "load_project"]


class Author(Strict):
    """Somebody to cite; every field but the name may be left out."""

    name: str = Field(description="'Family, Given' for a person, or the name of a group")
    orcid: str | None = None
    email: str | None = None


class Licenses(Strict):
    """Licences as SPDX identifiers: code, weights and data are three different things.

    That of the data is the licence of the published data set where the project names one, else of its own files.
    """

    code: str
    weights: str
    data: str | None = None


class Dataset(Strict):
    """The published data set of the task: ``data.source=doi`` fetches it; a model of other data refers to it."""

    doi: str | None = None


class Project(Strict):
    """What ``project.yaml`` says, with the folder that it lies in."""

    title: str
    slug: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)
    description: str
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+_-]*$", max_length=100)
    model: str
    authors: tuple[Author, ...] = ()
    licenses: Licenses
    dataset: Dataset = Dataset()
    doi: str | None = None
    repository: str | None = None
    root: Path
    #: Another bundle than the project's own, where a command was given one.
    _bundle: Path | None = PrivateAttr(None)

    @field_validator("repository")
    @classmethod
    def _without_login(cls, address: str | None) -> str | None:
        """Refuse what would be published: the address of a clone may hold a token."""
        if address is not None and without_secrets(address) != address:
            raise ValueError(f"{without_secrets(address)}: expected an address without a name and a password")
        return address

    def with_bundle(self, folder: Path) -> Project:
        """Return the project with another bundle in the place of its own."""
        other = self.model_copy()
        other._bundle = folder.resolve()
        return other

    @property
    def own_bundle(self) -> bool:
        """Whether the bundle is the project's own."""
        return self._bundle is None

    @property
    def data(self) -> Path:
        """Folder of fetched and converted data."""
        return self.root / "data"

    @property
    def sample(self) -> Path:
        """Folder of the small sample that ships with the project."""
        return self.root / "sample"

    @property
    def bundle(self) -> Path:
        """Folder that gets published, or the one that a command was given."""
        return self._bundle or self.root / "bundle"

    def run(self, configuration: str, verb: str) -> Path:
        """Folder of what a verb made with a configuration."""
        return self.root / "runs" / configuration / verb


def find_root(start: Path | None = None) -> Path:
    """Find the nearest folder upwards that holds ``project.yaml``.

    Raises
    ------
    ConfigError
        If there is none.
    """
    here = (start or Path(os.environ.get("FAIR_HEP_PROJECT", "."))).resolve()
    for folder in (here, *here.parents):
        if (folder / "project.yaml").is_file():
            return folder
    raise ConfigError(f"no project.yaml in {here} or above it: change into the project, or set FAIR_HEP_PROJECT")


def load_project(start: Path | None = None) -> Project:
    """Read and validate ``project.yaml``.

    Raises
    ------
    ConfigError
        If the file is missing or doesn't validate; the message names the key.
    """
    root = find_root(start)
    path = root / "project.yaml"
    return validate(Project, {**load_yaml(path), "root": root}, str(path))


def identity(project: Project) -> str:
    """Return what ``project.yaml`` says, as the bundle repeats it: without comments, and without what isn't known."""
    values = project.model_dump(mode="json", exclude={"root"}, exclude_none=True)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
