"""The study of ParticleNet: where its decisions come from, measured for the trained network and for untrained ones.

After Mokhtar, Kansal and Duarte, arXiv:2211.09912: does the network look at edges between the prongs of a jet?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from ..bundle.errors import ExplainError
from ..bundle.strict import Strict, validate
from ..data.parallel import cores
from ..lrp import COMPOSITES
from ..lrp.ledger import TOLERANCE
from ..models.contract import Model
from ..provenance.configuration import Config, ExplainConfig
from ..provenance.steps import brief
from ..study.relevance_file import check_ledger
from ..study.removal_figure import draw_removal
from ..study.removal_table import trust_lines, trust_tables
from ..study.resume import weights_sha256
from .features import FEATURES
from .figures import draw_edge_graph, draw_fractions, draw_scores, draw_spectra, draw_where
from .relevances import LAYOUT, explain_jets, non_empty, read_relevances, relevance_key, write_relevances
from .subjets import NONE
from .tables import CLASSES, Tables, average
from .trust import trust

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

__all__ = ["StudyOptions", "study"]


class StudyOptions(Strict):
    """What the study does besides explaining: ``explain.options`` of the configuration."""

    processes: int = Field(0, ge=0, description="processes that explain; 0: one per core from a thousand jets on")
    controls: int = Field(10, ge=0, description="untrained networks to compare with")
    control_size: int = Field(
        0, ge=0, description="jets that each of them explains; 0: up to 1000 of the explained jets"
    )
    top_edges: int = Field(15, ge=1, description="most relevant edges of a jet to look at, at most")
    heavy_edges: int = Field(5, ge=1, description="most relevant edges whose Delta R and mass are measured")
    trust: int = Field(
        50, ge=0, description="validation jets to measure on how far explanations can be trusted; 0: none"
    )
    trust_steps: int = Field(5, ge=2, description="steps in which constituents are removed")
    trust_composites: list[str] = Field(
        list(COMPOSITES), description="composites to compare, the simplest first; all there are by default"
    )
    format: str = Field("png", pattern="^(png|pdf|svg)$", description="format of the figures")

    def tables(self, network: Any) -> Tables:
        """Return empty tables for a network."""
        return Tables(len(network.body.blocks), top_edges=self.top_edges, heavy_edges=self.heavy_edges)

    def share(self, jets: int) -> int:
        """Return the number of processes for so many jets: starting them takes seconds."""
        return self.processes or (cores() if jets >= 1000 else 1)


def study(
    model: Model, network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, folder: Path
) -> dict[str, Any]:
    """Explain jets of the test split; write relevances and figures.

    Parameters
    ----------
    model, network
        ParticleNet in evaluation mode, and what is known of it.
    datasets
        Jets of "test" are explained; on jets of "val" it is measured how far the explanations can be trusted.
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
    target = list(model.target()) if settings.target is None else settings.target
    size = len(dataset)  # type: ignore[arg-type]
    order = np.random.default_rng(config.seed).permutation(size)[: settings.size]
    indices, empty = non_empty(dataset, [int(index) for index in np.sort(order)])
    if not indices:
        raise ExplainError(f"none of the {settings.size} jets has a constituent: nothing to explain")

    processes = options.share(len(indices))
    path = write_relevances(
        folder,
        lambda done: explain_jets(
            network, dataset, indices, target, settings, progress="explain", done=done, processes=processes
        ),
        relevance_key(network, dataset, indices, settings, target),
        _attributes(network, config, target),
    )
    tables = options.tables(network)
    for part in read_relevances(path):
        tables.add(part)
    check_ledger(tables.error, settings.precision)
    found = tables.found()
    tolerance = TOLERANCE[getattr(torch, settings.precision)]
    found["ledger"] |= {"tolerance": tolerance, "jets_above": tables.above(tolerance)}
    found["jets"] |= {"explained": len(indices), "without_constituents": empty}
    found["explained"] = {"target": dict(zip(CLASSES, target, strict=False)), **_plain(settings)}
    if options.controls:
        found["untrained"] = _untrained(model, dataset, indices, target, config, options)
    if options.trust:
        found["trust"] = _trust(network, datasets["val"], target, config)
        found["tables"] = [
            table.as_dict() for table in trust_tables(found["trust"], settings.composite, "Constituents")
        ]
    _draw(model, found, path, settings, options.format)
    found["headline"] = _headline(found, settings)
    return found


def _options(config: Config) -> StudyOptions:
    return validate(StudyOptions, config.explain.options, "explain.options")


def _untrained(  # noqa: PLR0917
    model: Model,
    dataset: Any,
    indices: Sequence[int],
    target: Sequence[float],
    config: Config,
    options: StudyOptions,
) -> dict[str, Any]:
    """Return the tables of networks with random weights: mean over networks, error from their spread."""
    import torch

    size = options.control_size or min(1000, len(indices))
    found = []
    for number in range(options.controls):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed + number)
            control: Any = model.build(**config.model).eval()
        tables = options.tables(control)
        progress = f"untrained {number + 1}/{options.controls}"
        work = (control, dataset, indices[:size], target, config.explain)
        for part in explain_jets(*work, progress=progress, processes=options.share(size)):
            tables.add(part)
        check_ledger(tables.error, config.explain.precision)
        found.append(tables.found(draws=0))
    return {**average(found), "networks": options.controls, "jets": size}


def _trust(network: nn.Module, dataset: Any, target: Sequence[float], config: Config) -> dict[str, Any]:
    options = _options(config)
    order = np.random.default_rng([config.seed, 1]).permutation(len(dataset))[: options.trust]
    indices, _ = non_empty(dataset, [int(index) for index in np.sort(order)])
    return trust(
        network,
        dataset.__getitems__(indices),
        target,
        composite=config.explain.composite,
        composites=options.trust_composites,
        steps=options.trust_steps,
        seed=config.seed,
    )


def _draw(model: Model, found: Mapping[str, Any], path: Path, settings: ExplainConfig, suffix: str) -> None:
    folder = path.parent
    usual = found["explained"]["target"] == dict(zip(CLASSES, model.target(), strict=True))
    explained = r"$z_{top} - z_{QCD}$" if usual else "explained output"
    left = dict.fromkeys(CLASSES, settings.figures)
    for part in read_relevances(path):
        for jet, label in enumerate(part.values["jet/label"]):
            kind = CLASSES[label]
            if left[kind] and part.values["constituent/subjet"][jet, 0] != NONE:
                left[kind] -= 1
                number = int(part.values["jet/index"][jet])
                draw_edge_graph(part, jet, folder / f"edges_{kind}_{number}.{suffix}", settings.composite, explained)
        if not any(left.values()):
            break
    jets = found["jets"]
    title = f"last block, {jets['explained']} jets, {settings.composite}"
    untrained = found.get("untrained")
    fractions = {"trained": found["fractions"]["trained"], "untrained": untrained["fractions"] if untrained else {}}
    draw_fractions(fractions, folder / f"edges_between_subjets.{suffix}", title)
    areas = {name: rows[-1] for name, rows in found["areas"].items()}
    kinds = {"trained": {"spectra": found["spectra"], "areas": areas}}
    kinds |= {"untrained": untrained} if untrained else {}
    draw_spectra(kinds, folder / f"edge_spectra.{suffix}")
    draw_where(found["shares"], folder / f"relevance_shares.{suffix}")
    draw_scores(found["r_scores"], folder / f"r_scores.{suffix}")
    if "trust" in found:
        examples = f"{found['trust']['jets']} validation jets"
        draw_removal(found["trust"], folder / f"removal.{suffix}", explained=explained, examples=examples)


def _headline(found: Mapping[str, Any], settings: ExplainConfig) -> list[str]:
    jets, ledger = found["jets"], found["ledger"]
    lost = sum(jets["not_declustered"].values())
    lines = [
        f"explained {jets['explained']} jets ({jets['top']} top, {jets['QCD']} QCD) by {settings.composite}: "
        f"largest ledger error {ledger['largest_error']:.1e} in {settings.precision}, "
        f"{ledger['jets_above']} jets above {ledger['tolerance']:.0e}",
        f"{jets['without_constituents']} jets without constituents left out, {lost} not declustered into three subjets",
    ]
    untrained = found.get("untrained", {})
    for kind, row in (("trained", found["fractions"]["trained"]), ("untrained", untrained.get("fractions"))):
        if row is not None and all(row[name]["mean"] for name in CLASSES):
            at = min(5, len(row["top"]["mean"])) - 1
            if any(row[name]["mean"][at] is None for name in CLASSES):
                continue
            shown = [f"{row[name]['mean'][at]:.3f} ± {row[name]['error'][at]:.3f} ({name})" for name in ("top", "QCD")]
            lines.append(
                f"{kind}: {shown[0]}, {shown[1]} of the {at + 1} most relevant edges (last block) join two subjets"
            )
    area = found["areas"]["delta_r"][-1]
    if area["auc"] is not None:
        lines.append(
            f"Delta R of the most relevant edges as a discriminator: AUC {area['auc']:.3f} ± {area['error']:.3f}"
            + _control(untrained)
        )
    if "trust" in found:
        lines += trust_lines(found["trust"], settings.composite)
    return lines


def _control(untrained: Mapping[str, Any]) -> str:
    area = untrained["areas"]["delta_r"] if untrained else {"auc": None}
    return "" if area["auc"] is None else f", untrained {area['auc']:.3f} ± {area['error']:.3f}"


def _attributes(network: nn.Module, config: Config, target: Sequence[float]) -> dict[str, Any]:
    return {
        "title": "Relevances of ParticleNet on jets of the test split",
        "explained": " + ".join(f"({weight:g}) z_{name}" for name, weight in zip(CLASSES, target, strict=False)),
        "features": list(FEATURES),
        "layout": [f"{name}: {meaning}" for name, meaning in LAYOUT.items()],
        "weights_sha256": weights_sha256(network),
        "provenance": brief(config),
        **_plain(config.explain),
    }


def _plain(settings: ExplainConfig) -> dict[str, Any]:
    return settings.model_dump(mode="json", include={"composite", "bias", "epsilon", "precision"})
