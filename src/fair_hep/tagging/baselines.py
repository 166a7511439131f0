"""Taggers without a network: cuts on observables of an example, chosen on the validation split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..bundle.errors import DataError
from ..models.contract import Baseline

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from ..bundle import TensorSpec

__all__ = ["CUTS", "Observable", "Observables", "choose_cuts", "observed"]

Floats = NDArray[np.float64]
#: Name of the tagger that cuts on all observables at once.
CUTS = "cuts"
#: Values of each observable that a cut may have: quantiles of the signal.
STEPS = 60
#: Signal efficiencies for which cuts are chosen, from loose to tight; each lies within the one before.
EFFICIENCIES = np.linspace(1.0, 0.02, 50)


@dataclass(frozen=True)
class Observable:
    """A number that tells signal from background.

    Parameters
    ----------
    name, title, unit
        For metrics, for people, and "" for a pure number.
    signal
        Where the signal is: at a "peak" (a window around its median is cut out), or at "low" values.
    """

    name: str
    title: str
    unit: str
    signal: Literal["peak", "low"]

    def cut(self, value: float, centre: float) -> str:
        """Say what passes a cut."""
        unit = f" {self.unit}" if self.unit else ""
        if self.signal == "peak":
            return f"{self.title} within {value:.3g}{unit} of {centre:.4g}{unit}"
        return f"{self.title} below {value:.3g}{unit}"


@dataclass(frozen=True)
class Observables:
    """One observable or two, and what derives them.

    Parameters
    ----------
    of
        The observables.
    derive
        Given a padded set ``[examples, elements, columns]`` and the names of its columns: every observable
        ``[examples]`` by name, finite.
    given_by
        Says of names of columns whether these derive the observables; without it, any do.
    """

    of: tuple[Observable, ...]
    derive: Callable[[NDArray[np.floating], Sequence[str]], Mapping[str, Floats]]
    given_by: Callable[[Sequence[str]], bool] = lambda columns: True


def observed(
    dataset: Dataset[Any], observables: Observables, spec: TensorSpec, batch_size: int
) -> tuple[dict[str, Floats], NDArray[np.integer]]:
    """Return every observable ``[examples]`` of a data set by name, and its labels.

    Raises
    ------
    DataError
        If an observable isn't finite.
    """
    from ..data.batches import ordered_loader

    parts: dict[str, list[Floats]] = {one.name: [] for one in observables.of}
    labels = []
    for batch in ordered_loader(dataset, batch_size):
        found = observables.derive(batch[spec.name].numpy(), spec.columns)
        for name, values in parts.items():
            values.append(np.asarray(found[name], np.float64))
        labels.append(batch["label"].numpy())
    whole = {name: np.concatenate(values) for name, values in parts.items()}
    for name, every in whole.items():
        if bad := int((~np.isfinite(every)).sum()):
            raise DataError(f"baseline {name}: got {bad} values that aren't finite, expected none; mend `derive`")
    return whole, np.concatenate(labels)


def choose_cuts(
    observables: Observables, known: Mapping[str, Floats], labels: NDArray[np.integer], values: Mapping[str, Floats]
) -> dict[str, Baseline]:
    """Choose cuts where labels are known; return what they say of others.

    A cut on one observable is the one with the best accuracy. With two observables there is a tagger that cuts on both:
    for falling signal efficiency the pair of cuts with the least background, each within the one before, so that a
    score can be made of them: how many of them an example passes.

    Parameters
    ----------
    observables
        What is cut on.
    known, labels
        Observables ``[examples]`` by name and labels (1: signal) of the validation split.
    values
        The same of the examples that are scored.

    Raises
    ------
    DataError
        If a class is missing.
    """
    signal = labels == 1
    if not signal.any() or signal.all():
        raise DataError("baselines: got validation examples of one class, expected both: give more of them")
    centres = {one.name: float(np.median(known[one.name][signal])) for one in observables.of}

    def distances(given: Mapping[str, Floats]) -> list[Floats]:
        return [
            np.abs(given[one.name] - centres[one.name]) if one.signal == "peak" else given[one.name]
            for one in observables.of
        ]

    before, after = distances(known), distances(values)
    found = {}
    for one, near, far in zip(observables.of, before, after, strict=True):
        cut = _most_accurate(near, signal)
        found[one.name] = Baseline(one.cut(cut, centres[one.name]), cut - far)
    if len(observables.of) == 2:
        pairs = _nested(before, signal)
        passed, scored = (_passed(rows, pairs) for rows in (before, after))
        # So many of the pairs that accuracy is best; halfway, so that no score is 0.
        least = int(np.ceil(-_most_accurate(-passed, signal)))
        told = [
            one.cut(cut, centres[one.name]) for one, cut in zip(observables.of, pairs[least - 1], strict=True)
        ]  # fmt: skip
        found[CUTS] = Baseline(" and ".join(told), scored - least + 0.5)
    return found


def _most_accurate(distance: Floats, signal: NDArray[np.bool_]) -> float:
    """Return the cut with the best share of right calls, if what lies below it is taken for the signal."""
    order = np.argsort(distance, kind="stable")
    ranked, right = distance[order], np.cumsum(np.where(signal[order], 1, -1))
    last = np.append(np.diff(ranked) != 0, True)
    best = np.flatnonzero(last)[right[last].argmax()]
    # Halfway to the next, since it is others that are cut.
    return float((ranked[best] + ranked[min(best + 1, len(ranked) - 1)]) / 2)


def _nested(distances: Sequence[Floats], signal: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Return pairs of cuts, from loose (all pass) to tight; each lies within the one before."""
    steps = np.linspace(1 / STEPS, 1, STEPS)
    first, second = (np.append(np.quantile(rows[signal], steps), np.inf) for rows in distances)
    kept, background = (_count(distances, first, second, chosen) for chosen in (signal, ~signal))
    share, at = kept / signal.sum(), (STEPS, STEPS)
    pairs = [(float(first[STEPS]), float(second[STEPS]))]
    for efficiency in EFFICIENCIES[1:]:
        inside = (slice(at[0] + 1), slice(at[1] + 1))
        # Of equal background the pair that keeps most signal.
        worth = np.where(share[inside] >= efficiency, share[inside] - background[inside], -np.inf)
        row, column = np.unravel_index(int(worth.argmax()), worth.shape)
        at = (int(row), int(column))
        pairs.append((float(first[at[0]]), float(second[at[1]])))
    return pairs


def _count(distances: Sequence[Floats], first: Floats, second: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Return how many of the chosen pass every pair of cuts, ``[first, second]``."""
    # Single precision counts to 16 million.
    one, other = (
        (rows[chosen] <= cuts[:, None]).astype(np.float32)
        for rows, cuts in zip(distances, (first, second), strict=True)
    )
    return (one @ other.T).astype(np.float64)


def _passed(distances: Sequence[Floats], pairs: Sequence[tuple[float, float]]) -> Floats:
    """Return how many of the pairs of cuts each example passes."""
    one, other = distances
    return np.sum([(one <= first) & (other <= second) for first, second in pairs], axis=0, dtype=np.float64)
