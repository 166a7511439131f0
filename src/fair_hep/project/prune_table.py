"""What a study of pruning found, as a table: each metric before, right after channels were taken away, and trained."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..bundle.files import new_file
from .prune_figures import mean_and_error

__all__ = ["FILE", "write_table"]

#: Its name, beside ``study.json``.
FILE = "table.csv"
#: The columns of numbers: where each is in a row of the study.
STAGES = {"taken_away": ("taken_away",), "trained": ("metrics", "explanations")}
Row = Mapping[str, Any]


def write_table(found: Row, path: Path) -> None:
    """Write a line for each budget, criterion and metric: means over the trainings, and their errors from the spread.

    Explanations are compared with those of the network before, so there they have no number. A metric that a training
    lacks (a rejection that is a limit only) is left out.
    """
    before = _values([one["metrics"] for one in found["before"]])
    names = [f"{stage}{end}" for stage in ("before", *STAGES) for end in ("", "_error")]
    with new_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["budget", "criterion", "macs", "trainings", "metric", *names])
        writer.writeheader()
        for rows in _together(found["rows"]):
            about = {key: rows[0][key] for key in ("budget", "criterion")}
            about |= {"macs": statistics.fmean(row["macs"] for row in rows), "trainings": len(rows)}
            stages = {stage: _values([_joined(row, keys) for row in rows]) for stage, keys in STAGES.items()}
            for metric in stages["trained"]:
                line = dict(about, metric=metric)
                for stage, known in {"before": before, **stages}.items():
                    line |= _numbers(stage, known.get(metric, ()))
                writer.writerow(line)


def _together(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Give the rows of each budget and criterion, the largest budget first."""
    keys = dict.fromkeys((row["budget"], row["criterion"]) for row in rows)
    for key in sorted(keys, key=lambda key: -key[0]):
        yield [row for row in rows if (row["budget"], row["criterion"]) == key]


def _joined(row: Row, keys: Sequence[str]) -> dict[str, Any]:
    return {name: value for key in keys for name, value in row[key].items()}


def _values(found: Sequence[Row]) -> dict[str, list[float]]:
    """Return the numbers of all trainings by metric, without statistical errors: these are common to all of them."""
    names = [name for name, value in found[0].items() if isinstance(value, float) and not name.endswith("_error")]
    return {name: [one[name] for one in found] for name in names if all(name in one for one in found)}


def _numbers(stage: str, values: Sequence[float]) -> dict[str, float]:
    return dict(zip((stage, f"{stage}_error"), mean_and_error(values), strict=True)) if values else {}
