"""How many examples lie outside of what a model knows, by file: numbers that add up over files and processes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..bundle.errors import DataError
from .answers import OUTSIDE
from .partitions import files_of, is_lazy, map_partitions

__all__ = ["count", "per_file"]

Counts = dict[str, dict[str, Any]]


def count(answers: Any, file: str = "all") -> Any:
    """Count the examples that lie outside of what the model knows.

    Parameters
    ----------
    answers
        What `ArrayModel.predict` or `ArrayModel.explain` gave.
    file
        What they are of: in a processor of coffea ``events.metadata["filename"]``. A dask-awkward array knows its
        files itself.

    Returns
    -------
    counts
        By file ``examples``, how many of them are ``outside``, and ``reasons``, how many are outside in what. coffea's
        executors add such numbers up. Of a dask-awkward array one with a record for each partition, for `per_file`.

    Raises
    ------
    DataError
        If it isn't what a model gave.

    Examples
    --------
    >>> import awkward
    >>> from fair_hep.analysis import count
    >>> answers = awkward.Array([{"outside": []}, {"outside": ["jet pT, trained on 550 to 650 GeV"]}])
    >>> count(answers, "nano.root")
    {'nano.root': {'examples': 2, 'outside': 1, 'reasons': {'jet pT, trained on 550 to 650 GeV': 1}}}
    """
    import awkward

    if OUTSIDE not in awkward.fields(answers):
        raise DataError(f"count: got {type(answers).__name__} without {OUTSIDE!r}, expected what the model answered")
    if not is_lazy(answers):
        return per_file(_row(answers[OUTSIDE], awkward.Array([file])))
    import dask_awkward

    files = dask_awkward.from_lists([[name] for name in files_of(answers)])
    files.clear_divisions()
    lazy = answers[OUTSIDE]
    return map_partitions(_row, lazy, "count", files)


def per_file(rows: Any) -> Counts:
    """Add the counts of partitions up by their file.

    Parameters
    ----------
    rows
        What `count` gave of a dask-awkward array, computed.

    Returns
    -------
    counts
        As of `count`.
    """
    found: Counts = {}
    for row in rows.to_list():
        one = found.setdefault(row["file"], {"examples": 0, "outside": 0, "reasons": {}})
        one["examples"] += row["examples"]
        one["outside"] += row["outside"]
        for reason in row["reasons"]:
            one["reasons"][reason["text"]] = one["reasons"].get(reason["text"], 0) + reason["examples"]
    return found


def _row(texts: Any, file: Any) -> Any:
    """Return the counts of one partition: an array with one record, or without data if there is none."""
    import awkward

    abstract = awkward.backend(texts) == "typetracer"
    texts, file = (awkward.typetracer.length_zero_if_typetracer(one) for one in (texts, file))
    while texts.ndim > 2:
        texts = awkward.flatten(texts, axis=1)
    reasons = Counter(awkward.flatten(texts, axis=1).to_list())
    many = awkward.zip(
        {
            "text": awkward.Array([*reasons, ""])[:-1],
            "examples": awkward.from_numpy(np.array([*reasons.values()], np.int64)),
        }
    )
    row = awkward.zip(
        {
            "file": awkward.Array([*file.to_list(), ""])[:1],
            "examples": awkward.from_numpy(np.array([len(texts)], np.int64)),
            "outside": awkward.from_numpy(np.array([awkward.sum(awkward.num(texts, axis=1) > 0)], np.int64)),
            "reasons": awkward.unflatten(many, [len(reasons)]),
        },
        depth_limit=1,
    )
    return awkward.Array(row.layout.to_typetracer(forget_length=True)) if abstract else row
