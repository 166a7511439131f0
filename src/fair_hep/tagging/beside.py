"""What taggers without a network reach on the same examples as a network, and where the network is worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..pages.document import Table
from ..pages.measured import measured
from .measures import WorkingPoint, area, area_difference, working_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BASELINE_MEASURES", "Measured", "beside_lines", "beside_metrics", "beside_table", "measure"]

#: What the metrics are, for the model card.
BASELINE_MEASURES: Mapping[str, str] = {
    "baseline_*": "the same of a tagger without a network, on the same examples: cuts on observables, chosen on the "
    "validation split; the table says which",
}
#: Signal efficiencies of which the table shows the rejection.
SHOWN = 2
#: Errors by which a difference counts.
ERRORS = 2.0


@dataclass(frozen=True)
class Measured:
    """What a score reaches: area, accuracy (above 0: signal) and working points, with their errors."""

    title: str
    score: NDArray[np.float64]
    auc: tuple[float, float]
    right: NDArray[np.bool_]
    points: tuple[WorkingPoint, ...]

    @property
    def accuracy(self) -> tuple[float, float]:
        """Share of right calls, and its binomial error."""
        share = float(self.right.mean())
        return share, float(np.sqrt(share * (1 - share) / len(self.right)))

    def metrics(self, efficiencies: Sequence[float]) -> dict[str, float]:
        """Return everything by the names of `MEASURES`."""
        (auc, auc_error), (accuracy, accuracy_error) = self.auc, self.accuracy
        found = {"auc": auc, "auc_error": auc_error, "accuracy": accuracy, "accuracy_error": accuracy_error}
        for efficiency, point in zip(efficiencies, self.points, strict=True):
            name = f"rejection_{efficiency * 100:.0f}"
            if point.rejection is not None and point.rejection_error is not None:
                found |= {name: point.rejection, f"{name}_error": point.rejection_error}
            else:
                found[f"{name}_limit95"] = point.rejection_limit
        return found


def measure(
    title: str, score: NDArray[np.floating], labels: NDArray[np.integer], efficiencies: Sequence[float]
) -> Measured:
    """Measure a score ``[examples]`` against labels ``[examples]``.

    Raises
    ------
    ValueError
        If a class is missing or a score isn't finite.
    """
    values = np.asarray(score, np.float64)
    points = tuple(working_points(values, labels, efficiencies))
    return Measured(title, values, area(values, labels), (values > 0) == (labels == 1), points)


def beside_metrics(baselines: Mapping[str, Measured], efficiencies: Sequence[float]) -> dict[str, float]:
    """Return the metrics of all baselines."""
    return {
        f"baseline_{name}_{key}": value
        for name, one in baselines.items()
        for key, value in one.metrics(efficiencies).items()
    }


def beside_table(network: Measured, baselines: Mapping[str, Measured], efficiencies: Sequence[float]) -> Table:
    """Return the table of the card."""
    rows = []
    for one in (network, *baselines.values()):
        shown = (measured(*pair, ".4f") for pair in (one.auc, one.accuracy))
        rejections = (point.text().replace("+-", "±") for point in one.points[:SHOWN])
        rows.append((one.title, *shown, *rejections))
    heads = (f"background rejection at {efficiency:.0%} signal efficiency" for efficiency in efficiencies[:SHOWN])
    return Table(
        "Beside taggers without a network, on the same test examples; cuts were chosen on the validation split",
        ("taken for the signal", "AUC", "accuracy", *heads),
        tuple(rows),
    )


def beside_lines(
    network: Measured, baselines: Mapping[str, Measured], labels: NDArray[np.integer], efficiencies: Sequence[float]
) -> tuple[list[str], list[str]]:
    """Return what is worse than a baseline, to be said first, and how far the network is from the best baseline."""
    if not baselines:
        return [], []
    worse = [line for one in baselines.values() for line in _worse(network, one, labels, efficiencies)]
    best = max(baselines.values(), key=lambda one: one.auc[0])
    difference, error = area_difference(network.score, best.score, labels)
    line = (
        f"best without a network ({best.title}): AUC {best.auc[0]:.4f} +- {best.auc[1]:.4f}, "
        f"accuracy {best.accuracy[0]:.4f} +- {best.accuracy[1]:.4f}; AUC of the network minus that {difference:+.4f} "
        f"+- {error:.4f}"
    )
    return worse, [line]


def _worse(network: Measured, other: Measured, labels: NDArray[np.integer], efficiencies: Sequence[float]) -> list[str]:
    """Return a line for every measure in which the network is worse by more than two errors of the difference."""
    found = []
    apart, error = area_difference(network.score, other.score, labels)
    if apart < -ERRORS * error:
        found.append(f"AUC by {-apart:.4f} +- {error:.4f}")
    paired = network.right.astype(np.float64) - other.right
    apart, error = float(paired.mean()), float(paired.std(ddof=1) / np.sqrt(len(paired)))
    if apart < -ERRORS * error:
        found.append(f"accuracy by {-apart:.4f} +- {error:.4f}")
    for efficiency, ours, theirs in zip(efficiencies, network.points, other.points, strict=True):
        # Background that passes: its errors are defined where a rejection's aren't, and correlation makes them smaller.
        more = ours.background_efficiency - theirs.background_efficiency
        if more > ERRORS * float(np.hypot(ours.background_error, theirs.background_error)):
            found.append(f"rejection at {efficiency:.0%} signal efficiency ({ours.text()} against {theirs.text()})")
    return [f"worse than what needs no network ({other.title}): {', '.join(found)}"] if found else []
