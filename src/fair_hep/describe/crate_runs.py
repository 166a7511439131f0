"""The runs of an RO-Crate: who, when, with which code, from which data, with which parameters, to what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import bundle
from ..provenance.about import VERB
from .facts import Facts, File, Run
from .media import media_type
from .people import doi_url, known, refs, spdx_url

__all__ = ["Runs"]

#: The sections of a configuration that a step reads.
_SECTIONS = {
    "data": ("data",),
    "train": ("data", "model", "train"),
    VERB: ("model",),
    "prune": ("data", "model", "train", "prune"),
    "evaluate": ("evaluate",),
    "explain": ("explain",),
    "export": ("export",),
    "bundle": (),
}
_MADE = {
    "train": (bundle.WEIGHTS,),
    VERB: (bundle.WEIGHTS,),
    "prune": (bundle.WEIGHTS,),
    "evaluate": ("metrics.json",),
    "explain": ("metrics.json",),
}
_EXPORTED = (
    bundle.MODEL, bundle.EXPLAINED, bundle.SIGNATURE, bundle.EXAMPLES, bundle.REQUEST, "schema.json", "parity.json",
    "examples/inputs.npz", "examples/outputs.npz", "examples/relevance.npz", "README.md",
)  # fmt: skip
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WHAT = {
    "data": "Convert raw files of one split into a memory-mapped store",
    "train": "Train the network",
    VERB: "Give weights that were trained elsewhere the names of this network",
    "prune": "Make the network smaller: take away channels that matter least, and train what is left",
    "evaluate": "Measure the trained network on the test split",
    "explain": "Explain answers of the trained network",
    "bundle": "Take a third-party ONNX model as it is, and store what it answers to examples",
    "export": "Write the bundle: graphs, weights, stored examples and their descriptions",
}


class Runs:
    """The recorded runs as entities that refer to each other by checksum."""

    def __init__(self, facts: Facts, files: Sequence[File], agents: list[str]) -> None:
        self._facts, self._agents = facts, agents
        self._names = {file.name for file in files}
        self._by_sum = {file.sha256: file.name for file in files}
        self._others: dict[str, dict[str, Any]] = {}
        self.actions = [self._action(run) for run in facts.runs]

    def entities(self) -> list[dict[str, Any]]:
        """Return the runs, and what they used that isn't in the bundle: code, data, parameters."""
        return [*self.actions, *self._others.values()]

    def _action(self, run: Run) -> dict[str, Any]:
        inputs = [self._input(run, file) for file in run.inputs]
        what = _WHAT.get(run.verb, run.verb)
        if run.verb == VERB and self._facts.elsewhere:
            what = f"{what}: {self._facts.elsewhere.sentence()}"
        return known({
            "@id": f"#run-{run.name}",
            "@type": "CreateAction",
            "name": run.name,
            "description": f"{what} (Python {run.python}, {run.system})",
            "endTime": run.finished,
            "agent": refs(self._agents),
            "instrument": {"@id": self._code(run)},
            "object": refs([*inputs, *self._parameters(run)]),
            "result": refs(self._results(run)),
        })  # fmt: skip

    def _code(self, run: Run) -> str:
        """Describe the code at its commit, by the identifier that Software Heritage makes of the commit alone."""
        project, commit = self._facts.project, run.commit
        clean = commit is not None and _COMMIT.fullmatch(commit)
        return self._add({
            "@id": f"swh:1:rev:{commit}" if clean else f"#code-{commit}" if commit else "#code",
            "@type": "SoftwareApplication",
            "name": project.slug,
            "description": f"The code of the project, {f'commit {commit}' if commit else 'outside git'}",
            "version": commit or project.version,
            # Without a repository, the card says how to get and to run the code.
            "url": project.repository or "README.md",
            "license": {"@id": spdx_url(project.licenses.code)},
            "softwareRequirements": [f"{library} {version}" for library, version in run.versions.items()],
        })  # fmt: skip

    def _input(self, run: Run, file: File) -> str:
        """Return a file of the bundle with this checksum, or describe one that isn't in it."""
        if file.sha256 in self._by_sum:
            return self._by_sum[file.sha256]
        raw = run.verb == "data"
        found = run.verb in {VERB, "bundle"}
        told = "File as it was found" if found else "Intermediate file, not in the bundle"
        return self._add({
            "@id": f"#{file.name}",
            "@type": "CreativeWork",
            "name": file.name,
            "description": "Raw file, as it was read" if raw else told,
            "encodingFormat": media_type(file.name),
            "contentSize": str(file.bytes) if file.bytes is not None else None,
            "sha256": file.sha256,
            "isPartOf": {"@id": self._dataset()} if raw else None,
        })  # fmt: skip

    def _dataset(self) -> str:
        data = self._facts.data
        used = "was measured on" if self._facts.elsewhere else "learned from"
        return self._add({
            "@id": doi_url(data.doi) or "#dataset",
            "@type": "CreativeWork",
            "additionalType": "Dataset",
            "name": data.title,
            "description": f"The data set that the model {used} (source: {data.source})",
            "license": {"@id": spdx_url(data.license)} if data.license else None,
            "identifier": doi_url(data.doi),
        })  # fmt: skip

    def _parameters(self, run: Run) -> list[str]:
        values = [("seed", run.seed), *_flat({key: run.configuration.get(key) for key in _SECTIONS.get(run.verb, ())})]
        return [self._parameter(run, name, value) for name, value in values if value is not None]

    def _parameter(self, run: Run, name: str, value: Any) -> str:
        about = f"Parameter of {run.name}"
        return self._add({
            "@id": f"#{run.name}-{name}", "@type": "PropertyValue", "name": name, "value": value, "description": about,
        })  # fmt: skip

    def _results(self, run: Run) -> list[str]:
        """Return what a step left: files of the bundle, and files that a later step read."""
        told = _EXPORTED if run.verb in {"export", "bundle"} else _MADE.get(run.verb, ())
        made = [name for name in sorted(self._names) if name in told or name.startswith(f"figures/{run.verb}/")]
        own = (
            f"/{run.name.removeprefix('data-')}/store.json"
            if run.verb == "data"
            else f"/{'train' if run.verb == VERB else run.verb}/"
        )
        for other in self._facts.runs:
            if other.name != run.name:
                made += [self._input(other, file) for file in other.inputs if own in f"/{file.name}"]
        return list(dict.fromkeys(made))

    def _add(self, entity: Mapping[str, Any]) -> str:
        self._others[entity["@id"]] = known(dict(entity))
        name: str = entity["@id"]
        return name


def _flat(values: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    """Give nested settings under dotted names; lists stay one value, as JSON."""
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list):
            yield name, json.dumps(value)
        else:
            yield name, value
