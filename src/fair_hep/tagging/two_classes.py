"""Evaluation of a tagger of two classes, background and signal: figures, tables, the comparison with a champion."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.errors import DataError
from ..bundle.files import new_file
from ..bundle.symbols import formula
from ..models.contract import Evaluation
from ..pages.figures import COLOURS, figure, logit
from .baselines import CUTS
from .beside import Measured, beside_lines, beside_metrics, beside_table, measure
from .cuts import as_cuts
from .measures import WorkingPoint, area_difference, curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..models.contract import Arrays, Baseline

__all__ = ["CAPTIONS", "EFFICIENCIES", "MEASURES", "evaluate", "not_worse", "score_of"]

#: Signal efficiencies of the working points.
EFFICIENCIES = (0.3, 0.5, 0.7, 0.8, 0.9)
#: What the metrics and figures are, for the model card.
MEASURES: Mapping[str, str] = {
    "auc": "area under the ROC curve: share of pairs of a signal and a background jet in which the signal's score is "
    "higher",
    "accuracy": "share of jets whose score has the right sign",
    "rejection_*": "1 / background efficiency at the signal efficiency that the name gives in percent",
    "rejection_*_limit95": "its lower limit at 95 % confidence (Clopper-Pearson); fewer than ten background jets pass",
}
#: How what needs no network is drawn.
_BESIDE = {"linestyle": "--", "linewidth": 1.4}
CAPTIONS: Mapping[str, str] = {
    "roc": "Background rejection against signal efficiency on the test split, with the working points; dashed: what "
    "needs no network, where it was measured beside it",
    "scores": "Distribution of the score, logit of signal minus logit of background, for the jets of both classes",
}


def evaluate(
    outputs: Arrays,
    targets: Arrays,
    folder: Path,
    classes: tuple[str, str],
    *,
    efficiencies: Sequence[float] = EFFICIENCIES,
    baselines: Mapping[str, Baseline] | None = None,
) -> Evaluation:
    """Measure logits ``[jets, 2]`` against labels ``[jets]``; write a table of working points and two figures.

    Parameters
    ----------
    outputs, targets
        ``logits`` and ``label``.
    folder
        Where files go.
    classes
        Names of background and signal.
    efficiencies
        Signal efficiencies of the working points.
    baselines
        What needs no network, by name, on the same jets.

    Raises
    ------
    DataError
        If a class is missing.
    """
    score, labels = score_of(outputs), targets["label"]
    try:
        found = measure("the network", score, labels, efficiencies)
        others = {
            name: measure(one.title, one.score, labels, efficiencies) for name, one in (baselines or {}).items()
        }  # fmt: skip
    except ValueError as error:
        raise DataError(f"evaluate: {error}; the test split needs jets of both classes") from error
    _write_points(found.points, folder / "working_points.csv")
    _draw_roc(found, others, labels, folder / "roc.png", classes)
    _draw_scores(score, labels, folder / "scores.png", classes)
    (auc, auc_error), (right, right_error) = found.auc, found.accuracy
    worse, beside = beside_lines(found, others, labels, efficiencies)
    headline = (
        *worse,
        f"AUC {auc:.4f} +- {auc_error:.4f}, accuracy {right:.4f} +- {right_error:.4f} on {len(labels)} test jets",
        *beside,
        *(
            f"background rejection at {efficiency:.0%} signal efficiency: {point.text()}"
            for efficiency, point in zip(efficiencies[:2], found.points[:2], strict=True)
        ),
    )
    metrics = {**found.metrics(efficiencies), **beside_metrics(others, efficiencies)}
    files = ("working_points.csv", "roc.png", "scores.png")
    tables = (beside_table(found, others, efficiencies),) if others else ()
    return Evaluation(metrics, "auc", files, headline, tables, working_points=as_cuts(found.points, classes))


def not_worse(outputs: Arrays, champion: Arrays, targets: Arrays) -> tuple[bool, str]:
    """Compare the areas under the ROC curves of two models on the same jets."""
    difference, error = area_difference(score_of(outputs), score_of(champion), targets["label"])
    good = difference >= -error
    verb = "is not worse than" if good else "is worse than"
    return good, f"{verb} the champion: AUC difference {difference:+.5f}, paired-bootstrap error {error:.5f}"


def score_of(outputs: Arrays) -> NDArray[np.float64]:
    """Return the score, logit of signal minus logit of background ``[jets]``, from logits ``[jets, 2]``."""
    logits = np.asarray(outputs["logits"], dtype=np.float64)
    return logits[:, 1] - logits[:, 0]


def _write_points(points: Sequence[WorkingPoint], path: Path) -> None:
    with new_file(path) as name, name.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(vars(points[0])))
        writer.writeheader()
        writer.writerows(vars(point) for point in points)


def _draw_roc(
    found: Measured,
    others: Mapping[str, Measured],
    labels: NDArray[np.integer],
    path: Path,
    classes: tuple[str, str],
) -> None:
    points = found.points
    with new_file(path) as name, figure(height=5.8) as (picture, axes):
        lines = {"network": (found, {}), **{what: (one, _BESIDE) for what, one in others.items()}}
        for what, (one, style) in lines.items():
            background, signal = curve(one.score, labels)
            seen = background > 0
            name_of = {CUTS: "cuts on both"}.get(what, what if one is found else f"cut on {formula(what)}")
            axes.plot(signal[seen], 1 / background[seen], label=f"{name_of}: AUC = {one.auc[0]:.4f}", **style)
        above = [p for p in points if p.rejection is not None]
        limits = [p for p in points if p.rejection is None]
        style = {"color": COLOURS["blue"], "fmt": "o", "capsize": 3}
        if above:
            rejections, errors = [p.rejection for p in above], [p.rejection_error for p in above]
            efficiencies = [p.signal_efficiency for p in above]
            axes.errorbar(efficiencies, rejections, yerr=errors, label="working points", **style)
        for number, point in enumerate(limits):
            label = "95 % CL lower limits" if number == 0 else None
            axes.errorbar(
                point.signal_efficiency,
                point.rejection_limit,
                yerr=0.5 * point.rejection_limit,
                lolims=True,
                label=label,
                **{**style, "markerfacecolor": "white"},
            )
        axes.set(
            xlabel=f"Signal efficiency ({classes[1]})",
            ylabel=f"Background rejection (1 / {classes[0]} efficiency)",
            yscale="log",
        )
        axes.set(xlim=(0, 1), ylim=(1, None))
        # Above the axes: no corner is free of curves for every tagger.
        picture.legend(title=f"{len(labels)} test jets", loc="outside upper center", ncols=2, fontsize=10)
        picture.savefig(name)


def _draw_scores(score: NDArray[np.float64], labels: NDArray[np.integer], path: Path, classes: tuple[str, str]) -> None:
    import mplhep

    low, high = np.quantile(score, [0.001, 0.999])
    edges = np.linspace(float(low), float(high), 41)
    with new_file(path) as name, figure() as (picture, axes):
        for value, text, colour in ((0, classes[0], COLOURS["blue"]), (1, classes[1], COLOURS["orange"])):
            chosen = score[labels == value]
            counts, _ = np.histogram(chosen, edges)
            width = np.diff(edges) * len(chosen)
            mplhep.histplot(
                counts / width,
                edges,
                yerr=np.sqrt(counts) / width,
                ax=axes,
                label=f"{text} ({len(chosen)})",
                color=colour,
            )
        axes.set(
            xlabel=f"Score ${logit(classes[1])} - {logit(classes[0])}$", ylabel="Jets per unit of score, normalised"
        )
        axes.set(xlim=(edges[0], edges[-1]), ylim=(0, None))
        _add_probabilities(axes, classes[1])
        # Room above the histograms, so that no name stands on them.
        axes.set_ylim(0, 1.25 * axes.get_ylim()[1])
        axes.legend(ncols=2, loc="upper left")
        picture.savefig(name)


def _add_probabilities(axes: Any, signal: str) -> None:
    """Tell on the upper axis which probability each score is; as many as have room."""
    low, high = axes.get_xlim()
    wanted = (1e-9, 1e-6, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999, 1 - 1e-6, 1 - 1e-9)
    places = {float(np.log(p / (1 - p))): p for p in wanted}
    kept: list[float] = []
    for place in sorted((x for x in places if low < x < high), key=abs):
        if all(abs(place - other) > 0.07 * (high - low) for other in kept):
            kept.append(place)
    upper = axes.secondary_xaxis("top")
    upper.set_xticks(kept, [_probability(places[place]) for place in kept], fontsize=9)
    upper.minorticks_off()
    upper.set_xlabel(f"Probability of {signal}", fontsize=11)
    axes.tick_params(which="both", top=False)


def _probability(value: float) -> str:
    """Return a probability near 0 or 1 as a power of ten, or its distance from 1 as one."""
    if 0.001 < value < 0.999:
        return f"{value:g}"
    power = round(np.log10(min(value, 1 - value)))
    return f"$10^{{{power}}}$" if value < 0.5 else f"$1 - 10^{{{power}}}$"
