"""The study of ParticleNet: where its decisions come from, measured for the trained network and for untrained ones.

After Mokhtar, Kansal and Duarte, arXiv:2211.09912: does the network look at edges between the prongs of a jet?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from ...config import Config, ExplainConfig, Strict, validate
from ...data.parallel import cores
from ...errors import ExplainError
from ...explain.parts import weights_sha256
from ...provenance import brief
from . import MODEL
from .card import trust_tables
from .edges import angle_and_mass, between_subjets
from .features import FEATURES
from .figures import CLASSES, draw_edge_graph, draw_fractions, draw_scores, draw_spectra, draw_where
from .relevances import (
    LAYOUT,
    JetRelevances,
    check_ledger,
    explain_jets,
    non_empty,
    read_relevances,
    relevance_key,
    write_relevances,
)
from .subjets import NONE
from .trust import trust
from .trust_figure import draw_removal

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

__all__ = ["StudyOptions", "study"]

_RANKS = 40
#: Edges of the histograms of R-scores: a feature's signed part of a jet's sum of |R|.
BINS = np.linspace(-1.0, 1.0, 41)


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
        ["lrp-0", "epsilon", "epsilon-gamma", "epsilon-plus", "epsilon-alpha2-beta1", "epsilon-gamma-box"],
        description="composites to compare, the simplest first",
    )
    format: str = Field("png", pattern="^(png|pdf|svg)$", description="format of the figures")

    def share(self, jets: int) -> int:
        """Return the number of processes for so many jets: starting them takes seconds."""
        return self.processes or (cores() if jets >= 1000 else 1)


def study(network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, folder: Path) -> dict[str, Any]:
    """Explain jets of the test split; write relevances and figures.

    Parameters
    ----------
    network
        ParticleNet in evaluation mode.
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
    settings, dataset = config.explain, datasets["test"]
    options = _options(config)
    target = list(MODEL.target()) if settings.target is None else settings.target
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
    body: Any = network.body
    tables = _Tables(options, len(body.blocks))
    for part in read_relevances(path):
        tables.add(part)
    check_ledger(tables.error, settings.precision)
    found = tables.found()
    found["jets"] |= {"explained": len(indices), "without_constituents": empty}
    found["explained"] = {"target": dict(zip(CLASSES, target, strict=False)), **_plain(settings)}
    if options.controls:
        found["fractions"]["untrained"] = _untrained(dataset, indices, target, config)
    if options.trust:
        found["trust"] = _trust(network, datasets["val"], target, config)
        found["tables"] = [table.as_dict() for table in trust_tables(found["trust"], settings.composite)]
    _draw(found, tables, path, settings)
    found["headline"] = _headline(found, settings)
    return found


def _options(config: Config) -> StudyOptions:
    return validate(StudyOptions, config.explain.options, "explain.options")


class _Tables:
    """What is known of the explained jets, gathered part by part."""

    def __init__(self, options: StudyOptions, blocks: int) -> None:
        self.options, self.blocks = options, blocks
        self.labels: list[np.ndarray] = []
        self.errors: list[np.ndarray] = []
        self.declustered: list[np.ndarray] = []
        self.fractions: list[list[np.ndarray]] = [[] for _ in range(blocks)]
        self.angles: list[list[np.ndarray]] = [[] for _ in range(blocks)]
        self.masses: list[list[np.ndarray]] = [[] for _ in range(blocks)]
        self.shares: dict[str, list[np.ndarray]] = {"feature": [], "rank": [], "subjet": []}
        self.signed: list[np.ndarray] = []
        self.scores = {name: np.zeros((len(FEATURES), len(BINS) - 1)) for name in CLASSES}

    @property
    def error(self) -> float:
        """Largest error of a jet's ledger."""
        return float(max(errors.max() for errors in self.errors))

    def add(self, part: JetRelevances) -> None:
        """Take jets in."""
        self.labels.append(part.values["jet/label"])
        self.errors.append(part.values["ledger/error"])
        subjet = part.values["constituent/subjet"]
        self.declustered.append(subjet[:, 0] != NONE)
        for block in range(self.blocks):
            self.fractions[block].append(between_subjets(part, block, self.options.top_edges))
            angle, mass = angle_and_mass(part, block, self.options.heavy_edges)
            self.angles[block].append(angle)
            self.masses[block].append(mass)
        relevance = part.values["constituent/relevance"].astype(np.float64)
        size = np.abs(relevance)
        total = np.maximum(size.sum((1, 2)), 1e-300)[:, None]
        self.signed.append(relevance.sum(1))
        share = relevance.sum(1) / total
        for number, name in enumerate(CLASSES):
            chosen = share[part.values["jet/label"] == number]
            self.scores[name] += np.stack([np.histogram(column, BINS)[0] for column in chosen.T])
        self.shares["feature"].append(size.sum(1) / total)
        ranks = size.sum(2)[:, :_RANKS]
        self.shares["rank"].append(np.pad(ranks, [(0, 0), (0, _RANKS - ranks.shape[1])]) / total)
        parts = [np.where(subjet == number, size.sum(2), 0.0).sum(1) for number in range(3)]
        share = np.stack(parts, 1) / total
        self.shares["subjet"].append(np.where((subjet[:, 0] != NONE)[:, None], share, np.nan))

    def classes(self) -> dict[str, np.ndarray]:
        """Return which jets are of which class."""
        labels = np.concatenate(self.labels)
        return {name: labels == number for number, name in enumerate(CLASSES)}

    def found(self) -> dict[str, Any]:
        """Return the tables as JSON values."""
        chosen = self.classes()
        declustered = np.concatenate(self.declustered)
        errors = np.concatenate(self.errors)
        by_block = [_by_class(np.concatenate(self.fractions[block]), chosen) for block in range(self.blocks)]
        return {
            "jets": {
                **{name: int(rows.sum()) for name, rows in chosen.items()},
                "not_declustered": {name: int((~declustered[rows]).sum()) for name, rows in chosen.items()},
            },
            "ledger": {"largest_error": float(errors.max()), "median_error": float(np.median(errors))},
            "fractions": {"trained": by_block[-1], "blocks": by_block},
            "areas": {
                name: [_area(np.concatenate(values[block]), chosen) for block in range(self.blocks)]
                for name, values in (("delta_r", self.angles), ("mass", self.masses))
            },
            "shares": {name: _by_class(np.concatenate(rows), chosen) for name, rows in self.shares.items()},
            "signed": _by_class(np.concatenate(self.signed), chosen),
            "r_scores": {"bins": BINS.tolist(), **{name: rows.tolist() for name, rows in self.scores.items()}},
        }

    def spectra(self) -> dict[str, dict[str, np.ndarray]]:
        """Return Delta R and mass of the last block's edges by class."""
        result = {}
        for name, values in (("delta_r", self.angles), ("mass", self.masses)):
            all_jets = np.concatenate(values[-1])
            flat = {kind: all_jets[rows].ravel() for kind, rows in self.classes().items()}
            result[name] = {kind: edges[np.isfinite(edges)] for kind, edges in flat.items()}
        return result


def _untrained(dataset: Any, indices: Sequence[int], target: Sequence[float], config: Config) -> dict[str, Any]:
    """Return the fractions of networks with random weights: mean over networks, error from their spread."""
    import torch

    options = _options(config)
    size = options.control_size or min(1000, len(indices))
    rows: dict[str, list[np.ndarray]] = {name: [] for name in CLASSES}
    for number in range(options.controls):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed + number)
            control = MODEL.build(**config.model).eval()
        fractions, labels = [], []
        progress = f"untrained {number + 1}/{options.controls}"
        work = (control, dataset, indices[:size], target, config.explain)
        for part in explain_jets(*work, progress=progress, processes=options.share(size)):
            fractions.append(between_subjets(part, part.blocks - 1, options.top_edges))
            labels.append(part.values["jet/label"])
        found, label = np.concatenate(fractions), np.concatenate(labels)
        for kind, name in enumerate(CLASSES):
            rows[name].append(_mean(found[label == kind])[0])
    result: dict[str, Any] = {}
    for name, values in rows.items():
        stacked = np.stack(values)
        error = stacked.std(0, ddof=1) if len(stacked) > 1 else np.zeros(stacked.shape[1])
        result[name] = {"mean": _finite(stacked.mean(0)), "error": _finite(error)}
    return {**result, "networks": options.controls, "jets": size}


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


def _draw(found: Mapping[str, Any], tables: _Tables, path: Path, settings: ExplainConfig) -> None:
    folder, suffix = path.parent, tables.options.format
    left = dict.fromkeys(CLASSES, settings.figures)
    for part in read_relevances(path):
        for jet, label in enumerate(part.values["jet/label"]):
            kind = CLASSES[label]
            if left[kind] and part.values["constituent/subjet"][jet, 0] != NONE:
                left[kind] -= 1
                number = int(part.values["jet/index"][jet])
                draw_edge_graph(part, jet, folder / f"edges_{kind}_{number}.{suffix}", settings.composite)
        if not any(left.values()):
            break
    jets = found["jets"]
    title = f"last block, {jets['explained']} jets, {settings.composite}"
    draw_fractions(found["fractions"], folder / f"edges_between_subjets.{suffix}", title)
    areas = {name: (rows[-1]["auc"], rows[-1]["error"]) for name, rows in found["areas"].items()}
    if all(None not in pair for pair in areas.values()):
        draw_spectra(tables.spectra(), areas, folder / f"edge_spectra.{suffix}")
    draw_where(found["shares"], folder / f"relevance_shares.{suffix}")
    draw_scores(found["r_scores"], folder / f"r_scores.{suffix}")
    if "trust" in found:
        draw_removal(found["trust"], folder / f"removal.{suffix}")


def _headline(found: Mapping[str, Any], settings: ExplainConfig) -> list[str]:
    jets, ledger = found["jets"], found["ledger"]
    lost = sum(jets["not_declustered"].values())
    lines = [
        f"explained {jets['explained']} jets ({jets['top']} top, {jets['QCD']} QCD) by {settings.composite}: "
        f"largest ledger error {ledger['largest_error']:.1e} in {settings.precision}",
        f"{jets['without_constituents']} jets without constituents left out, {lost} not declustered into three subjets",
    ]
    for kind, row in (("trained", found["fractions"]["trained"]), ("untrained", found["fractions"].get("untrained"))):
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
        )
    if "trust" in found:
        lines += _trust_lines(found["trust"], settings.composite)
    return lines


def _trust_lines(table: Mapping[str, Any], composite: str) -> list[str]:
    rows = sorted(table["removal"].items(), key=lambda item: -item[1]["area"])
    shown = ", ".join(f"{name} {row['area']:.2f} ± {row['area_error']:.2f}" for name, row in rows)
    random = table["randomised"][-1]["correlation"]
    return [
        f"insertion minus deletion area on {table['jets']} validation jets: {shown}; "
        f"recommended: {table['recommended']}",
        f"{composite} on the randomised network: rank correlation "
        + ("undefined" if random is None else f"{random:+.2f}")
        + " with the trained one",
    ]


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


def _by_class(rows: np.ndarray, chosen: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return mean and its error over the jets of every class; jets with NaN don't count."""
    result = {}
    for name, jets in chosen.items():
        mean, error = _mean(rows[jets])
        result[name] = {"mean": _finite(mean), "error": _finite(error)}
    return result


def _mean(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    usable = rows[np.isfinite(rows).all(1)]
    if len(usable) == 0:
        return np.full(rows.shape[1], np.nan), np.full(rows.shape[1], np.nan)
    spread = usable.std(0, ddof=1) if len(usable) > 1 else np.zeros(rows.shape[1])
    return usable.mean(0), spread / np.sqrt(len(usable))


def _finite(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _area(rows: np.ndarray, chosen: Mapping[str, np.ndarray], draws: int = 200) -> dict[str, float | None]:
    """Return the area under the ROC curve of every edge's value, with a bootstrap error over jets."""
    jets = {name: rows[which] for name, which in chosen.items()}
    if any(not np.isfinite(values).any() for values in jets.values()):
        return {"auc": None, "error": None}
    generator = np.random.default_rng(0)
    area = _rank_area(jets["top"], jets["QCD"])
    drawn = [
        _rank_area(*(jets[name][generator.integers(len(jets[name]), size=len(jets[name]))] for name in ("top", "QCD")))
        for _ in range(draws)
    ]
    return {"auc": area, "error": float(np.nanstd(drawn, ddof=1))}


def _rank_area(signal: np.ndarray, background: np.ndarray) -> float:
    """Return the probability that a signal value is above a background value; ties count half."""
    first, second = (np.sort(values[np.isfinite(values)]) for values in (signal, background))
    if len(first) == 0 or len(second) == 0:
        return float("nan")
    below, up_to = np.searchsorted(second, first, "left"), np.searchsorted(second, first, "right")
    return float((below + up_to).mean() / (2 * len(second)))
