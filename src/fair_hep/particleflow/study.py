"""The study of MLPF: what the class and the momentum of an element owe to it and to its neighbours.

After Mokhtar et al., arXiv:2111.12840, on whole events and with maps of every element's own graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from ..bundle.errors import ExplainError
from ..bundle.files import write_json
from ..bundle.strict import Strict, validate
from ..lrp.ledger import TOLERANCE
from ..provenance.configuration import Config, ExplainConfig
from ..provenance.steps import brief
from ..study.removal_figure import draw_removal
from ..study.resume import weights_sha256
from .card import study_tables
from .features import COLUMNS
from .particles import CLASSES, MOMENTA
from .relevances import (
    EXPLAINED,
    check_settings,
    choose,
    converted,
    explain_events,
    read_relevances,
    relevance_key,
    write_relevances,
)
from .removal import removal
from .rmap_figures import OUTPUT_LABELS, draw_counts, draw_r_maps, draw_scores
from .tables import BINS, SHARE, Tables
from .trust import randomised

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

__all__ = ["StudyOptions", "study"]

_TRUTH = tuple(COLUMNS.index(name) for name in ("is_gen_muon", "is_gen_electron"))


class StudyOptions(Strict):
    """What the study does: ``explain.options`` of the configuration."""

    elements: int = Field(
        100, ge=1, description="elements of each class to explain, correctly and incorrectly classified ones each"
    )
    others: int = Field(5, ge=1, le=20, description="rows of an R-map below the element itself")
    trust: int = Field(60, ge=0, description="elements to compare with networks of random weights; 0: none")
    removal: int = Field(
        2, ge=0, description="elements of each class and outcome of the validation split to remove others for; 0: none"
    )
    removal_steps: int = Field(4, ge=2, description="steps in which others are removed")
    interactive: bool = Field(True, description="also make event displays to click on, with plotly")
    format: str = Field("png", pattern="^(png|pdf|svg)$", description="format of the figures")


def study(network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, folder: Path) -> dict[str, Any]:
    """Explain elements of events of the test split; write relevances, figures and event displays.

    Parameters
    ----------
    network
        MLPF in evaluation mode.
    datasets
        Elements of "test" are explained; on elements of "val" it is measured how far explanations can be trusted.
    config
        Configuration; ``explain`` and ``seed`` matter, ``explain.options`` is described by `StudyOptions`.
        ``explain.size`` counts events, ``explain.figures`` the events that are displayed. Each class and each component
        of the momentum is explained by itself, whatever ``explain.target`` says.
    folder
        Where files go.

    Returns
    -------
    found
        Tables as JSON values; ``headline`` are lines for a human.

    Raises
    ------
    ExplainError
        If there is no element, the rules aren't those of whole events, or a ledger stays open.
    """
    import torch

    settings, dataset = config.explain, datasets["test"]
    options = validate(StudyOptions, settings.options, "explain.options")
    epsilon = check_settings(settings)
    network = converted(network, settings.precision)
    size = len(dataset)  # type: ignore[arg-type]
    order = np.random.default_rng(config.seed).permutation(size)[: settings.size]
    indices = [int(index) for index in np.sort(order)]
    choices = choose(network, dataset, indices, options.elements, config.seed)
    if not choices:
        raise ExplainError(f"none of the {len(indices)} events has an element: nothing to explain")
    path = write_relevances(
        folder,
        lambda done: explain_events(network, dataset, choices, epsilon, progress=True, done=done),
        relevance_key(network, dataset, choices, epsilon),
        _attributes(network, config),
    )
    tables = Tables(options.others)
    for element in read_relevances(path):
        tables.add(element)
    largest = max(tables.errors)
    if largest > TOLERANCE[getattr(torch, settings.precision)]:
        raise ExplainError(f"a ledger stays open by {largest:.1e} in {settings.precision}: raise explain.epsilon")
    found: dict[str, Any] = {
        "events": {"looked_at": len(indices), "explained": len(choices)},
        "elements": {"explained": len(tables.errors), "at_most": options.elements},
        "ledger": {"largest_error": largest, "median_error": float(np.median(tables.errors))},
        "explained": _plain(settings),
        "features": list(COLUMNS),
        "r_score_bins": BINS.tolist(),
        "relevant_share": SHARE,
        "outputs": tables.found(),
    }
    found["trust"] = {}
    if options.removal:
        found["trust"] |= _removal(network, datasets["val"], config, options, epsilon)
    if options.trust:
        found["trust"]["randomised"] = randomised(
            network, dataset, choices, epsilon=epsilon, seed=config.seed, limit=options.trust
        )
    found["tables"] = [table.as_dict() for table in study_tables(found)]
    _draw(found, folder, options.format)
    if settings.figures:
        shown = [choice.index for choice in choices[: settings.figures]]
        _display(network, dataset, shown, folder, epsilon=epsilon, options=options)
    found["headline"] = _headline(found, settings)
    return found


def _removal(
    network: Any, dataset: Dataset[Any], config: Config, options: StudyOptions, epsilon: float
) -> dict[str, Any]:
    order = np.random.default_rng([config.seed, 3]).permutation(len(dataset))[: config.explain.size]  # type: ignore[arg-type]
    choices = choose(network, dataset, [int(index) for index in np.sort(order)], options.removal, config.seed)
    return removal(
        network,
        dataset,
        choices,
        composite=config.explain.composite,
        epsilon=epsilon,
        steps=options.removal_steps,
        seed=config.seed,
    )


def _draw(found: Mapping[str, Any], folder: Path, suffix: str) -> None:
    outputs = found["outputs"]
    for kind in CLASSES:
        if any(cell["elements"] for cell in outputs["class"][kind].values()):
            label = f"{OUTPUT_LABELS['class']} ({kind.replace('_', ' ')})"
            draw_r_maps(outputs["class"], [kind], label, folder / f"rmap_{kind}.{suffix}")
    for name in MOMENTA:
        kinds = [kind for kind in CLASSES[1:] if any(cell["elements"] for cell in outputs[name][kind].values())]
        if kinds:
            draw_r_maps(outputs[name], kinds, OUTPUT_LABELS[name], folder / f"rmaps_{name}.{suffix}")
    draw_scores(outputs["class"], folder / f"r_scores.{suffix}")
    draw_counts(outputs["class"], folder / f"relevant_elements.{suffix}")
    if "removal" in found["trust"]:
        examples = f"{found['trust']['elements']} validation elements"
        draw_removal(
            found["trust"], folder / f"removal.{suffix}", explained="logit of the true class", examples=examples
        )


def _display(
    network: Any, dataset: Any, indices: list[int], folder: Path, *, epsilon: float, options: StudyOptions
) -> None:
    from .display import draw_display, explain_event, packed_event, write_page

    for index in indices:
        event = explain_event(network, dataset, index, epsilon)
        draw_display(event, event.typical(), folder / f"event_{index}.{options.format}")
        if options.interactive:
            write_page(event, folder / f"event_{index}.html")
            write_json(folder / f"event_{index}.json", packed_event(event))


def _headline(found: Mapping[str, Any], settings: ExplainConfig) -> list[str]:
    classes = found["outputs"]["class"]
    lines = [
        f"explained {found['elements']['explained']} elements of {found['events']['explained']} events, "
        f"{len(EXPLAINED)} outputs each, by {settings.composite}: largest ledger error "
        f"{found['ledger']['largest_error']:.1e} in {settings.precision}"
    ]
    known = {kind: classes[kind]["correct"] for kind in CLASSES if classes[kind]["correct"]["elements"]}
    shares = [f"{_percent(cell['neighbours_share'])} ({kind})" for kind, cell in known.items()]
    if shares:
        lines.append(f"neighbours' share of |R| of the class, correctly classified: {', '.join(shares)}")
        counts = [f"{cell['relevant_elements']['mean']:.1f} ({kind})" for kind, cell in known.items()]
        lines.append(f"elements that carry {100 * SHARE:.0f} % of |R|: {', '.join(counts)}")
    truth = [
        f"{100 * sum(row[place] for row in cell['r_map']['mean'] for place in _TRUTH):.1f} % ({kind})"
        for kind, cell in known.items()
        if kind in ("electron", "muon")
    ]
    if truth:
        lines.append(f"share of is_gen_muon and is_gen_electron, which come from the generator: {', '.join(truth)}")
    trust = found["trust"]
    if "removal" in trust:
        rows = sorted(trust["removal"].items(), key=lambda item: -item[1]["area"])
        areas = ", ".join(f"{name} {row['area']:.2f} ± {row['area_error']:.2f}" for name, row in rows)
        lines.append(
            f"insertion minus deletion area on {trust['elements']} validation elements: {areas}; "
            f"recommended: {trust['recommended']}"
        )
    if "randomised" in trust:
        last = trust["randomised"][-1]["correlation"]
        shown = "undefined" if last is None else f"{last:+.2f}"
        lines.append(f"all weights random: rank correlation {shown} with the trained network's relevances")
    return lines


def _percent(value: Mapping[str, Any]) -> str:
    error = "" if value["error"] is None else f" ± {100 * value['error']:.1f}"
    return f"{100 * value['mean']:.1f}{error} %"


def _attributes(network: nn.Module, config: Config) -> dict[str, Any]:
    return {
        "title": "Relevances of MLPF on elements of whole events of the test split",
        "outputs": list(EXPLAINED),
        "classes": list(CLASSES),
        "features": list(COLUMNS),
        "weights_sha256": weights_sha256(network),
        "provenance": brief(config),
        **_plain(config.explain),
    }


def _plain(settings: ExplainConfig) -> dict[str, Any]:
    return settings.model_dump(mode="json", include={"composite", "bias", "epsilon", "precision"})
