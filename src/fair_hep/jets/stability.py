"""Whether answers and reasons stay if the jets change a little: area under the ROC curve and order of relevances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..pages.document import Table
from ..pages.measured import measured
from ..study.averages import by_class
from ..study.relevances import ELEMENTS, Column, Relevances
from ..study.sets import explain_sets
from ..study.work import Work
from .changed import CHANGES, POSITION, Changed
from .correlation import spearman

if TYPE_CHECKING:
    from ..study.case import Case

__all__ = ["compare", "stability", "stability_table"]

DRAWS = 200
_POSITION = "element/position"


def stability(case: Case, work: Work, columns: Sequence[str], *, count: int) -> list[dict[str, Any]]:
    """Explain the same jets as they are and after every one of `CHANGES`.

    Parameters
    ----------
    case, work
        What is studied and explained.
    columns
        Columns of the first input.
    count
        The first so many of the explained jets are compared.

    Returns
    -------
    rows
        JSON values, one row for each change: `compare` and its name.
    """
    indices = list(work.indices)[:count]
    processes, name = case.options.share(len(indices)), case.model.inputs[0].name
    plain = replace(work, indices=indices)
    before = list(explain_sets(plain, processes=processes, progress=None))
    rows = []
    for change in CHANGES:
        moved = replace(
            plain,
            dataset=Changed(work.dataset, change, name, columns, case.config.seed),
            further={**work.further, _POSITION: Column("[elements] position before", ELEMENTS)},
            carried={**work.carried, _POSITION: POSITION},
        )
        after = list(explain_sets(moved, processes=processes, progress=None))
        rows.append({"changed": change, **compare(before, after, case.config.seed)})
    return rows


def compare(before: Sequence[Relevances], after: Sequence[Relevances], seed: int) -> dict[str, Any]:
    """Return how the area changes, and how well relevances of constituents keep their order.

    Parameters
    ----------
    before, after
        Relevances of the same jets in the same parts; those after tell positions before (``element/position``).
    seed
        Seed of the bootstrap over jets.

    Returns
    -------
    found
        JSON values: "jets", "auc_before", "auc", "auc_change" with its paired "auc_change_error", and
        "correlation", the mean over jets of Spearman's coefficient over the constituents that are left, with its error.
    """
    labels = np.concatenate([part["example/label"] for part in before])
    last = int(labels.max()) if len(labels) else 0
    scores = [np.concatenate([part["example/explained"] for part in parts]) for parts in (before, after)]
    signal = labels == last
    found: dict[str, Any] = {
        "jets": len(labels),
        "auc_before": None,
        "auc": None,
        "auc_change": None,
        "auc_change_error": None,
    }
    if signal.any() and not signal.all():
        areas = [_area(values, signal) for values in scores]
        generator, drawn = np.random.default_rng(seed), []
        for _ in range(DRAWS):
            rows = np.concatenate([generator.choice(np.flatnonzero(kind), kind.sum()) for kind in (signal, ~signal)])
            drawn.append(_area(scores[1][rows], signal[rows]) - _area(scores[0][rows], signal[rows]))
        found |= {"auc_before": areas[0], "auc": areas[1], "auc_change": areas[1] - areas[0]}
        found["auc_change_error"] = float(np.std(drawn, ddof=1))
    pairs = zip(before, after, strict=True)
    each = np.concatenate([_correlations(one, other) for one, other in pairs])
    row = by_class(each[:, None], {"all": np.ones(len(each), bool)})["all"]
    return found | {"correlation": row["mean"][0], "correlation_error": row["error"][0]}


def stability_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of the card."""

    def cell(row: Mapping[str, Any], name: str, form: str) -> str:
        return measured(row[name], row[f"{name}_error"], form)

    jets = rows[0]["jets"]
    return Table(
        f"The same {jets} test jets with changed constituents: AUC and Spearman's correlation of a jet's relevances",
        ("change", "AUC before", "AUC after", "change of AUC", "rank correlation of relevances"),
        tuple(
            (
                row["changed"],
                *("undefined" if row[name] is None else f"{row[name]:.4f}" for name in ("auc_before", "auc")),
                cell(row, "auc_change", "+.4f"),
                cell(row, "correlation", ".3f"),
            )
            for row in rows
        ),
    )


def _correlations(before: Relevances, after: Relevances) -> np.ndarray:
    """Return Spearman's coefficient of every jet, over the constituents that are left of it."""
    first, second = (part["element/relevance"].astype(np.float64).sum(2) for part in (before, after))
    counts, position = after[ELEMENTS], after[_POSITION]
    found = []
    for jet, count in enumerate(counts):
        found.append(spearman(first[jet, position[jet, :count]], second[jet, :count]))
    return np.array(found)


def _area(scores: np.ndarray, signal: np.ndarray) -> float:
    """Return the probability that a signal jet's score is above a background jet's; ties count half."""
    first, second = np.sort(scores[signal]), np.sort(scores[~signal])
    below, up_to = np.searchsorted(second, first, "left"), np.searchsorted(second, first, "right")
    return float((below + up_to).mean() / (2 * len(second)))
