"""The study of any network that classifies sets: where its decisions come from, and how far that can be trusted.

`study` does what all have in common; a recipe says in its ``explain.py`` what it asks for besides, by a `Study`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.errors import ExplainError
from ..bundle.strict import validate
from ..bundle.symbols import plain
from ..data.blocks import Blocks, collect, forget
from ..models.building import build
from ..models.contract import Model
from ..models.explaining import rules_of
from ..pages.document import Table
from ..pages.measured import measured
from ..provenance.configuration import Config, ExplainRules
from ..provenance.steps import provenance_text
from .case import Case, Study
from .fingerprint import weights_sha256
from .relevances import Relevances, read_relevances, write_relevances
from .removal_table import trust_lines, trust_tables
from .sets import blocks_of, non_empty, with_graph
from .share_figure import draw_shares
from .work import Work

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset


__all__ = ["explanations", "study"]


def study(  # noqa: PLR0917
    model: Model,
    network: nn.Module,
    datasets: Mapping[str, Dataset[Any]],
    config: Config,
    folder: Path,
    asked: Study,
) -> dict[str, Any]:
    """Explain examples of the test split; write relevances and figures.

    Parameters
    ----------
    model, network
        The network in evaluation mode, and what is known of it.
    datasets
        Examples of "test" are explained; on examples of "val" it is measured how far explanations can be trusted.
    config
        Configuration; ``explain`` and ``seed`` matter.
    folder
        Where files go.
    asked
        What the recipe asks for besides; its ``options`` describe ``explain.options``.

    Returns
    -------
    found
        Tables as JSON values; ``headline`` are lines for a human.

    Raises
    ------
    ConfigError
        If an option is unknown.
    ExplainError
        If there is nothing to explain, or the network can't be explained.
    """
    case = _case(model, network, config, folder, asked)
    settings, options = case.rules, case.options
    work, empty = _work(case, asked, datasets["test"])
    indices = work.indices
    path = write_relevances(folder, _blocks(case, work), work.layout, _attributes(case, asked))
    found = _summarised(case, asked, path)
    found["examples"] |= {"explained": len(indices), "without_elements": empty}
    found["explained"] = {"target": dict(zip(case.classes, case.target, strict=True)), **_plain(settings)}
    found["explained"] |= {"runtime": "onnx", "difference_from_torch": work.graph.difference} if work.graph else {}
    tables = [_feature_table(model, found["shares"], case.classes)]
    if options.controls:
        found["untrained"] = _untrained(case, asked, work)
    if options.trust:
        found["trust"] = _trust(case, asked, datasets["val"])
        tables += trust_tables(found["trust"], settings.composite, asked.elements.capitalize())
    found |= asked.further(case, work)
    tables += asked.tables(case, found)
    found["tables"] = [table.as_dict() for table in tables]
    _draw(case, asked, found)
    asked.draw(case, found, path)
    found["captions"] = dict(asked.captions(case, found))
    found["headline"] = list(_headline(case, asked, found))
    return found


def explanations(  # noqa: PLR0917
    model: Model,
    network: nn.Module,
    datasets: Mapping[str, Dataset[Any]],
    config: Config,
    folder: Path,
    asked: Study,
) -> list[Blocks]:
    """Return what takes long in `study`, as blocks: the relevances of all examples, and those of untrained networks."""
    case = _case(model, network, config, folder, asked)
    work, _ = _work(case, asked, datasets["test"])
    return [_blocks(case, work), *_controls(case, work)]


def _case(model: Model, network: nn.Module, config: Config, folder: Path, asked: Study) -> Case:
    settings = rules_of(model, config.explain)
    options = validate(asked.options, settings.options, "explain.options")
    return Case(model, network, config, options, settings.target, folder)


def _work(case: Case, asked: Study, dataset: Any) -> tuple[Work, int]:
    """Return what is explained, and how many of the examples that were drawn have nothing to explain."""
    settings = case.rules
    indices, empty = non_empty(case.model, dataset, _drawn(dataset, settings.size, case.config.seed))
    if not indices:
        raise ExplainError(
            f"none of the {settings.size} {asked.examples} has {_one(asked.elements)}: nothing to explain"
        )
    carried = _carried(asked, dataset, indices[0])
    missing = asked.carried.keys() - carried.keys()
    further = {name: column for name, column in asked.layout.items() if name not in missing}
    made = Work(case.model, case.network, dataset, indices, case.target, settings, further, asked.columns, carried)
    return with_graph(made, case.folder.with_name(f"{case.folder.name}-graph")), empty


def _blocks(case: Case, work: Work) -> Blocks:
    return blocks_of(work, processes=case.options.share(len(work.indices)))


def _drawn(dataset: Any, count: int, seed: int | list[int]) -> list[int]:
    order = np.random.default_rng(seed).permutation(len(dataset))[:count]
    return [int(index) for index in np.sort(order)]


def _carried(asked: Study, dataset: Any, index: int) -> dict[str, str]:
    """Return which of the arrays asked for the data set has."""
    batch = dataset.__getitems__([index])
    return {name: array for name, array in asked.carried.items() if array in batch}


def _one(elements: str) -> str:
    """Return the singular with its article."""
    return f"{'an' if elements[0] in 'aeiou' else 'a'} {elements[:-1]}"


def _summarised(case: Case, asked: Study, path: Path) -> dict[str, Any]:
    import torch

    from ..lrp.ledger import TOLERANCE, check_ledger

    summary, settings = asked.summary(case), case.config.explain
    for part in read_relevances(path):
        summary.add(part)
    check_ledger(summary.error, settings.precision)
    found = summary.found()
    tolerance = TOLERANCE[getattr(torch, settings.precision)]
    found["ledger"] |= {"tolerance": tolerance, "examples_above": summary.above(tolerance)}
    return found


def _controls(case: Case, work: Work) -> Iterator[Blocks]:
    """Give the explanations by networks with random weights."""
    import torch

    options = case.options
    indices = work.indices[: options.control_size or 1000]
    for number in range(options.controls):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(case.config.seed + number)
            control = build(case.model, case.config.model).eval()
        name = f"untrained {number + 1}/{options.controls}"
        part = replace(work, network=control, indices=indices, graph=None)
        yield blocks_of(part, processes=options.share(len(indices)), progress=name, padded=True)


def _untrained(case: Case, asked: Study, work: Work) -> dict[str, Any]:
    """Return the tables of networks with random weights: mean over networks, error from their spread."""
    from ..lrp.ledger import check_ledger

    found = []
    for blocks in _controls(case, work):
        summary = asked.summary(case)
        for block in collect(case.folder, blocks):
            summary.add(Relevances(block))
        check_ledger(summary.error, case.config.explain.precision)
        found.append(summary.found(draws=0))
        forget(case.folder, blocks.key)
    size = len(work.indices[: case.options.control_size or 1000])
    return {**asked.summary(case).average(found), "networks": case.options.controls, "examples": size}


def _trust(case: Case, asked: Study, dataset: Any) -> dict[str, Any]:
    import torch

    from ..lrp.composites import bounds
    from .removal import by_mask
    from .trust import trust

    model, network, options = case.model, case.network, case.options
    indices, _ = non_empty(model, dataset, _drawn(dataset, options.trust, [case.config.seed, 1]))
    if not indices:
        raise ExplainError(
            f"none of {options.trust} validation {asked.examples} has {_one(asked.elements)}; set "
            "explain.options.trust=0"
        )
    batch = dataset.__getitems__(indices)
    inputs = {spec.name: batch[spec.name] for spec in model.inputs if spec.name in batch}
    weights = torch.tensor(case.target, dtype=inputs[model.inputs[0].name].dtype)
    score = frozen = None
    if asked.removed == "mask":
        score, frozen = by_mask(network, inputs, weights, model.edges(network))
    return trust(
        network,
        inputs,
        case.target,
        composite=case.rules.composite,
        composites=options.trust_composites,
        bounds=bounds(model.features.ranges),
        steps=options.trust_steps,
        seed=case.config.seed,
        score=score,
        frozen=frozen,
        parts=asked.stages(network.get_submodule("body")),
        truth=asked.truth(batch),
        classes={name: batch["label"] == number for number, name in enumerate(case.classes)},
    )


def _feature_table(model: Model, shares: Mapping[str, Any], classes: Sequence[str]) -> Table:
    """Return each feature's share of |R| by class, for the card."""

    def cell(name: str, number: int) -> str:
        row = shares["feature"][name]
        return measured(row["mean"][number], row["error"][number], unknown="none explained")

    return Table(
        "Share of the absolute relevance by feature, on the test split",
        ("feature", *classes),
        tuple(
            (f"{plain(feature)} (`{feature}`)", *(cell(name, number) for name in classes))
            for number, feature in enumerate(model.features.columns)
        ),
    )


def _draw(case: Case, asked: Study, found: Mapping[str, Any]) -> None:
    draw_shares(
        found["shares"],
        case.figure("relevance_shares"),
        asked.panels(case.model),
        case.classes,
        explained=case.explained,
    )
    if "trust" in found:
        from .removal_figure import draw_removal

        counted = f"{found['trust']['jets']} validation {asked.examples}"
        draw_removal(found["trust"], case.figure("removal"), explained=case.explained, examples=counted)


def _headline(case: Case, asked: Study, found: Mapping[str, Any]) -> Iterator[str]:
    examples, ledger, settings = found["examples"], found["ledger"], case.rules
    counts = ", ".join(f"{examples[name]} {name}" for name in case.classes)
    yield (
        f"explained {examples['explained']} {asked.examples} ({counts}) by {settings.composite}: largest ledger error "
        f"{ledger['largest_error']:.1e} in {settings.precision}, {ledger['examples_above']} above "
        f"{ledger['tolerance']:.0e}; {examples['without_elements']} without {asked.elements} left out"
    )
    bias = ledger["bias"]
    share = measured(bias["share"], bias["error"], ".0%")
    often = measured(bias["above_relevance"], bias["above_relevance_error"], ".0%")
    yield (
        f"biases carry {share} of the account, |bias| / (|bias| + |relevance|), and more than the relevance for "
        f"{often} of the {asked.examples}"
    )
    yield from asked.lines(case, found)
    if "trust" in found:
        yield from trust_lines(found["trust"], settings.composite)
        for composite, reason in found["trust"]["refused"].items():
            yield f"{composite} can't explain this network: {reason}"


def _attributes(case: Case, asked: Study) -> dict[str, Any]:
    explained = zip(case.classes, case.target, strict=True)
    return {
        "title": f"Relevances of {case.model.title} on {asked.examples} of the test split",
        "explained": " + ".join(f"({weight:g}) z_{name}" for name, weight in explained),
        "features": list(case.model.features.columns),
        "weights_sha256": weights_sha256(case.network),
        "provenance": provenance_text(case.config),
        **_plain(case.rules),
    }


def _plain(settings: ExplainRules) -> dict[str, Any]:
    return settings.model_dump(mode="json", include={"composite", "bias", "epsilon", "precision"})
