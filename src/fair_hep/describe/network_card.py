"""The card of a network of one's own, from the files of its bundle and from what its recipe says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from .. import bundle
from ..bundle.domain import Trained
from ..bundle.files import read_json
from ..models.building import of_recipe
from ..models.contract import Model
from ..pages.document import Block, Code, Items, Paragraph, Picture, Section, Table
from ..provenance.git import DIRTY
from ..tagging.cuts import cuts_table
from . import energy
from .card_data import evaluation_data, training_data
from .facts import Facts
from .people import authors
from .sample import source_of
from .snippet import ways_to_run
from .software import SOFTWARE

__all__ = ["CONFIGURATION", "network_sections"]

#: The configuration that made a bundle, to make it again.
CONFIGURATION = "configuration.yaml"
_SHOWN = (".png", ".svg")


def network_sections(facts: Facts, model: Model) -> list[Section]:
    """Return the card's sections; pictures are named relative to the bundle."""
    return [
        Section("Model details", (_details(facts, model), _files(facts.folder))),
        Section("Intended use", _use(facts, model), (*ways_to_run(facts), *_graph_that_explains(facts.signature))),
        Section("Factors", _factors(facts, model)),
        Section("Metrics", _metrics(facts.metrics, model)),
        Section("Evaluation data", evaluation_data(facts)),
        Section("Training data", training_data(facts)),
        Section("Quantitative analyses", sections=_analyses(facts, model)),
        Section("Ethical considerations", _ethics(facts, model)),
        Section("Caveats and recommendations", _caveats(facts, model)),
        Section("How to reproduce", _reproduce(facts)),
        Section("How to cite", _cite(facts, model)),
    ]


def _pictures(folder: Path, model: Model, verb: str, found: Mapping[str, str] | None = None) -> tuple[Picture, ...]:
    """Return the figures that a verb left in a bundle, each with what it shows, and what was found besides."""
    paths = sorted(path for path in (folder / "figures" / verb).rglob("*") if path.suffix in _SHOWN)
    return tuple(Picture(path.relative_to(folder).as_posix(), _caption(path, model, found or {})) for path in paths)


def _caption(path: Path, model: Model, found: Mapping[str, str]) -> str:
    """Return what the recipe says of a figure, and what the study counted; the first pattern that fits counts."""
    said, counted = (
        next((text for pattern, text in texts.items() if fnmatch(path.stem, pattern)), "")
        for texts in (model.captions, found)
    )
    return ". ".join(text for text in (said or path.stem.replace("_", " "), counted) if text)


def _details(facts: Facts, model: Model) -> Items:
    project, signature, made = facts.project, facts.signature, facts.bundled
    chosen = ", ".join(f"{key}={value}" for key, value in of_recipe(signature.hyperparameters).items())
    licences = {"code": project.licenses.code, "weights": project.licenses.weights}
    rows = {
        "Version": f"{project.version}, of {facts.made}",
        "DOI": _doi(project.doi),
        "Network": signature.title + (f" ({chosen})" if chosen else ""),
        "Parameters": f"{facts.training['parameters']:,}" if "parameters" in facts.training else None,
        "Cost": _cost(facts.metrics),
        "Pruned": _pruned(facts),
        "Training": facts.elsewhere.sentence() if facts.elsewhere else None,
        "Architecture": f"{model.citation['authors']}, {model.citation['title']}, {_doi(model.citation['doi'])}",
        "Authors": "; ".join(author.name for author in authors(project)),
        "Licences": ", ".join(f"{what} {licence}" for what, licence in licences.items() if licence),
        "Code": f"<{project.repository}>" if project.repository else None,
        "Commit": _commit(made.get("git_commit")),
        "Questions": f"<{project.repository}/issues>" if project.repository else None,
    }
    return Items(tuple(f"{name}: {value}" for name, value in rows.items() if value))


def _cost(metrics: Mapping[str, Any]) -> str | None:
    """Say what an answer costs, where that was counted."""
    found = metrics.get("cost")
    return None if found is None else f"{found['macs']:,.0f} multiply-adds for one of the stored examples, in the mean"


def _pruned(facts: Facts) -> str | None:
    """Say what a network was made smaller from, what was kept, and what that saves."""
    found = facts.pruned
    if found is None:
        return None
    metric, same = found["validation"], found["explanations"]
    kept = f"keeps {metric['kept']:.1%} of {metric['metric']} ({metric['before']:.4f}, now {metric['after']:.4f}, on "
    looks = (
        f"; its explanations order elements like those before with a rank correlation of {same['rank_correlation']:.3f}"
        f" ± {same['rank_correlation_error']:.3f} ({same['examples']} examples)"
        if "rank_correlation" in same
        else ""
    )
    return (
        f"from `{found['from']}` by {found['criterion']}; {kept}{metric['examples']:,} validation examples) at "
        f"{found['macs']['share']:.1%} of the multiply-adds and {found['parameters']['share']:.1%} of the "
        f"parameters{looks}"
    )


def _commit(commit: str | None) -> str | None:
    """Name the commit of the code, and say if nobody can check out what made the bundle."""
    if commit is None or not commit.endswith(DIRTY):
        return f"`{commit}`" if commit else None
    return f"`{commit.removesuffix(DIRTY)}`, with changes that weren't committed: the code that made it isn't there"


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
        f"{SOFTWARE}/": "the wheel of fair-hep, which loads, runs and explains it: to install by its path",
        CONFIGURATION: "the configuration that made it",
        "provenance/": "what made it, step by step: versions, seeds, checksums of inputs",
        bundle.SUMS: f"checksum of every file: `sha256sum --check {bundle.SUMS}`",
    }
    rows = [(f"`{name}`", text) for name, text in known.items() if (folder / name).exists() or name == bundle.SUMS]
    return Table("Files of the bundle", ("file", "what it is"), tuple(rows))


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


def _analyses(facts: Facts, model: Model) -> tuple[Section, ...]:
    folder, metrics = facts.folder, facts.metrics
    explained = metrics.get("explanation")
    tests = f"{metrics['test_set']['examples']} test examples, {source_of(metrics['source'])}."
    performance = Section(
        "Performance",
        (
            Paragraph(f"On {tests}"),
            Items(tuple(metrics["headline"])),
            *_temperature(metrics),
            *([cuts_table(metrics["working_points"])] if metrics.get("working_points") else []),
            *_seeds(metrics),
            *(Table.of(table) for table in metrics.get("tables", [])),
            *_pictures(folder, model, "evaluate"),
        ),
    )
    return (performance, *([_explanation(folder, explained, model)] if explained else []), _checked(folder))


def _seeds(metrics: Mapping[str, Any]) -> tuple[Table, ...]:
    """Return how far apart several trainings lie, if there were several: of the measures of the whole test split."""
    found = metrics.get("seeds")
    if not found:
        return ()
    rows = tuple(
        (name, f"{one['values'][0]:.4g}", f"{one['mean']:.4g} ± {one['error']:.1g}", f"{one['spread']:.2g}")
        for name, one in found["metrics"].items()
        if not re.search(r"_bin\d+$", name)
    )
    title = (
        f"{len(found['runs'])} trainings that differ by their seed; the first is this model, the spread is the "
        "standard deviation of a single training"
    )
    return (Table(title, ("metric", "this model", "mean and its error", "spread"), rows),)


def _temperature(metrics: Mapping[str, Any]) -> tuple[Block, ...]:
    """Say what the published logits were divided by, if they were."""
    found = metrics.get("temperature")
    if not found:
        return ()
    fitted = (
        f" ± {found['error']:.3f}, fitted on {found['validation_examples']} validation examples"
        if "error" in found
        else ", chosen by the authors"
    )
    errors = [
        f"{found[when]['calibration_error']:.4f} ± {found[when]['calibration_error_error']:.4f} {when} it"
        for when in ("before", "after")
    ]
    return (
        Paragraph(
            f"The graphs divide the network's logits by the temperature {found['value']:.4g}{fitted}. The expected "
            f"calibration error of the test split is {' and '.join(errors)}. Figures above and pictures are of the "
            "logits as trained; with two classes the order of the scores, and so areas and rejections, is the same. "
            "Cuts in the table of working points are those on the divided logits. These are explained too: relevances "
            "and their account are smaller by the same factor, and their shares are the same."
        ),
    )


def _explanation(folder: Path, explained: Mapping[str, Any], model: Model) -> Section:
    how = explained.get("explained", {})
    rules = ", ".join(f"{key} {value}" for key, value in how.items() if isinstance(value, str | float))
    own = f" The model's own rules: {model.composite_reason}." if how.get("composite") == model.composite else ""
    return Section(
        "How it explains, and how far that can be trusted",
        (
            Paragraph(
                "Layer-wise relevance propagation gives every feature of every element its part of an answer. The "
                "parts, and what biases and the stabiliser take, sum to what is explained; that is checked for every "
                f"example. Settings: {rules}.{own}"
            ),
            Items(tuple(explained["headline"])),
            *(Table.of(table) for table in explained.get("tables", [])),
            Paragraph(
                "A relevance says what this network used, not what causes the answer in nature. Where relevances "
                "barely change when weights are made random, they show the inputs more than the network."
            ),
            *_pictures(folder, model, "explain", explained.get("captions")),
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
    lines = ["this model: see `CITATION.cff`" + (f", {_doi(project.doi)}" if project.doi else "")]
    lines.append(f"the architecture: {_doi(model.citation['doi'])}")
    if facts.learned_from:
        lines.append(f"the data set that it learned from: {_doi(facts.learned_from)}")
    return (Items(tuple(lines)),)


def _doi(doi: str | None) -> str | None:
    return f"[doi:{doi}](https://doi.org/{doi})" if doi else None
