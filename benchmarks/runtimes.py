"""Time of a jet in ONNX Runtime against PyTorch eager, at several batches: both scores from raw four-momenta.

``python benchmarks/runtimes.py [--presets lite full] [--pairs 7] [--threads 2]`` prints JSON: milliseconds per jet
(medians) and the median of the ratios PyTorch / ONNX Runtime of pairs that ran in turn, time and size of the export.
Jets are the shipped sample's, cut to the hardest 128 constituents and padded to the longest of the batch; weights are
random, which changes no time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from in_place import load

load()

from template_package.data.store import Store  # noqa: E402
from template_package.export.graph import Published, export_graph  # noqa: E402
from template_package.models import get  # noqa: E402
from template_package.runtime import session  # noqa: E402

BATCHES = (1, 32, 512)
#: Shortest time of one measurement in seconds: a batch is repeated until it is reached.
LONG_ENOUGH = 0.2


def jets(folder: Path) -> Any:
    """Return the test jets of the sample."""
    model = get("particlenet")
    model.convert(model.sample()["test"], folder / "test")
    return model.dataset(Store(folder / "test"), max_constituents=128)


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


def measure(preset: str, dataset: Any, folder: Path, *, pairs: int, threads: int) -> dict[str, Any]:
    """Export one network and time both runtimes."""
    model = get("particlenet")
    torch.manual_seed(0)
    network = model.build(preset=preset).eval()
    published = Published(model, network).eval()
    path = folder / f"{preset}.onnx"
    start = time.perf_counter()
    export_graph(model, network, model.example(4, 0), path, opset=20, metadata={})
    found: dict[str, Any] = {"export_seconds": time.perf_counter() - start, "onnx_bytes": path.stat().st_size}
    opened = session(path, threads=threads)
    for size in BATCHES:
        particles = dataset.__getitems__(list(range(size)))["particles"].contiguous()
        arrays = {"particles": particles.numpy()}

        def eager(values: torch.Tensor = particles) -> object:
            with torch.inference_mode():
                return published(values)

        def graph(values: dict[str, Any] = arrays) -> object:
            return opened.run(None, values)

        a, b, ratio = compare(eager, graph, pairs)
        found[f"batch_{size}"] = {
            "constituents": particles.shape[1],
            "torch_ms_per_jet": 1e3 * a / size,
            "onnxruntime_ms_per_jet": 1e3 * b / size,
            "torch_over_onnxruntime": ratio,
        }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["lite", "full"])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        dataset = jets(folder)
        options = {"pairs": arguments.pairs, "threads": arguments.threads}
        found = {preset: measure(preset, dataset, folder, **options) for preset in arguments.presets}
    print(json.dumps({"threads": arguments.threads, **found}, indent=2))


if __name__ == "__main__":
    main()
