"""The same network on other jets of the same selection: of another parton shower, behind another detector.

The jets aren't the same, so their relevances can't be compared one by one: it is their mean by feature and rank in pT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.errors import ConfigError, DataError
from ..data.store import Store
from ..pages.document import Table
from ..pages.measured import measured
from ..study.relevances import FILE, Relevances, read_relevances
from ..study.sets import explain_sets, non_empty
from ..study.work import Work
from ..tagging.measures import area
from .correlation import spearman

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from ..study.case import Case

__all__ = ["compare_profiles", "on_other_jets", "others_table", "profiles"]

#: Constituents of a jet, the hardest first, whose relevances are compared.
RANKS = 20
#: Jets that are scored for the area, at most; scoring is cheap, explaining isn't.
SCORED = 20_000
DRAWS = 100


def on_other_jets(case: Case, work: Work, others: Mapping[str, Path], count: int) -> list[dict[str, Any]]:
    """Score and explain jets of other stores, and compare them with those that were explained.

    Parameters
    ----------
    case, work
        What is studied and explained; its relevances lie in the folder of the case.
    others
        Folders of stores by what is said of them: what the verb `data` made of jets that were simulated in another way.
        The jets of their test split are taken.
    count
        Jets of each that are explained, at most.

    Returns
    -------
    rows
        JSON values, a row for each: "jets" (scored), "explained", "auc_before", "auc" and "auc_change" with their
        errors, "correlation" of the mean |R| by class, feature and rank with the own jets, and "correlation_by_chance",
        between two halves of as many own jets.

    Raises
    ------
    ConfigError
        If a folder isn't there or holds no store.
    DataError
        If one of them has a class only, or no jet that can be explained.
    """
    own, classes = list(read_relevances(case.folder / FILE)), len(case.classes)
    here = _area(case, work.dataset, "the test split")
    rows = []
    for name, folder in others.items():
        dataset = _opened(case, name, folder)
        there = _area(case, dataset, name)
        order = np.random.default_rng(case.config.seed).permutation(len(dataset))[:count]
        indices, _ = non_empty(case.model, dataset, [int(index) for index in np.sort(order)])
        if not indices:
            raise DataError(f"explain.options.others {name}: none of {len(order)} jets has a constituent")
        moved = replace(work, dataset=dataset, indices=indices, carried={}, further={}, columns=None)
        found = list(explain_sets(moved, processes=case.options.share(len(indices)), progress=name))
        rows.append(
            {
                "changed": name,
                "jets": len(dataset),
                "explained": len(indices),
                "auc_before": here[0],
                "auc_before_error": here[1],
                "auc": there[0],
                "auc_error": there[1],
                "auc_change": there[0] - here[0],
                "auc_change_error": float(np.hypot(here[1], there[1])),
                **compare_profiles(profiles(own, classes), profiles(found, classes), case.config.seed),
            }
        )
    return rows


def profiles(parts: Iterable[Relevances], classes: int) -> list[np.ndarray]:
    """Return for every class how the |R| of its jets are shared out, ``[jets, features * RANKS]``."""
    kept: list[list[np.ndarray]] = [[] for _ in range(classes)]
    for part in parts:
        size = np.abs(part["element/relevance"][:, :RANKS].astype(np.float64)) * part.mask[:, :RANKS, None]
        padded = np.zeros((len(size), RANKS, size.shape[2]))
        padded[:, : size.shape[1]] = size
        rows = padded.reshape(len(size), -1)
        rows = rows / np.maximum(rows.sum(1, keepdims=True), 1e-300)
        for number in range(classes):
            kept[number].append(rows[part["example/label"] == number])
    return [np.concatenate(rows) for rows in kept]


def compare_profiles(own: Sequence[np.ndarray], other: Sequence[np.ndarray], seed: int) -> dict[str, Any]:
    """Return Spearman's correlation of mean profiles ``[jets, cells]`` of all classes, and what chance leaves of 1.

    Classes that one of the two lacks are left out. The error is from drawing the jets of both again; chance is the mean
    correlation between two samples of own jets, each as large as the smaller of the two compared, halved where there
    are too few: below 1 by their statistics alone.
    """
    pairs = [(one, two) for one, two in zip(own, other, strict=True) if len(one) > 1 and len(two) > 1]
    if not pairs:
        return {"correlation": None, "correlation_error": None, "correlation_by_chance": None}
    generator, drawn, chance = np.random.default_rng(seed), [], []

    def again(rows: np.ndarray) -> np.ndarray:
        mean: np.ndarray = rows[generator.integers(len(rows), size=len(rows))].mean(0)
        return mean

    for _ in range(DRAWS):
        drawn.append(_correlation([(again(one), again(two)) for one, two in pairs]))
        halves = []
        for one, two in pairs:
            size, order = max(1, min(len(two), len(one) // 2)), generator.permutation(len(one))
            halves.append((one[order[:size]].mean(0), one[order[-size:]].mean(0)))
        chance.append(_correlation(halves))
    return {
        "correlation": _correlation([(one.mean(0), two.mean(0)) for one, two in pairs]),
        "correlation_error": float(np.std(drawn, ddof=1)),
        "correlation_by_chance": float(np.mean(chance)),
    }


def others_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of the card."""

    def told(row: Mapping[str, Any], name: str, form: str) -> str:
        return measured(row[name], row[f"{name}_error"], form)

    chance = (row["correlation_by_chance"] for row in rows)
    return Table(
        "The same network on other jets of the same selection: AUC, and Spearman's correlation of the mean |R| by "
        "class, feature and rank in pT with that of the test jets (by chance: between two samples of test jets)",
        ("jets", "scored", "explained", "AUC, test jets", "AUC", "change of AUC", "rank correlation", "by chance"),
        tuple(
            (
                row["changed"], str(row["jets"]), str(row["explained"]), told(row, "auc_before", ".4f"),
                told(row, "auc", ".4f"), told(row, "auc_change", "+.4f"), told(row, "correlation", ".3f"),
                "undefined" if least is None else f"{least:.3f}",
            )
            for row, least in zip(rows, chance, strict=True)
        ),
    )  # fmt: skip


def _opened(case: Case, name: str, folder: Path) -> Any:
    path = Path(folder) / "test"
    if not (path / "store.json").is_file():
        raise ConfigError(
            f"explain.options.others {name}: got {folder}, expected a folder of stores: run `data data.source=simulate "
            "data.simulation.shower=vincia` (or data.simulation.card=CMS), and give the folder that it names"
        )
    from ..data.batches import first

    return first(case.model.dataset(Store(path), **case.config.data.options), SCORED)


def _area(case: Case, dataset: Dataset[Any], name: str) -> tuple[float, float]:
    """Return area and error of what is explained, of the jets of a data set."""
    import torch

    from ..data.batches import ordered_loader

    model, scores, labels = case.model, [], []
    with torch.inference_mode():
        for batch in ordered_loader(dataset, case.config.evaluate.batch_size):
            values = case.network(**{spec.name: batch[spec.name] for spec in model.inputs if spec.name in batch})
            weights = torch.tensor(case.target, dtype=values.dtype)
            scores.append((values @ weights).numpy())
            labels.append(batch["label"].numpy() == len(case.classes) - 1)
    try:
        return area(np.concatenate(scores), np.concatenate(labels).astype(np.int64))
    except ValueError as error:
        raise DataError(f"explain.options.others {name}: {error}") from error


def _correlation(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    own, other = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return spearman(own, other)
