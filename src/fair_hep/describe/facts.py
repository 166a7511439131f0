"""What is known of a model, in one place: its project, its bundle, and the runs that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import bundle, provenance
from ..bundle.files import read_json, sha256
from ..bundle.strict import load_yaml
from ..models.contract import Model
from ..models.recipe import recipe
from ..provenance.about import NAME, PRUNED, VERB, About, trained_elsewhere
from ..provenance.project import Project
from .origin import Origin, learned_from, reference

__all__ = ["CHAIN", "Data", "Facts", "File", "Run", "Split", "gather"]

#: The steps whose provenance a bundle holds, in the order in which they ran.
CHAIN = ("data-train", "data-val", "data-test", "train", VERB, "prune", "evaluate", "explain", "export")


@dataclass(frozen=True)
class File:
    """A file by its checksum; ``bytes`` is None where nobody noted it."""

    name: str
    sha256: str
    bytes: int | None = None


@dataclass(frozen=True)
class Run:
    """One step that was carried out, as its ``provenance.json`` tells."""

    name: str
    verb: str
    finished: str
    commit: str | None
    seed: int | None
    configuration: Mapping[str, Any]
    inputs: tuple[File, ...]
    versions: Mapping[str, str]
    python: str | None
    system: str | None


@dataclass(frozen=True)
class Split:
    """One part of the data: the raw files it was made from, and the number of examples."""

    name: str
    files: tuple[File, ...]
    examples: int | None


@dataclass(frozen=True)
class Data:
    """The data set as it was used; ``doi`` is None unless it was the published one; ``files`` is their address."""

    source: str
    title: str
    doi: str | None
    license: str | None
    files: str | None
    splits: tuple[Split, ...]
    #: How they were simulated, as the generator tells it; empty where that isn't known.
    simulated: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """Everything that a description may say. What isn't known is None or empty, and is left out."""

    project: Project
    folder: Path
    signature: bundle.Signature
    metrics: Mapping[str, Any]
    #: The recipe of the network; None where the bundle holds a third-party graph.
    model: Model | None
    #: The provenance of the bundle itself: of its export, or of `bundle`.
    bundled: Mapping[str, Any]
    runs: tuple[Run, ...]
    data: Data
    #: DOI of the published data that it learned from; None if it were others, or unknown.
    learned_from: str | None
    #: DOI of the published data that the project names, if it didn't learn from them.
    reference: str | None
    #: What is known of the training, if the weights were imported.
    elsewhere: About | None = None

    @property
    def made(self) -> str:
        """The day on which the bundle was made."""
        day: str = self.bundled["finished"][:10]
        return day

    @property
    def stated(self) -> Mapping[str, Any]:
        """What was told of a third-party graph; nothing of a network of one's own."""
        stated: Mapping[str, Any] = self.bundled.get("about", {}) if self.model is None else {}
        return stated

    @property
    def citation(self) -> Mapping[str, str]:
        """The publication of the network; of a third-party graph, what was told."""
        if self.model is not None:
            return self.model.citation
        return {"doi": self.stated["doi"]} if "doi" in self.stated else {}

    @property
    def limits(self) -> tuple[str, ...]:
        """What the network isn't good for; of a third-party graph, what was told."""
        return self.model.limits if self.model is not None else tuple(self.stated["limits"])

    @property
    def training(self) -> Mapping[str, Any]:
        """What the training noted of itself: its time, its devices, the number of parameters."""
        paths = [self.folder / name for name in (NAME, PRUNED, "provenance/train.json")]
        noted: Mapping[str, Any] = next((read_json(path)["result"] for path in paths if path.is_file()), {})
        return noted

    @property
    def pruned(self) -> Mapping[str, Any] | None:
        """What `prune` noted, if the network was made smaller."""
        path = self.folder / PRUNED
        found: Mapping[str, Any] | None = read_json(path)["pruned"] if path.is_file() else None
        return found

    @property
    def commit(self) -> str | None:
        """The commit of the code that exported the bundle."""
        return self.runs[-1].commit if self.runs else None

    @property
    def keywords(self) -> list[str]:
        """The words that the project's ``CITATION.cff`` lists."""
        own = self.project.root / "CITATION.cff"
        return [str(word) for word in load_yaml(own).get("keywords", [])] if own.is_file() else []

    def files(self) -> list[File]:
        """Return the files of the bundle as they are now, but for the list of checksums."""
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        named = [(path.relative_to(self.folder).as_posix(), path) for path in paths]
        return [File(name, sha256(path), path.stat().st_size) for name, path in named if name != bundle.SUMS]


def gather(project: Project, folder: Path | None = None) -> Facts:
    """Read what is known of a bundle, by default the project's.

    Raises
    ------
    MissingStepError
        If there is no bundle, or it lacks the provenance of its export.
    BundleError
        If its signature can't be read.
    """
    folder = folder or project.bundle
    signature = bundle.read_signature(folder)
    bundled = provenance.require(folder, "export", project.root)
    runs = tuple(_run(name, values) for name, values in _records(folder).items())
    return Facts(
        project=project,
        folder=folder,
        signature=signature,
        metrics=read_json(folder / "metrics.json"),
        model=recipe(project) if signature.trainable else None,
        bundled=bundled,
        runs=runs,
        data=_data(project, folder, signature.inputs[0].axes[0]),
        learned_from=learned_from(folder),
        reference=reference(project, folder) if signature.trainable else None,
        elsewhere=trained_elsewhere(folder),
    )


def _records(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the provenance of every step by name."""
    paths = {name: folder / "provenance" / f"{name}.json" for name in CHAIN} | {"export": folder / provenance.FILE}
    found = {name: read_json(path) for name, path in paths.items() if path.is_file()}
    # The last step of a third-party graph isn't an export.
    return {values["command"] if name == "export" else name: values for name, values in found.items()}


def _run(name: str, values: Mapping[str, Any]) -> Run:
    return Run(
        name=name,
        verb=values["command"],
        finished=values["finished"],
        commit=values["git_commit"],
        seed=values["seed"],
        configuration=values["configuration"] or {},
        inputs=_inputs(values),
        versions=values["versions"],
        python=values["python"],
        system=values["system"],
    )


def _inputs(values: Mapping[str, Any]) -> tuple[File, ...]:
    sizes = values.get("dataset", {}).get("bytes", {})
    return tuple(File(name, checksum, sizes.get(Path(name).name)) for name, checksum in values["inputs"].items())


def _data(project: Project, folder: Path, counted: str) -> Data:
    """Say which data were used, as the steps noted it when they read them."""
    steps = {name.removeprefix("data-"): values for name, values in _records(folder).items() if "-" in name}
    splits = tuple(
        Split(name, _inputs(values), values.get("counts", {}).get(counted)) for name, values in steps.items()
    )
    found = next((Origin.of(project, values) for values in steps.values()), Origin())
    return Data(
        source=found.source,
        title=found.title or f"Data of {project.title} (source: {found.source})",
        doi=found.doi,
        license=found.license,
        files=found.files,
        splits=splits,
        simulated=found.simulated,
    )
