"""What parts cost beside a single run: seconds, memory, and whether the joined result has the same bytes.

    python benchmarks/parts.py --project build/top_tagger --size 3000 --verbs simulate data predict

Every command is a process of its own, in a copy of the project; parts run one after the other, as on machines of their
own: the slowest of them and the join are what a cluster would wait for. A line of JSON for each verb and number of
parts. ``data`` and ``predict`` read what ``simulate`` made, or the project's sample if that isn't measured;
``evaluate`` and ``explain`` want a project whose quick chain has run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_COMMAND = "from fair_hep.cli.project import main; main()"
#: What tells the time, or on which machine it was.
_DIFFERS = ("provenance.json",)


@dataclass(frozen=True)
class Case:
    """A verb with its words, and the file or folder that it makes."""

    words: tuple[str, ...]
    result: str


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds by the clock and of the processors, and its largest memory in MB."""

    wall: float
    cpu: float
    memory: float


def cases(sample: str, raw: str | None, size: int) -> dict[str, Case]:
    """Return what can be measured; a further verb is a line here."""
    read = raw or "sample"
    return {
        "simulate": Case(("simulate", "--size", str(size), "--output", "raw"), "raw"),
        "data": Case(("data", "data.source=folder", f"data.folder={read}"), "data/folder"),
        "evaluate": Case(("evaluate",), "runs/quick/evaluate"),
        "explain": Case(("explain",), "runs/quick/explain"),
        "predict": Case(("predict", f"{read}/{sample}", "--output", "scores.csv"), "scores.csv"),
        "predict-parquet": Case(("predict", f"{read}/{sample}", "--output", "scores.parquet"), "scores.parquet"),
    }


def run(root: Path, words: Sequence[str]) -> Cost:
    """Run a command of a project in a process of its own."""
    path = os.pathsep.join([str(root / "src"), *filter(None, sys.path)])
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *words],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(words)}: {said.decode()[-2000:]}")
    return Cost(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def contents(result: Path) -> dict[str, bytes]:
    """Return the files of a result by name."""
    files = [result] if result.is_file() else [path for path in result.rglob("*") if path.is_file()]
    return {str(path.relative_to(result)): path.read_bytes() for path in files if path.name not in _DIFFERS}


def largest_difference(one: Path, other: Path) -> float | None:
    """Return how far apart numbers of the arrays lie that two results hold; None: they hold none."""
    found = []
    for path in one.rglob("*.np[yz]") if one.is_dir() else ():
        arrays = [np.load(place / path.relative_to(one)) for place in (one, other)]
        names = arrays[0].files if path.suffix == ".npz" else [...]
        pairs = [[np.asarray(array[name], np.float64) for array in arrays] for name in names]
        found += [float(np.abs(a - b).max()) if a.shape == b.shape else np.inf for a, b in pairs if a.size]
    return max(found, default=None)


def measure(root: Path, verb: str, case: Case, divisions: Sequence[int]) -> None:
    """Print what one run takes, and what each number of parts takes."""
    result, kept = root / case.result, root / f"{case.result}-single"
    alone = run(root, case.words)
    result.rename(kept)
    expected = contents(kept)
    print(json.dumps({"verb": verb, "parts": 0, **_told([alone])}), flush=True)
    for of in divisions:
        parts = [run(root, [*case.words, "--part", f"{number}/{of}"]) for number in range(1, of + 1)]
        join = run(root, [*case.words, "--join", str(of)])
        same = contents(result) == expected
        line = {"verb": verb, "parts": of, **_told(parts), "join_s": round(join.wall, 2), "bytes_equal": same}
        line |= {"join_cpu_s": round(join.cpu, 2), "join_memory_mb": round(join.memory)}
        if not same:
            line["largest_difference"] = largest_difference(kept, result)
        print(json.dumps(line), flush=True)


def _told(costs: Sequence[Cost]) -> dict[str, float]:
    return {
        "slowest_s": round(max(cost.wall for cost in costs), 2),
        "cpu_s": round(sum(cost.cpu for cost in costs), 2),
        "memory_mb": round(max(cost.memory for cost in costs)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True, help="A generated project, with a bundle for predict.")
    parser.add_argument("--size", type=int, default=3000, help="Examples to simulate.")
    parser.add_argument("--file", default="test.h5", help="Raw file to predict, by its name.")
    parser.add_argument("--verbs", nargs="+", default=["data", "predict"])
    parser.add_argument("--parts", nargs="+", type=int, default=[2, 4])
    arguments = parser.parse_args()
    raw = "raw-single" if "simulate" in arguments.verbs else None
    known = cases(arguments.file, raw, arguments.size)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        left_out = [".git"] if {"evaluate", "explain"} & set(arguments.verbs) else [".git", "runs", "data"]
        shutil.copytree(arguments.project, root, ignore=shutil.ignore_patterns(*left_out))
        for verb in sorted(arguments.verbs, key=list(known).index):
            measure(root, verb, known[verb], arguments.parts)


if __name__ == "__main__":
    main()
