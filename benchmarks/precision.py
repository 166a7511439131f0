"""What bundles take: bytes on disk, time for an example in ONNX Runtime, memory, and what their figures decide by.

    python benchmarks/precision.py runs/full/bundle runs/pruned/bundle runs/int8/bundle [--threads 1 2] [--explain]

prints a table of any bundles that take the same inputs: pruned, at low precision, or both. All answer the stored
examples of the first one, in passes as `fair_hep.load` makes them. Times are medians of runs in turn, and ratios to the
first bundle medians of those of the same turn, so that other load on the machine disturbs all alike. CPU time is told
beside. Memory is what a process of its own has more after it opened the graph and answered once (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fair_hep import load
from fair_hep.bundle.folder import EXPLAINED, MODEL, WEIGHTS, read_arrays
from fair_hep.bundle.inputs import cut, cuts, pad
from fair_hep.bundle.session import onnx_runtime, session
from fair_hep.bundle.signature import Signature

#: Shortest time of one measurement in seconds: the examples are answered again until it is reached.
LONG_ENOUGH = 0.5
BATCH = {MODEL: 128, EXPLAINED: 16}
FILES = (MODEL, EXPLAINED, WEIGHTS)
Pass = dict[str, np.ndarray]


@dataclass(frozen=True)
class Cost:
    """Milliseconds by the clock and of the processors for an example."""

    wall: float
    cpu: float


def passes(signature: Signature, arrays: Pass, file: str) -> list[Pass]:
    """Cut examples into passes of like sizes, as a loaded model does."""
    first = signature.inputs[0]
    columns = {spec.name: [cut(spec, one) for one in arrays[spec.name]] for spec in signature.inputs}
    lengths = [len(one) if first.set_axis else 1 for one in columns[first.name]]
    order = np.argsort(lengths, kind="stable").tolist()
    found = []
    for start, stop in cuts([lengths[place] for place in order], BATCH[file]):
        places = order[start:stop]
        made = {
            spec.name: pad(spec, [columns[spec.name][p] for p in places], places, least=1) for spec in signature.inputs
        }
        if file == EXPLAINED and signature.explained is not None:
            known = signature.explained
            rows = made[first.name].shape[: len(known.inputs[-1].axes) - 1]
            target = np.asarray(known.how.target, known.inputs[-1].dtype)
            made[known.inputs[-1].name] = np.broadcast_to(target, (*rows, len(target))).copy()
        found.append(made)
    return found


def runner(folder: Path, arrays: Pass, file: str, threads: int) -> Callable[[], None]:
    """Return what answers all examples once."""
    opened = session(folder / file, threads=threads)
    given = passes(load(folder, threads=threads).signature, arrays, file)

    def run() -> None:
        for one in given:
            opened.run(None, one)

    return run


def timed(run: Callable[[], None], repeats: int, examples: int) -> Cost:
    """Return what an example takes."""
    start, used = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        run()
    count = repeats * examples / 1e3
    return Cost((time.perf_counter() - start) / count, (time.process_time() - used) / count)


def measured(runs: Sequence[Callable[[], None]], examples: int, turns: int) -> list[dict[str, float]]:
    """Time all bundles in turn."""
    for run in runs:
        run()
    repeats = [max(1, round(LONG_ENOUGH * 1e3 / (timed(run, 1, examples).wall * examples))) for run in runs]
    found = [[timed(run, count, examples) for run, count in zip(runs, repeats, strict=True)] for _ in range(turns)]
    return [
        {
            "ms": statistics.median(turn[number].wall for turn in found),
            "cpu_ms": statistics.median(turn[number].cpu for turn in found),
            "ratio": statistics.median(turn[number].wall / turn[0].wall for turn in found),
            "cpu_ratio": statistics.median(turn[number].cpu / turn[0].cpu for turn in found),
        }
        for number in range(len(runs))
    ]


def memory(folder: Path, examples: Path, file: str, threads: int) -> float:
    """Return the megabytes that a process of its own takes to open a graph and answer once."""
    words = [sys.executable, __file__, str(folder), "--examples", str(examples), "--threads", str(threads)]
    done = subprocess.run([*words, "--memory", file], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _own_memory(folder: Path, arrays: Pass, file: str, threads: int) -> float:
    onnx_runtime()
    before = _resident()
    run = runner(folder, arrays, file, threads)
    run()
    return (_resident() - before) / 2**20


def _resident() -> int:
    """Return the bytes of this process that are in memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def about(folder: Path) -> dict[str, Any]:
    """Return what a bundle says of itself, and its bytes."""
    signature = load(folder).signature
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    name = metrics.get("decisive")
    low = metrics.get("precision", {})
    return {
        "bundle": str(folder),
        "precision": signature.precision,
        "pruned": "pruned" in signature.hyperparameters,
        "kib": {file: (folder / file).stat().st_size / 1024 for file in FILES if (folder / file).is_file()},
        "decisive": name,
        "value": metrics["metrics"].get(name),
        "error": metrics["metrics"].get(f"{name}_error"),
        "flipped": low.get("flipped"),
        "rank_correlation": low.get("explanations", {}).get("rank_correlation"),
    }


def table(rows: Sequence[dict[str, Any]], file: str) -> list[str]:
    """Return rows of one number of threads as lines of a table in Markdown."""
    head = ("bundle", "weights", "pruned", "graph KiB", "decides", "ms", "ratio", "CPU ratio", "memory MB")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        value = "" if row["value"] is None else f"{row['value']:.4f}"
        error = "" if row["error"] is None else f" ± {row['error']:.4f}"
        cells = (
            row["bundle"], row["precision"], "yes" if row["pruned"] else "no", f"{row['kib'][file]:,.0f}",
            value + error, f"{row['ms']:.3f}", f"{row['ratio']:.2f}", f"{row['cpu_ratio']:.2f}",
            f"{row['memory_mb']:.0f}",
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Measure, and print tables and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", type=Path, help="Folders of bundles; others are compared with the first.")
    parser.add_argument("--examples", type=Path, help="An .npz file with an array for each input.")
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--explain", action="store_true", help="The graphs that explain as well.")
    parser.add_argument("--memory", choices=BATCH, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    examples = asked.examples or asked.bundles[0] / "examples/inputs.npz"
    arrays = dict(read_arrays(examples))
    if asked.memory:
        print(_own_memory(asked.bundles[0], arrays, asked.memory, asked.threads[0]))
        return
    known, count = [about(folder) for folder in asked.bundles], len(next(iter(arrays.values())))
    result: dict[str, Any] = {"examples": count, "turns": asked.turns, "load_before": os.getloadavg()}
    for file in (MODEL, EXPLAINED) if asked.explain else (MODEL,):
        for threads in asked.threads:
            runs = [runner(folder, arrays, file, threads) for folder in asked.bundles]
            costs = measured(runs, count, asked.turns)
            sizes = [{"memory_mb": memory(folder, examples, file, threads)} for folder in asked.bundles]
            rows = [{**one, **cost, **size} for one, cost, size in zip(known, costs, sizes, strict=True)]
            print(f"\n{file}, {threads} thread{'s' * (threads > 1)}, ms for an example\n")
            print("\n".join(table(rows, file)), flush=True)
            result[f"{file}, {threads}"] = rows
    print("\n" + json.dumps({**result, "load_after": os.getloadavg()}))


if __name__ == "__main__":
    main()
