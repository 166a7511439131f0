"""Time of an event in MLPF: forward in PyTorch eager and ONNX Runtime from raw elements, and training steps.

``python benchmarks/events.py [--preset compact] [--sizes 1000 5000 10000] [--pairs 5] [--threads 2]`` prints JSON: for
each number of elements seconds per event (medians) and the median of the ratios PyTorch / ONNX Runtime of pairs that
ran in turn, seconds of a training step of one event, and the largest memory of the process so far. Events are
synthetic and weights random, which changes no time.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fair_hep.bundle.runtime import session
from fair_hep.particleflow.synthetic import events
from fair_hep.tracing.graph import Published, export_graph
from support.recipes import model as get

#: Shortest time of one measurement in seconds: a run is repeated until it is reached.
LONG_ENOUGH = 0.2


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Return the time of one run, averaged over some."""
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def compare(torch_run: Callable[[], object], onnx_run: Callable[[], object], pairs: int) -> tuple[float, float, float]:
    """Return the median times of both and the median of their ratios, measured in turn."""
    for run in (torch_run, onnx_run):
        run()
    repeats = [max(1, round(LONG_ENOUGH / seconds(run, 1))) for run in (torch_run, onnx_run)]
    times = [(seconds(torch_run, repeats[0]), seconds(onnx_run, repeats[1])) for _ in range(pairs)]
    eager, graph = (statistics.median(column) for column in zip(*times, strict=True))
    return eager, graph, statistics.median(a / b for a, b in times)


def event(elements: int) -> dict[str, torch.Tensor]:
    """Return a batch of one synthetic event."""
    # The second event of an example has as many elements as it may.
    return {name: values[1:2].contiguous() for name, values in events(2, 0, longest=elements).items()}


def training(model: Any, network: Any, batch: dict[str, torch.Tensor], steps: int) -> float:
    """Return the median time of a training step: forward, loss, backward and AdamW."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    times = []
    for _ in range(steps + 1):
        started = time.perf_counter()
        optimizer.zero_grad()
        model.loss(network(batch["elements"]), batch).backward()
        optimizer.step()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def measure(elements: int, model: Any, network: Any, opened: Any, pairs: int) -> dict[str, float]:
    """Time one size of events."""
    batch = event(elements)
    published = Published(model, network.eval()).eval()
    arrays = {"elements": batch["elements"].numpy()}

    def eager() -> object:
        with torch.inference_mode():
            return published(batch["elements"])

    eager_time, graph_time, ratio = compare(eager, lambda: opened.run(None, arrays), pairs)
    return {
        "torch_seconds": eager_time,
        "onnxruntime_seconds": graph_time,
        "torch_over_onnxruntime": ratio,
        "training_seconds": training(model, network.train(), batch, pairs),
        "peak_bytes_so_far": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="compact")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000, 10_000])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    model = get("mlpf")
    network = model.build(preset=arguments.preset).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_graph(model, network, model.example(4, 0), path, opset=20, metadata={})
        opened = session(path, threads=arguments.threads)
    found = {
        f"{elements}_elements": measure(elements, model, network, opened, arguments.pairs)
        for elements in sorted(arguments.sizes)
    }
    print(json.dumps({"preset": arguments.preset, "threads": arguments.threads, **found}, indent=2))


if __name__ == "__main__":
    main()
