"""The study of a particle-flow network: what the class and the momentum of an element owe to it and to its neighbours.

After Mokhtar et al., arXiv:2111.12840, on whole events and with maps of every element's own graph.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.errors import ExplainError
from ..bundle.files import write_json
from ..data.blocks import Blocks
from ..lrp.ledger import TOLERANCE
from ..provenance.configuration import Config, ExplainConfig
from ..provenance.steps import provenance_text
from ..study.fingerprint import weights_sha256
from ..study.relevances import write_relevances
from ..study.removal_figure import draw_removal
from .card_tables import study_tables
from .choices import Choice, choose
from .columns import CLASSES, MOMENTA
from .labels import CLASS_LABELS, FeatureNames, output_labels
from .options import EventStudyOptions
from .randomised import randomised
from .relevances import EXPLAINED, blocks_of, layout, read_maps
from .removal import removal
from .rmap_averages import BINS, SHARE, RMapAverages
from .rmap_figures import draw_counts, draw_r_maps, draw_scores
from .study_headline import headline

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

__all__ = ["Subject", "explanations", "study"]


@dataclass(frozen=True)
class Subject:
    """What is studied.

    Parameters
    ----------
    title
        Of the model.
    features
        Names of its features.
    truth
        Those of the features that come from the generator: their share of relevance is told.
    """

    title: str
    features: FeatureNames
    truth: Sequence[str] = ()


def study(
    subject: Subject,
    network: nn.Module,
    datasets: Mapping[str, Dataset[Any]],
    config: Config,
    folder: Path,
    *,
    options: EventStudyOptions,
) -> dict[str, Any]:
    """Explain elements of events of the test split; write relevances, figures and event displays.

    Parameters
    ----------
    subject
        What the network is called, and its features.
    network
        A network with a `GravNetBody`, in evaluation mode.
    datasets
        Elements of "test" are explained; on elements of "val" it is measured how far explanations can be trusted.
    config
        Configuration with its rules (`rules_of`); ``explain`` and ``seed`` matter. ``explain.size`` counts events,
        ``explain.figures`` the events that are displayed. Each class and each component of the momentum is explained
        by itself, whatever
        ``explain.target`` says.
    folder
        Where files go.
    options
        Values of ``explain.options``.

    Returns
    -------
    found
        Tables as JSON values; ``headline`` are lines for a human.

    Raises
    ------
    ExplainError
        If there is no element, the rules aren't those of whole events, the network can't be followed, or a ledger stays
        open.
    """
    import torch

    settings, dataset = config.explain, datasets["test"]
    epsilon = _epsilon(settings)
    network = _converted(network, settings.precision)
    indices, choices = _chosen(network, dataset, config, options)
    path = write_relevances(
        folder,
        blocks_of(network, dataset, choices, epsilon),
        layout(subject.features.names),
        _attributes(subject, network, config),
    )
    averages = RMapAverages(options.others, len(subject.features.names))
    for element in read_maps(path):
        averages.add(element)
    largest = max(averages.errors)
    if largest > TOLERANCE[getattr(torch, settings.precision)]:
        raise ExplainError(f"a ledger stays open by {largest:.1e} in {settings.precision}: raise explain.epsilon")
    found: dict[str, Any] = {
        "events": {"looked_at": len(indices), "explained": len(choices)},
        "elements": {"explained": len(averages.errors), "at_most": options.elements},
        "ledger": {"largest_error": largest, "median_error": float(np.median(averages.errors))},
        "explained": _plain(settings),
        "corrections": getattr(network.body, "measured", None) is not None,
        "features": list(subject.features.names),
        "r_score_bins": BINS.tolist(),
        "relevant_share": SHARE,
        "outputs": averages.found(),
    }
    found["trust"] = {}
    if options.removal:
        found["trust"] |= _removal(network, datasets["val"], config, options, epsilon)
    if options.trust:
        found["trust"]["randomised"] = randomised(
            network, dataset, choices, epsilon=epsilon, seed=config.seed, limit=options.trust
        )
    found["tables"] = [table.as_dict() for table in study_tables(found)]
    _draw(found, subject.features, folder, options.format)
    if settings.figures:
        shown = [choice.index for choice in choices[: settings.figures]]
        _display(subject, network, dataset, shown, folder, epsilon=epsilon, options=options)
    found["headline"] = headline(found, settings, subject.features, subject.truth)
    return found


def explanations(
    network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, *, options: EventStudyOptions
) -> Blocks:
    """Return the relevances that `study` writes as blocks, which may be computed anywhere."""
    network = _converted(network, config.explain.precision)
    _, choices = _chosen(network, datasets["test"], config, options)
    return blocks_of(network, datasets["test"], choices, _epsilon(config.explain))


def _chosen(
    network: Any, dataset: Any, config: Config, options: EventStudyOptions
) -> tuple[list[int], Sequence[Choice]]:
    """Return the events that are looked at, and the elements that are explained."""
    order = np.random.default_rng(config.seed).permutation(len(dataset))[: config.explain.size]
    indices = [int(index) for index in np.sort(order)]
    choices = choose(network, dataset, indices, options.elements, config.seed)
    if not choices:
        raise ExplainError(f"none of the {len(indices)} events has an element: nothing to explain")
    return indices, choices


def _epsilon(settings: ExplainConfig) -> float:
    """Return the stabiliser of the rules that are asked for.

    Raises
    ------
    ExplainError
        If maps of whole events can't follow these rules.
    """
    if settings.composite not in ("epsilon", "lrp-0") or settings.bias != "absorb":
        raise ExplainError(
            f"explain.composite {settings.composite!r} with explain.bias {settings.bias!r}: maps of whole events "
            "follow epsilon or lrp-0 with absorb; choose one of them"
        )
    if settings.runtime == "onnx":
        raise ExplainError(
            "explain.runtime=onnx: maps of whole events are sparse, and their sizes depend on values, so no graph "
            "holds them; explain with explain.runtime=torch"
        )
    return 0.0 if settings.composite == "lrp-0" else settings.epsilon


def _converted(network: nn.Module, precision: str) -> Any:
    """Return the network in a precision; a copy if it has another one."""
    import torch

    dtype = getattr(torch, precision)
    if all(parameter.dtype == dtype for parameter in network.parameters()):
        return network
    return copy.deepcopy(network).to(dtype)


def _removal(
    network: Any, dataset: Dataset[Any], config: Config, options: EventStudyOptions, epsilon: float
) -> dict[str, Any]:
    order = np.random.default_rng([config.seed, 3]).permutation(len(dataset))[: config.explain.size]  # type: ignore[arg-type]
    choices = choose(network, dataset, [int(index) for index in np.sort(order)], options.removal, config.seed)
    return removal(
        network,
        dataset,
        choices,
        composite=str(config.explain.composite),
        epsilon=epsilon,
        steps=options.removal_steps,
        seed=config.seed,
    )


def _draw(found: Mapping[str, Any], features: FeatureNames, folder: Path, suffix: str) -> None:
    outputs, labels = found["outputs"], output_labels(found["corrections"])
    for kind in CLASSES:
        if any(cell["elements"] for cell in outputs["class"][kind].values()):
            label = f"{labels['class']} ({CLASS_LABELS[CLASSES.index(kind)]})"
            draw_r_maps(outputs["class"], [kind], features.formulas, label, folder / f"rmap_{kind}.{suffix}")
    for name in MOMENTA:
        kinds = [kind for kind in CLASSES[1:] if any(cell["elements"] for cell in outputs[name][kind].values())]
        if kinds:
            draw_r_maps(outputs[name], kinds, features.formulas, labels[name], folder / f"rmaps_{name}.{suffix}")
    draw_scores(outputs["class"], features.formulas, folder / f"r_scores.{suffix}")
    draw_counts(outputs["class"], folder / f"relevant_elements.{suffix}")
    if "removal" in found["trust"]:
        examples = f"{found['trust']['elements']} validation elements"
        draw_removal(
            found["trust"], folder / f"removal.{suffix}", explained="logit of the true class", examples=examples
        )


def _display(
    subject: Subject,
    network: Any,
    dataset: Any,
    indices: list[int],
    folder: Path,
    *,
    epsilon: float,
    options: EventStudyOptions,
) -> None:
    from .display import draw_display, explain_event, packed_event, write_page

    for index in indices:
        event = explain_event(network, dataset, index, epsilon)
        draw_display(event, event.typical(), folder / f"event_{index}.{options.format}")
        if options.interactive:
            write_page(event, subject.features.plain, folder / f"event_{index}.html")
            write_json(folder / f"event_{index}.json", packed_event(event, subject.features.plain))


def _attributes(subject: Subject, network: nn.Module, config: Config) -> dict[str, Any]:
    return {
        "title": f"Relevances of {subject.title} on elements of whole events of the test split",
        "outputs": list(EXPLAINED),
        "classes": list(CLASSES),
        "features": list(subject.features.names),
        "weights_sha256": weights_sha256(network),
        "provenance": provenance_text(config),
        **_plain(config.explain),
    }


def _plain(settings: ExplainConfig) -> dict[str, Any]:
    return settings.model_dump(mode="json", include={"composite", "bias", "epsilon", "precision"})
