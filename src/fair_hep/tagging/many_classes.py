"""Evaluation of a tagger of three classes or more: accuracy, efficiency of every class, and who is taken for whom."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..bundle.errors import DataError
from ..bundle.files import new_file
from ..models.contract import Evaluation
from ..pages.document import Table
from ..pages.figures import figure
from ..pages.measured import measured

if TYPE_CHECKING:
    from ..models.contract import Arrays

__all__ = ["CAPTIONS", "MEASURES", "evaluate", "not_worse"]

MEASURES: Mapping[str, str] = {
    "accuracy": "share of examples whose largest logit is that of their class",
    "mean_efficiency": "mean of the efficiencies of all classes: accuracy if all classes were equally frequent",
    "efficiency_*": "share of the examples of a class that are recognised",
}
CAPTIONS: Mapping[str, str] = {
    "confusion": "Share of the examples of each class (rows) that are taken for each class (columns), on the test split"
}


def evaluate(outputs: Arrays, targets: Arrays, folder: Path, classes: Sequence[str]) -> Evaluation:
    """Measure logits ``[examples, classes]`` against labels ``[examples]``; write a confusion matrix and a figure.

    Errors are binomial standard errors.

    Parameters
    ----------
    outputs, targets
        ``logits`` and ``label``.
    folder
        Where files go.
    classes
        Names of the classes.

    Raises
    ------
    DataError
        If a logit isn't finite, or a class has no examples.
    """
    counts = _counts(outputs, targets, classes)
    total = counts.sum(1)
    share = counts / total[:, None]
    error = np.sqrt(share * (1 - share) / total[:, None])
    metrics = _metrics(counts, share, error, classes)
    _write(counts, share, error, classes, folder / "confusion.csv")
    _draw(share, classes, folder / "confusion.png")
    worst = classes[int(np.diag(share).argmin())]
    headline = (
        f"accuracy {_shown(metrics, 'accuracy')}, mean efficiency of {len(classes)} classes "
        f"{_shown(metrics, 'mean_efficiency')} on {int(total.sum())} examples",
        f"least recognised: {worst}, efficiency {_shown(metrics, f'efficiency_{worst}')}",
    )
    table = _table(share, error, total, classes)
    return Evaluation(metrics, "accuracy", ("confusion.csv", "confusion.png"), headline, (table,))


def not_worse(outputs: Arrays, champion: Arrays, targets: Arrays) -> tuple[bool, str]:
    """Compare accuracies on the same examples: lower by no more than one paired error is not worse."""
    first, second = (
        (np.asarray(values["logits"]).argmax(1) == targets["label"]).astype(np.float64)
        for values in (outputs, champion)
    )
    apart = first - second
    difference, error = float(apart.mean()), float(apart.std(ddof=1) / np.sqrt(len(apart)))
    good = difference >= -error
    verb = "is not worse than" if good else "is worse than"
    return good, f"{verb} the champion: accuracy difference {difference:+.5f}, paired error {error:.5f}"


def _counts(outputs: Arrays, targets: Arrays, classes: Sequence[str]) -> np.ndarray:
    """Return how many examples of each class (rows) were taken for each class (columns)."""
    logits, labels = np.asarray(outputs["logits"], np.float64), np.asarray(targets["label"])
    if not np.isfinite(logits).all():
        bad = int((~np.isfinite(logits)).any(1).sum())
        raise DataError(f"evaluate: {bad} examples have logits that aren't finite; train with a lower learning rate")
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (labels, logits.argmax(1)), 1)
    absent = [name for name, number in zip(classes, counts.sum(1), strict=True) if number == 0]
    if absent:
        raise DataError(f"evaluate: no example of class {', '.join(absent)}; the test split needs all classes")
    return counts


def _metrics(counts: np.ndarray, share: np.ndarray, error: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    right = float(np.trace(counts) / counts.sum())
    efficiency, spread = np.diag(share), np.diag(error)
    metrics = {
        "accuracy": right,
        "accuracy_error": float(np.sqrt(right * (1 - right) / counts.sum())),
        "mean_efficiency": float(efficiency.mean()),
        "mean_efficiency_error": float(np.sqrt((spread**2).sum()) / len(classes)),
    }
    for name, value, sigma in zip(classes, efficiency, spread, strict=True):
        metrics |= {f"efficiency_{name}": float(value), f"efficiency_{name}_error": float(sigma)}
    return metrics


def _shown(metrics: Mapping[str, float], name: str) -> str:
    return f"{metrics[name]:.4f} +- {metrics[f'{name}_error']:.4f}"


def _write(counts: np.ndarray, share: np.ndarray, error: np.ndarray, classes: Sequence[str], path: Path) -> None:
    with new_file(path) as name, name.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["class", "taken_for", "examples", "share", "share_error"])
        for (true, found), number in np.ndenumerate(counts):
            rows.writerow([classes[true], classes[found], number, share[true, found], error[true, found]])


def _table(share: np.ndarray, error: np.ndarray, total: np.ndarray, classes: Sequence[str]) -> Table:
    return Table(
        "Who is taken for whom on the test split: share of a class (row) that is taken for a class (column)",
        ("class", "examples", *classes),
        tuple(
            (name, str(number), *(measured(s, e) for s, e in zip(shares, errors, strict=True)))
            for name, number, shares, errors in zip(classes, total, share, error, strict=True)
        ),
    )


def _draw(share: np.ndarray, classes: Sequence[str], path: Path) -> None:
    size = 2.4 + 0.62 * len(classes)
    with new_file(path) as name, figure(width=size + 0.8, height=size) as (picture, axes):
        image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (true, found), value in np.ndenumerate(share):
            colour = "white" if value > 0.5 else "black"
            axes.text(found, true, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=10)
        places = np.arange(len(classes))
        axes.set_xticks(places, classes, rotation=40, ha="right")
        axes.set_yticks(places, classes)
        axes.minorticks_off()
        axes.tick_params(length=0)
        axes.set(xlabel="Taken for", ylabel="Class")
        picture.colorbar(image, ax=axes, label="Share of the class")
        picture.savefig(name)
