"""The two ways in which an explained graph sums over neighbours: a product with zeros and ones, or element by element.

``python benchmarks/sums.py [--pairs 15] [--threads 2]`` prints JSON: for numbers of columns, and of elements in a set
up to four times as large, milliseconds of both ways and the median of their ratios in runs in turn. It is the operator
of `tracing/sums_graph.py` alone, on two sets with 16 neighbours; an edge that leaves its set makes it go the second
way.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from typing import Any

import numpy as np

from fair_hep.bundle.session import onnx_runtime
from fair_hep.tracing.sums_graph import sum_rows

SETS, NEIGHBOURS = 2, 16
COLUMNS, ELEMENTS = (22, 64, 256), (32, 64, 128, 256, 512, 1024)


def given(columns: int, elements: int) -> dict[str, np.ndarray]:
    """Make random edges within sets, and what they carry."""
    random = np.random.default_rng(0)
    edges = elements * NEIGHBOURS
    index = random.integers(0, elements, (SETS, edges)) + elements * np.arange(SETS)[:, None]
    return {
        "values": np.zeros((SETS * elements, columns), np.float32),
        "index": index.reshape(-1),
        "source": random.normal(size=(SETS * edges, columns)).astype(np.float32),
        "sets": np.array(SETS),
    }


def measure(session: Any, columns: int, elements: int, pairs: int) -> dict[str, float]:
    """Time both ways in turn."""
    within = given(columns, elements)
    leaving = {**within, "index": np.concatenate([[elements], within["index"][1:]])}
    times: dict[str, list[float]] = {"product": [], "element by element": []}
    for _ in range(pairs + 1):
        for way, arrays in zip(times, (within, leaving), strict=True):
            start = time.perf_counter()
            session.run(None, arrays)
            times[way].append(1e3 * (time.perf_counter() - start))
    # The first turn makes room.
    ratios = [first / second for first, second in list(zip(*times.values(), strict=True))[1:]]
    return {way: statistics.median(found[1:]) for way, found in times.items()} | {"ratio": statistics.median(ratios)}


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    runtime = onnx_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    session = runtime.InferenceSession(sum_rows.to_model_proto(ir_version=10).SerializeToString(), options)
    found = {
        f"{columns} columns": {
            f"{elements} elements": measure(session, columns, elements, arguments.pairs)
            for elements in ELEMENTS
            if elements <= 4 * columns
        }
        for columns in COLUMNS
    }
    print(json.dumps({"threads": arguments.threads, "load_before": os.getloadavg(), **found}, indent=2))


if __name__ == "__main__":
    main()
