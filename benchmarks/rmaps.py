"""Time and memory of relevance maps of all elements of one event, against a plain forward pass of the same network.

``python benchmarks/rmaps.py`` prints JSON lines: for events of 1,000, 5,000 and 10,000 elements and k = 8 and 16, the
seconds for the maps of one class output of every element (median of several), those of one more output of
the same event, those of a forward pass, their ratio, and the peak memory of a process that does nothing else. The
network has two convolutions and random weights, the events are synthetic; the time hardly depends on either.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from fair_hep.particleflow.rmaps import RelevanceFlow, one_output
from fair_hep.particleflow.synthetic import events
from support.recipes import model

SIZES = (1000, 5000, 10_000)
NEIGHBOURS = (8, 16)
GOAL = {"elements": 5000, "k": 8, "seconds": 1.0, "peak_GiB": 1.0}


def measure(elements: int, k: int, repeats: int, output: str) -> dict[str, object]:
    """Measure one size in this process."""
    torch.manual_seed(0)
    network: Any = model("mlpf").build(preset="compact", k=k).eval()
    # The second event of an example has as many elements as allowed.
    batch = events(2, 0, longest=elements)["elements"][1:]
    with torch.inference_mode():
        features, mask = network.features(batch)
        forward = seconds(lambda: network.body(features, mask), repeats)
    target = one_output(output, features)
    flow = RelevanceFlow(network.body, features, mask)
    maps = flow.maps(target)
    whole = seconds(lambda: RelevanceFlow(network.body, features, mask).maps(target), repeats)
    again = seconds(lambda: flow.maps(target), repeats)
    return {
        "elements": elements,
        "k": k,
        "output": output,
        "seconds": round(whole, 3),
        "seconds_of_a_further_output": round(again, 3),
        "forward_seconds": round(forward, 3),
        "ratio": round(whole / forward, 1),
        "pairs": len(maps.element),
        "largest_ledger_error": float(maps.ledger.error.max()),
        "peak_GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "threads": torch.get_num_threads(),
    }


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call, after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    """Measure every size in a process of its own, so that each has its own peak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", default="photon", help="what is explained: a class or a component of the momentum")
    parser.add_argument("--only", nargs=2, type=int, metavar=("ELEMENTS", "K"), help="one size, in this process")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only[0], options.only[1], options.repeats, options.output)))
        return
    for elements in SIZES:
        for k in NEIGHBOURS:
            size = ["--only", str(elements), str(k), "--repeats", str(options.repeats), "--output", options.output]
            done = subprocess.run([sys.executable, __file__, *size], check=True, capture_output=True, text=True)
            print(done.stdout.strip(), flush=True)
    print(json.dumps({"goal": GOAL}))


if __name__ == "__main__":
    main()
