"""The model card: what a stranger must know about a bundle, in the sections of Mitchell et al.

Model Cards for Model Reporting, doi:10.1145/3287560.3287596. Everything comes from the files of the bundle and from
what the model says of itself; what isn't known there is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import bundle
from ..bundle.files import read_json
from ..pages.document import Block, Code, Items, Paragraph, Picture, Section, Table, markdown
from ..provenance.about import NAME, trained_elsewhere
from ..provenance.project import Project
from . import authors, energy, front_matter
from .card_data import evaluation_data, source_of, training_data
from .facts import gather, learned_from

if TYPE_CHECKING:
    from ..models.contract import Model

__all__ = ["CONFIGURATION", "card_sections", "pictures", "write_card"]

#: The configuration that made a bundle, to make it again.
CONFIGURATION = "configuration.yaml"
_SHOWN = (".png", ".svg")


def write_card(folder: Path, project: Project, model: Model) -> str:
    """Return the card of a bundle as Markdown with a YAML head.

    Parameters
    ----------
    folder
        The bundle with all other files in it.
    project, model
        Whose bundle it is, and what the network's own code says of it.
    """
    title = f"# {project.title}\n\n{project.description}"
    body = markdown(card_sections(folder, project, model))
    own = [] if bundle.read_signature(folder).foreign else [model.name, "explainable"]
    head = front_matter(project, ["high-energy-physics", *own], folder)
    return f"{head}\n{title}\n\n{body}\n"


def card_sections(folder: Path, project: Project, model: Model) -> list[Section]:
    """Return the card's sections; pictures are named relative to the bundle."""
    if bundle.read_signature(folder).foreign:
        from . import third_party_card as card

        return card.card_sections(folder, project)
    metrics = read_json(folder / "metrics.json")
    return [
        Section("Model details", (_details(folder, project, model), _files(folder))),
        Section("Intended use", _use(folder, project, model)),
        Section("Factors", _factors(model)),
        Section("Metrics", _metrics(metrics, model)),
        Section("Evaluation data", evaluation_data(gather(project, folder), metrics)),
        Section("Training data", training_data(gather(project, folder))),
        Section("Quantitative analyses", sections=_analyses(folder, metrics, model)),
        Section("Ethical considerations", _ethics(folder, model)),
        Section("Caveats and recommendations", _caveats(folder, metrics, model)),
        Section("How to reproduce", _reproduce(folder, project)),
        Section("How to cite", _cite(folder, project, model)),
    ]


def pictures(folder: Path, model: Model, verb: str) -> tuple[Picture, ...]:
    """Return the figures that a verb left in a bundle, each with what it shows."""
    found = sorted(path for path in (folder / "figures" / verb).rglob("*") if path.suffix in _SHOWN)
    return tuple(Picture(path.relative_to(folder).as_posix(), _caption(path, model)) for path in found)


def _caption(path: Path, model: Model) -> str:
    known = (text for pattern, text in model.captions.items() if fnmatch(path.stem, pattern))
    return next(known, path.stem.replace("_", " "))


def _details(folder: Path, project: Project, model: Model) -> Items:
    signature = bundle.read_signature(folder)
    trained, elsewhere = _trained(folder), trained_elsewhere(folder)
    made = read_json(folder / "provenance.json")
    chosen = ", ".join(f"{key}={value}" for key, value in signature.hyperparameters.items())
    licences = {"code": project.licenses.code, "weights": project.licenses.weights}
    rows = {
        "Version": f"{project.version}, of {made['finished'][:10]}",
        "DOI": _doi(project.doi),
        "Network": signature.title + (f" ({chosen})" if chosen else ""),
        "Parameters": f"{trained['parameters']:,}" if "parameters" in trained else None,
        "Training": elsewhere.sentence() if elsewhere else None,
        "Architecture": f"{model.citation['authors']}, {model.citation['title']}, {_doi(model.citation['doi'])}",
        "Authors": "; ".join(author.name for author in authors(project)),
        "Licences": ", ".join(f"{what} {licence}" for what, licence in licences.items() if licence),
        "Code": f"<{project.repository}>" if project.repository else None,
        "Commit": f"`{made['git_commit']}`" if made.get("git_commit") else None,
        "Questions": f"<{project.repository}/issues>" if project.repository else None,
    }
    return Items(tuple(f"{name}: {value}" for name, value in rows.items() if value))


def _files(folder: Path) -> Table:
    known = {
        bundle.MODEL: "the network, for ONNX Runtime: raw values in, features and graph are made inside",
        bundle.EXPLAINED: "the same network, which also says what its answers owe to its inputs",
        bundle.WEIGHTS: "the weights, for PyTorch",
        bundle.SIGNATURE: "names, axes, units and meaning of inputs and outputs; `schema.json` says how it is built",
        "examples/": "stored inputs and answers with tolerances, and a request for the server",
        "metrics.json": "everything that was measured",
        "parity.json": "how ONNX Runtime compared with PyTorch",
        "figures/": "the pictures",
        CONFIGURATION: "the configuration that made it",
        "provenance/": "what made it, step by step: versions, seeds, checksums of inputs",
        bundle.SUMS: f"checksum of every file: `sha256sum --check {bundle.SUMS}`",
    }
    rows = [(f"`{name}`", text) for name, text in known.items() if (folder / name).exists() or name == bundle.SUMS]
    return Table("Files of the bundle", ("file", "what it is"), tuple(rows))


def _use(folder: Path, project: Project, model: Model) -> tuple[Block, ...]:
    signature = bundle.read_signature(folder)
    rows = []
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        rows += [
            (f"`{s.name}`", kind, _shape(s), s.unit, ", ".join(s.columns), s.meaning + "; optional" * s.optional)
            for s in specs
        ]
    head = ("name", "kind", "shape", "unit", "columns", "meaning")
    code = (
        f"from {project.slug}.runtime import load\n\n"
        'model = load("bundle")\n'
        "outputs = model.predict(examples)  # arrays of different lengths, or one padded array\n"
        + ("why = model.explain(examples)  # relevances of all features\n" if signature.explained else "")
    )
    return (
        Paragraph(f"{model.summary} Nothing else was tried."),
        Paragraph("With the project's package, which needs NumPy and ONNX Runtime but no training framework:"),
        Code(code, "python"),
        Table("Inputs and outputs of the graph", head, tuple(rows)),
        Paragraph(
            "Out of scope: values in other units, other selections and other detectors give numbers without meaning."
        ),
    )


def _shape(spec: bundle.TensorSpec) -> str:
    return "[" + ", ".join(axis if axis in spec.dynamic else str(spec.sizes[axis]) for axis in spec.axes) + "]"


def _factors(model: Model) -> tuple[Block, ...]:
    return (Paragraph("What the answers depend on, and whether it was measured apart:"), Items(model.factors))


def _metrics(metrics: Mapping[str, Any], model: Model) -> tuple[Block, ...]:
    rows = [(f"`{pattern}`", meaning) for pattern, meaning in model.measures.items()]
    return (
        Paragraph(
            f"`{metrics['decisive']}` decides whether a new version may take the place of an old one. "
            "Errors are statistical, from the size of the test set; the spread between trainings isn't in them."
        ),
        Table(
            "What was measured (`*` stands for any class, working point or quantity)",
            ("metric", "meaning"),
            tuple(rows),
        ),
    )


def _analyses(folder: Path, metrics: Mapping[str, Any], model: Model) -> tuple[Section, ...]:
    explained = metrics.get("explanation")
    tests = f"{metrics['test_set']['examples']} test examples, {source_of(metrics['source'])}."
    performance = Section(
        "Performance",
        (
            Paragraph(f"On {tests}"),
            Items(tuple(metrics["headline"])),
            *(Table.of(table) for table in metrics.get("tables", [])),
            *pictures(folder, model, "evaluate"),
        ),
    )
    return (performance, *([_explanation(folder, explained, model)] if explained else []), _checked(folder))


def _explanation(folder: Path, explained: Mapping[str, Any], model: Model) -> Section:
    how = explained.get("explained", {})
    rules = ", ".join(f"{key} {value}" for key, value in how.items() if isinstance(value, str | float))
    return Section(
        "How it explains, and how far that can be trusted",
        (
            Paragraph(
                "Layer-wise relevance propagation gives every feature of every element its part of an answer. The "
                "parts, and what biases and the stabiliser take, sum to what is explained; that is checked for every "
                f"example. Settings: {rules}."
            ),
            Items(tuple(explained["headline"])),
            *(Table.of(table) for table in explained.get("tables", [])),
            Paragraph(
                "A relevance says what this network used, not what causes the answer in nature. Where relevances "
                "barely change when weights are made random, they show the inputs more than the network."
            ),
            *pictures(folder, model, "explain"),
        ),
    )


def _checked(folder: Path) -> Section:
    parity, examples = read_json(folder / "parity.json"), bundle.read_examples(folder)
    plain = [row for row in parity if not str(row["case"]).startswith("explained")]
    flipped = sum(int(row["flipped"]) for row in plain)
    largest = max(float(row["largest"]) for row in plain)
    lines = (
        f"ONNX Runtime and PyTorch agree within {largest:.1g} at {len(plain)} shapes (`parity.json`); {flipped} of "
        f"{sum(int(row['answers']) for row in plain)} answers hang on another choice of two neighbours that are "
        "equally near, and were left out of this figure.",
        f"`examples/` holds {examples.count} inputs with their outputs. A correct runtime reproduces them within "
        f"{examples.tolerance:g}; {len(examples.near_ties)} of these answers hang on a near-tie and may differ by more "
        "elsewhere. The command `verify` tries it, and compares every file with its checksum.",
    )
    return Section("How it was checked", (Items(lines),))


def _ethics(folder: Path, model: Model) -> tuple[Block, ...]:
    spent = energy.cost(_trained(folder))
    unknown = "The network was trained elsewhere; what that cost isn't known."
    inputs = "; ".join(spec.meaning for spec in model.inputs)
    lines = [
        f"The network sees no data of persons. Its inputs are: {inputs}.",
        "An answer is a number for statistical analyses; no decision about a person was meant to hang on it.",
        *([spent.sentence()] if spent else [unknown] if trained_elsewhere(folder) else []),
    ]
    return (Items(tuple(lines)),)


def _caveats(folder: Path, metrics: Mapping[str, Any], model: Model) -> tuple[Block, ...]:
    lines = [
        *model.limits,
        f"The figures hold for data like those it was tested on ({source_of(metrics['source'])}), for nothing else.",
        "Before using it on other data, measure it there: `evaluate` and `explain` do so for data of the same layout.",
    ]
    if metrics["source"] != "doi":
        done = "measured" if trained_elsewhere(folder) else "trained"
        lines.append(f"It wasn't {done} on the published data set: don't compare these figures with published ones.")
    return (Items(tuple(lines)),)


def _reproduce(folder: Path, project: Project) -> tuple[Block, ...]:
    made = read_json(folder / "provenance.json")
    lines = [f"git clone {project.repository}" if project.repository else None]
    if made.get("git_commit") and not made["git_commit"].endswith("-dirty"):
        lines.append(f"git checkout {made['git_commit']}")
    lines += ["make install", "source .venv/bin/activate"]
    verbs = [f"import bundle/{bundle.WEIGHTS}", "evaluate", "explain", "export"]
    anew = [f"{project.slug} {verb} --config bundle/{CONFIGURATION}" for verb in ("data", *verbs)]
    whole = f"{project.slug} run --config bundle/{CONFIGURATION}  # data, training, figures and the bundle anew"
    lines += anew if trained_elsewhere(folder) else [whole]
    lines.append(f"{project.slug} verify  # is the bundle whole, and does it still give its stored answers?")
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    return (
        Paragraph("In the project's folder, with the bundle in `bundle/`:"),
        Code("\n".join(line for line in lines if line), "bash"),
        Paragraph(
            f"It was made with Python {made['python']} on {made['system']}, seed {made['seed']}, and {versions}."
        ),
    )


def _cite(folder: Path, project: Project, model: Model) -> tuple[Block, ...]:
    lines = ["this model: see `CITATION.cff`" + (f", {_doi(project.doi)}" if project.doi else "")]
    lines.append(f"the architecture: {_doi(model.citation['doi'])}")
    if learned := learned_from(folder):
        lines.append(f"the data set that it learned from: {_doi(learned)}")
    return (Items(tuple(lines)),)


def _doi(doi: str | None) -> str | None:
    return f"[doi:{doi}](https://doi.org/{doi})" if doi else None


def _trained(folder: Path) -> Mapping[str, Any]:
    path = folder / (NAME if (folder / NAME).is_file() else "provenance/train.json")
    found: Mapping[str, Any] = read_json(path)["result"] if path.is_file() else {}
    return found
