"""The card of a network of one's own, from the files of its bundle and from what its recipe says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import bundle
from ..bundle.domain import Trained
from ..models.contract import Model
from ..pages.document import Block, Code, Items, Paragraph, Section, Table
from ..provenance.git import DIRTY
from . import energy
from .card_analyses import analyses
from .card_data import evaluation_data, training_data
from .card_details import CONFIGURATION, details, doi, files
from .facts import Facts
from .sample import source_of
from .snippet import ways_to_run

__all__ = ["network_sections"]


def network_sections(facts: Facts, model: Model) -> list[Section]:
    """Return the card's sections; pictures are named relative to the bundle."""
    return [
        Section("Model details", (details(facts, model), files(facts.folder))),
        Section("Intended use", _use(facts, model), (*ways_to_run(facts), *_graph_that_explains(facts.signature))),
        Section("Factors", _factors(facts, model)),
        Section("Metrics", _metrics(facts.metrics, model)),
        Section("Evaluation data", evaluation_data(facts)),
        Section("Training data", training_data(facts)),
        Section("Quantitative analyses", sections=analyses(facts, model)),
        Section("Ethical considerations", _ethics(facts, model)),
        Section("Caveats and recommendations", _caveats(facts, model)),
        Section("How to reproduce", _reproduce(facts)),
        Section("How to cite", _cite(facts, model)),
    ]


def _use(facts: Facts, model: Model) -> tuple[Block, ...]:
    return (
        Paragraph(f"{model.summary} Nothing else was tried."),
        Table("Inputs and outputs of the graph", _HEAD, _rows(facts.signature.inputs, facts.signature.outputs)),
        Paragraph(
            "Out of scope: values in other units, other selections and other detectors give numbers without meaning."
        ),
    )


def _graph_that_explains(signature: bundle.Signature) -> tuple[Section, ...]:
    """Return what goes into the second graph and what comes out of it, besides what the first one has."""
    known = signature.explained
    if known is None:
        return ()
    plain = {spec.name for spec in (*signature.inputs, *signature.outputs)}
    inputs, outputs = ([s for s in specs if s.name not in plain] for specs in (known.inputs, known.outputs))
    weights = ", ".join(f"{w:g} for {c}" for w, c in zip(known.how.target, inputs[-1].columns, strict=True) if w)
    edges = " Of the edges there is one value for each neighbour of each element; where `index` is -1 there is none."
    return (
        Section(
            "The graph that explains",
            (
                Paragraph(
                    f"`{bundle.EXPLAINED}` takes the same inputs and `{inputs[-1].name}`: weights of the raw outputs. "
                    "What is explained is their weighted sum; relevances and the first three entries of the ledger sum "
                    f"to it. The stored answers were made with {weights}."
                    + edges
                    * any(spec.name.startswith("edge") for spec in outputs)
                ),
                Table("What it takes and gives besides the inputs and outputs above", _HEAD, _rows(inputs, outputs)),
            ),
        ),
    )


_HEAD = ("name", "kind", "shape", "unit", "columns", "meaning")


def _rows(inputs: Sequence[bundle.TensorSpec], outputs: Sequence[bundle.TensorSpec]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (f"`{s.name}`", kind, _shape(s), s.unit, ", ".join(s.columns), s.meaning + "; optional" * s.optional)
        for kind, specs in (("input", inputs), ("output", outputs))
        for s in specs
    )


def _shape(spec: bundle.TensorSpec) -> str:
    return "[" + ", ".join(axis if axis in spec.dynamic else str(spec.sizes[axis]) for axis in spec.axes) + "]"


def _factors(facts: Facts, model: Model) -> tuple[Block, ...]:
    lines = (*model.factors, *facts.metrics.get("factors", ()))
    told = (Paragraph("What the answers depend on, and whether it was measured apart:"), Items(lines))
    domain = facts.signature.domain
    if not domain:
        return (*told, Paragraph("Where it was trained isn't known: no answer says whether an example lies outside."))
    return (
        *told,
        Paragraph(
            "The bundle knows where it was trained: `predict`, `explain` and the server say of every example whether "
            "it lies beyond these edges (`outside`), and answer all the same. Beyond them nothing was measured."
        ),
        Table(
            "Where it was trained, in the training data as the network saw them",
            ("quantity", "unit", "lower edge", "1 %", "median", "99 %", "upper edge", "values"),
            tuple(_domain_row(known) for known in domain),
        ),
    )


def _domain_row(known: Trained) -> tuple[str, ...]:
    quantiles = dict(known.quantiles)
    cells = (known.edges[0], quantiles.get(0.01), quantiles.get(0.5), quantiles.get(0.99), known.edges[1])
    return (known.title, known.unit, *("" if cell is None else f"{cell:.4g}" for cell in cells), f"{known.count:,}")


def _metrics(metrics: Mapping[str, Any], model: Model) -> tuple[Block, ...]:
    rows = [(f"`{pattern}`", meaning) for pattern, meaning in model.measures.items()]
    return (
        Paragraph(
            f"`{metrics['decisive']}` decides whether a new version may take the place of an old one. "
            "Errors are statistical, from the size of the test set; the spread between trainings isn't in them"
            + (", but stands beside the figures." if metrics.get("seeds") else ", and wasn't measured.")
        ),
        Table(
            "What was measured (`*` stands for any class, working point or quantity)",
            ("metric", "meaning"),
            tuple(rows),
        ),
    )


def _ethics(facts: Facts, model: Model) -> tuple[Block, ...]:
    spent = energy.cost(facts.training)
    unknown = "The network was trained elsewhere; what that cost isn't known."
    inputs = "; ".join(spec.meaning for spec in model.inputs)
    lines = [
        f"The network sees no data of persons. Its inputs are: {inputs}.",
        "An answer is a number for statistical analyses; no decision about a person was meant to hang on it.",
        *([spent.sentence()] if spent else [unknown] if facts.elsewhere else []),
    ]
    return (Items(tuple(lines)),)


def _caveats(facts: Facts, model: Model) -> tuple[Block, ...]:
    lines = [
        *model.limits,
        f"The figures hold for data like those it was tested on ({source_of(facts.metrics['source'])}), "
        "for nothing else.",
        "Before using it on other data, measure it there: `evaluate` and `explain` do so for data of the same layout.",
    ]
    if facts.metrics["source"] != "doi":
        done = "measured" if facts.elsewhere else "trained"
        lines.append(f"It wasn't {done} on the published data set: don't compare these figures with published ones.")
    return (Items(tuple(lines)),)


def _reproduce(facts: Facts) -> tuple[Block, ...]:
    project, made = facts.project, facts.bundled
    lines = [f"git clone {project.repository}" if project.repository else None]
    if made.get("git_commit") and not made["git_commit"].endswith(DIRTY):
        lines.append(f"git checkout {made['git_commit']}")
    lines += ["make install", "source .venv/bin/activate"]
    verbs = [f"import bundle/{bundle.WEIGHTS}", "evaluate", "explain", "export"]
    anew = [f"{project.slug} {verb} --config bundle/{CONFIGURATION}" for verb in ("data", *verbs)]
    whole = f"{project.slug} run --config bundle/{CONFIGURATION}  # data, training, figures and the bundle anew"
    lines += anew if facts.elsewhere or facts.pruned else [whole]
    lines.append(f"{project.slug} verify  # is the bundle whole, and does it still give its stored answers?")
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    return (
        Paragraph("In the project's folder, with the bundle in `bundle/`:"),
        Code("\n".join(line for line in lines if line), "bash"),
        Paragraph(
            f"It was made with Python {made['python']} on {made['system']}, seed {made['seed']}, and {versions}."
        ),
    )


def _cite(facts: Facts, model: Model) -> tuple[Block, ...]:
    project = facts.project
    lines = ["this model: see `CITATION.cff`" + (f", {doi(project.doi)}" if project.doi else "")]
    lines.append(f"the architecture: {doi(model.citation['doi'])}")
    if facts.learned_from:
        lines.append(f"the data set that it learned from: {doi(facts.learned_from)}")
    return (Items(tuple(lines)),)
