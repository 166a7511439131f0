"""The study of any network that classifies sets: where its decisions come from, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from ..bundle.errors import ExplainError
from ..bundle.strict import Strict, validate
from ..lrp import COMPOSITES
from ..lrp.ledger import TOLERANCE, check_ledger
from ..models.contract import Model
from ..pages.document import Table
from ..provenance.configuration import Config, ExplainConfig
from ..provenance.steps import brief
from .averages import by_class
from .relevances import read_relevances
from .removal_figure import draw_removal
from .removal_table import trust_lines, trust_tables
from .resume import weights_sha256
from .sets import Work, non_empty, write_sets
from .share_figure import draw_shares
from .trust import trust

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

__all__ = ["RANKS", "StudyOptions", "study"]

#: Ranks in pT that are told apart.
RANKS = 40


class StudyOptions(Strict):
    """What the study does besides explaining: ``explain.options`` of the configuration."""

    trust: int = Field(
        50, ge=0, description="validation examples to measure on how far explanations can be trusted; 0: none"
    )
    trust_steps: int = Field(5, ge=2, description="steps in which elements are removed")
    trust_composites: list[str] = Field(
        list(COMPOSITES), description="composites to compare, the simplest first; all there are by default"
    )
    format: str = Field("png", pattern="^(png|pdf|svg)$", description="format of the figures")


def study(
    model: Model, network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, folder: Path
) -> dict[str, Any]:
    """Explain examples of the test split; write relevances and figures.

    Parameters
    ----------
    model, network
        The network in evaluation mode, and what is known of it.
    datasets
        Examples of "test" are explained; on examples of "val" it is measured how far explanations can be trusted.
    config
        Configuration; ``explain`` and ``seed`` matter, ``explain.options`` is described by `StudyOptions`.
    folder
        Where files go.

    Returns
    -------
    found
        Tables as JSON values; ``headline`` are lines for a human.
    """
    import torch

    settings, dataset = config.explain, datasets["test"]
    options = _options(config)
    classes = model.outputs[0].columns
    target = list(model.target()) if settings.target is None else settings.target
    indices, empty = non_empty(model, dataset, _drawn(dataset, settings.size, config.seed))
    if not indices:
        raise ExplainError(f"none of the {settings.size} examples has an element: nothing to explain")
    attributes = _attributes(model, network, config, target)
    work = Work(model, network, dataset, indices, target, settings)
    path = write_sets(folder, work, attributes)
    shares, labels, errors = _shares(path)
    chosen = {name: labels == number for number, name in enumerate(classes)}
    tolerance = TOLERANCE[getattr(torch, settings.precision)]
    check_ledger(float(errors.max()), settings.precision)
    found: dict[str, Any] = {
        "examples": {
            "explained": len(indices),
            "without_elements": empty,
            **{name: int(rows.sum()) for name, rows in chosen.items()},
        },
        "ledger": {
            "largest_error": float(errors.max()),
            "median_error": float(np.median(errors)),
            "tolerance": tolerance,
            "examples_above": int((errors > tolerance).sum()),
        },
        "shares": {name: by_class(rows, chosen) for name, rows in shares.items()},
        "explained": {"target": dict(zip(classes, target, strict=True)), **_plain(settings)},
    }
    tables = [_feature_table(model, found["shares"], classes)]
    if options.trust:
        found["trust"] = _trust(model, network, datasets["val"], target, config)
        tables += trust_tables(found["trust"], settings.composite, "Elements")
    found["tables"] = [table.as_dict() for table in tables]
    _draw(model, found, folder, options.format)
    found["headline"] = list(_headline(model, found, settings))
    return found


def _options(config: Config) -> StudyOptions:
    return validate(StudyOptions, config.explain.options, "explain.options")


def _drawn(dataset: Any, count: int, seed: int | list[int]) -> list[int]:
    order = np.random.default_rng(seed).permutation(len(dataset))[:count]
    return [int(index) for index in np.sort(order)]


def _shares(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return shares of every example's sum of |R|, signed ones too; labels; errors of the ledger."""
    parts: dict[str, list[np.ndarray]] = {"feature": [], "rank": [], "signed": []}
    labels, errors = [], []
    for part in read_relevances(path):
        relevance = part["element/relevance"].astype(np.float64)
        size = np.abs(relevance)
        total = np.maximum(size.sum((1, 2)), 1e-300)[:, None]
        ranks = size.sum(2)[:, :RANKS]
        parts["feature"].append(size.sum(1) / total)
        parts["signed"].append(relevance.sum(1) / total)
        parts["rank"].append(np.pad(ranks, [(0, 0), (0, RANKS - ranks.shape[1])]) / total)
        labels.append(part["example/label"])
        errors.append(part["ledger/error"])
    return (
        {name: np.concatenate(rows) for name, rows in parts.items()},
        np.concatenate(labels),
        np.concatenate(errors),
    )


def _trust(model: Model, network: nn.Module, dataset: Any, target: Sequence[float], config: Config) -> dict[str, Any]:
    from ..lrp.composites import bounds

    options = _options(config)
    indices, _ = non_empty(model, dataset, _drawn(dataset, options.trust, [config.seed, 1]))
    if not indices:
        raise ExplainError(f"none of {options.trust} validation examples has an element; set explain.options.trust=0")
    batch = dataset.__getitems__(indices)
    return trust(
        network,
        {spec.name: batch[spec.name] for spec in model.inputs if spec.name in batch},
        target,
        composite=config.explain.composite,
        composites=options.trust_composites,
        bounds=bounds(model.features.ranges),
        steps=options.trust_steps,
        seed=config.seed,
    )


def _feature_table(model: Model, shares: Mapping[str, Any], classes: Sequence[str]) -> Table:
    """Return each feature's share of |R| by class, for the card."""

    def cell(name: str, number: int) -> str:
        row = shares["feature"][name]
        mean, error = row["mean"][number], row["error"][number]
        return "none explained" if mean is None else f"{mean:.3f} ± {error:.3f}"

    return Table(
        "Share of the absolute relevance by feature, on the test split",
        ("feature", *classes),
        tuple(
            (feature, *(cell(name, number) for name in classes))
            for number, feature in enumerate(model.features.columns)
        ),
    )


def _draw(model: Model, found: Mapping[str, Any], folder: Path, suffix: str) -> None:
    names = model.features.columns
    rank = r"Element by falling $p_T$"
    classes = model.outputs[0].columns
    panels = (("feature", "", names), ("rank", rank, None))
    draw_shares(found["shares"], folder / f"relevance_shares.{suffix}", panels, classes)
    if "trust" in found:
        examples = f"{found['trust']['jets']} validation examples"
        draw_removal(found["trust"], folder / f"removal.{suffix}", explained="explained output", examples=examples)


def _headline(model: Model, found: Mapping[str, Any], settings: ExplainConfig) -> Iterator[str]:
    examples, ledger = found["examples"], found["ledger"]
    counts = ", ".join(f"{examples[name]} {name}" for name in model.outputs[0].columns)
    yield (
        f"explained {examples['explained']} examples ({counts}) by {settings.composite}: largest ledger error "
        f"{ledger['largest_error']:.1e} in {settings.precision}, {ledger['examples_above']} above "
        f"{ledger['tolerance']:.0e}; {examples['without_elements']} without elements left out"
    )
    for name, row in found["shares"]["feature"].items():
        if row["mean"][0] is not None:
            best = int(np.argmax(row["mean"]))
            share = f"{row['mean'][best]:.3f} ± {row['error'][best]:.3f}"
            yield f"{name}: the feature with the largest share of |R| is {model.features.columns[best]}, {share}"
    if "trust" in found:
        yield from trust_lines(found["trust"], settings.composite)
        for composite, reason in found["trust"]["refused"].items():
            yield f"{composite} can't explain this network: {reason}"


def _attributes(model: Model, network: nn.Module, config: Config, target: Sequence[float]) -> dict[str, Any]:
    columns = model.outputs[0].columns
    return {
        "title": f"Relevances of {model.title} on examples of the test split",
        "explained": " + ".join(f"({weight:g}) z_{name}" for name, weight in zip(columns, target, strict=True)),
        "weights_sha256": weights_sha256(network),
        "provenance": brief(config),
        **_plain(config.explain),
    }


def _plain(settings: ExplainConfig) -> dict[str, Any]:
    return settings.model_dump(mode="json", include={"composite", "bias", "epsilon", "precision"})
