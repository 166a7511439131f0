"""Scores and explanations of ParticleNet in PyTorch and ONNX Runtime, beside weaver-core's, jet by jet and in batches.

``python benchmarks/runtimes.py [--presets full] [--pairs 7] [--threads 2] [--no-compile] [--batches 1 32 512]`` prints
JSON. For every batch and runtime: the passes' size, milliseconds per jet and jets per second (medians of runs in turn),
CPU-milliseconds per jet (which other load on the machine disturbs less), and the medians of ratios between runs of the
same turn, with the goals. weaver-core is in the project's extra ``peers``; ``--no-compile`` leaves out torch.compile,
which takes minutes.

The jets are the shipped sample's, cut to the hardest 128 constituents, those of a batch sorted by size. Jets with fewer
constituents than weaver's graph has neighbours to find are left out: its graph can't take them. Every runtime
works on them in passes of the size that is fastest for it, of those in `PASSES`; a pass is padded to its longest jet.
Weights are random, which changes no time. weaver's network has the same layers; it is given features that are ready,
while ours computes them from four-momenta inside the graph.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from top_tagger.network import PRESETS

from fair_hep.bundle import Relevance
from fair_hep.bundle.session import session
from fair_hep.data.store import Store
from fair_hep.tracing.explained import Explained, export_explained
from fair_hep.tracing.graph import Published, export_graph
from support.recipes import model as get
from support.recipes import sample

BATCHES = (1, 32, 512)
#: Jets in one pass that are tried for every runtime, as far as the batch goes.
PASSES = (1, 2, 4, 8, 32, 128)
#: weaver-core's graph looks for 16 neighbours and the constituent itself.
FEWEST = 17
#: Jets to record an explanation with.
RECORDED = 13
#: Shortest time of one measurement in seconds: a batch is repeated until it is reached.
LONG_ENOUGH = 0.2
TARGET = (-1.0, 1.0)
HOW = Relevance(composite="epsilon", bias="absorb", epsilon=1e-6, target=list(TARGET), tolerance=1e-3)
PREDICT, EXPLAIN, WEAVER = "predict, ONNX Runtime", "explain, ONNX Runtime", "predict, weaver's in ONNX Runtime"
#: Whose time is divided by whose, and the largest ratio that is wanted.
GOALS = ((EXPLAIN, PREDICT, 2.5), (EXPLAIN, "explain, PyTorch", 1.0), (PREDICT, WEAVER, 1.0))
#: Gives, for a pass of jets, the run that is timed.
Runner = Callable[[torch.Tensor], Callable[[], object]]


def jets(folder: Path) -> list[torch.Tensor]:
    """Return the four-momenta of the sample's first test jets that are large enough, each with its own length."""
    model = get("particlenet")
    model.convert(sample("particlenet")["test"], folder / "test")
    dataset: Any = model.dataset(Store(folder / "test"), max_constituents=128)
    particles = dataset.__getitems__(list(range(2 * max(BATCHES))))["particles"]
    cut = [jet[: int((jet[:, 0] > 0).sum())] for jet in particles]
    return [jet for jet in cut if len(jet) >= FEWEST][: max(BATCHES)]


def passes(chosen: list[torch.Tensor], size: int) -> list[torch.Tensor]:
    """Cut sorted jets into padded passes."""
    pieces = [chosen[start : start + size] for start in range(0, len(chosen), size)]
    return [torch.nn.utils.rnn.pad_sequence(piece, batch_first=True) for piece in pieces]


def weights_of(particles: torch.Tensor) -> torch.Tensor:
    """Return what is explained, for every jet."""
    return torch.tensor(TARGET).expand(len(particles), -1).contiguous()


def onnx_runner(path: Path, threads: int, prepare: Callable[[torch.Tensor], dict[str, np.ndarray]]) -> Runner:
    """Run a graph on what ``prepare`` makes of a pass."""
    opened = session(path, threads=threads)

    def runner(particles: torch.Tensor) -> Callable[[], object]:
        arrays = prepare(particles)
        return lambda: opened.run(None, arrays)

    return runner


def weaver_graph(network: Any, preset: str, folder: Path, particles: torch.Tensor) -> tuple[Path, Any]:
    """Export weaver-core's ParticleNet with the same layers; return the file and what makes its inputs."""
    from weaver.nn.model.ParticleNet import ParticleNet as WeaverParticleNet

    blocks, head = PRESETS[preset]
    theirs = WeaverParticleNet(7, 2, conv_params=list(blocks), fc_params=[(head, 0.1)], use_fusion=False).eval()

    def inputs(momenta: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with torch.no_grad():
            features, points, mask = network.features(momenta)
        return (
            points.transpose(1, 2).contiguous(),
            features.transpose(1, 2).contiguous(),
            mask[:, None].float(),
        )

    names = ["points", "features", "mask"]
    path = folder / f"weaver-{preset}.onnx"
    axes = {name: {0: "jets", 2: "constituents"} for name in names}
    # As weaver's own export does it: by TorchScript.
    torch.onnx.export(
        theirs, inputs(particles), path, input_names=names, dynamic_axes=axes, opset_version=17, dynamo=False
    )
    return path, lambda momenta: {name: v.numpy() for name, v in zip(names, inputs(momenta), strict=True)}


def runners(preset: str, folder: Path, *, threads: int, compiled: bool, sample: torch.Tensor) -> dict[str, Runner]:
    """Return everything that is timed, by name."""
    model = get("particlenet")
    torch.manual_seed(0)
    network = model.build(preset=preset).eval()
    published = Published(model, network).eval()
    plain, explained = folder / f"{preset}.onnx", folder / f"{preset}-explained.onnx"
    export_graph(model, network, model.example(4, 0), plain, opset=20, metadata={})
    export_explained(model, network, explained, HOW, opset=20, metadata={})
    weaver, prepare = weaver_graph(network, preset, folder, sample)
    # Left open: the network carries its rules as long as it is explained.
    explainer = Explained(model, network, HOW).__enter__()
    explainer(sample, weights_of(sample))

    def plain_torch(module: Any) -> Runner:
        def run(particles: torch.Tensor) -> object:
            with torch.inference_mode():
                return module(particles)

        return lambda particles: lambda: run(particles)

    def explained_torch(call: Any) -> Runner:
        return lambda particles: lambda: call(particles, weights_of(particles))

    found = {
        "predict, PyTorch": plain_torch(published),
        PREDICT: onnx_runner(plain, threads, lambda p: {"particles": p.numpy()}),
        WEAVER: onnx_runner(weaver, threads, prepare),
        "explain, PyTorch": explained_torch(explainer),
        EXPLAIN: onnx_runner(explained, threads, lambda p: {"particles": p.numpy(), "target": weights_of(p).numpy()}),
    }
    if compiled:
        found["predict, torch.compile"] = plain_torch(torch.compile(published, dynamic=True))
        found["explain, torch.compile"] = explained_torch(torch.compile(_recorded(explainer), dynamic=True))
    return found


def _recorded(explainer: Explained) -> Any:
    """Record the explanation as plain operators, as the export does: hooks and rules can't be compiled."""
    from torch.fx.experimental.proxy_tensor import make_fx

    # Sizes that nothing else in the network has: equal sizes would be recorded as one axis.
    particles = get("particlenet").example(RECORDED, 0)["particles"]
    trace = make_fx(explainer.recorded, tracing_mode="symbolic", _allow_non_fake_inputs=True)
    return trace(particles, weights_of(particles))


def once(run: Callable[[], object], repeats: int = 1) -> tuple[float, float]:
    """Return time and CPU time of one run, averaged over some."""
    start, used = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats, (time.process_time() - used) / repeats


def whole(runner: Runner, chosen: list[torch.Tensor], size: int) -> Callable[[], None]:
    """Return a run over all passes of a batch."""
    runs = [runner(piece) for piece in passes(chosen, size)]

    def run() -> None:
        for part in runs:
            part()

    return run


def best(runner: Runner, chosen: list[torch.Tensor]) -> tuple[int, Callable[[], None]]:
    """Return the size of the fastest passes, tried on some of the jets, and the run over all of them."""
    some = chosen[:: max(1, len(chosen) // max(PASSES))]
    candidates = {size: whole(runner, some, size) for size in PASSES if size <= len(some)}
    for run in candidates.values():
        run()
    size = min(candidates, key=lambda size: min(once(candidates[size])[1] for _ in range(2)))
    return size, whole(runner, chosen, size)


def measure(found: dict[str, Runner], chosen: list[torch.Tensor], pairs: int) -> dict[str, Any]:
    """Time all runtimes in turn on one batch."""
    picked = {name: best(runner, chosen) for name, runner in found.items()}
    repeats = {name: max(1, round(LONG_ENOUGH / once(run)[0])) for name, (_, run) in picked.items()}
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in picked}
    for _ in range(pairs):
        for name, (_, run) in picked.items():
            turns[name].append(once(run, repeats[name]))
    count = len(chosen)
    rows = {
        name: {
            "jets_in_a_pass": picked[name][0],
            "ms_per_jet": 1e3 * statistics.median(wall for wall, _ in times) / count,
            "jets_per_second": count / statistics.median(wall for wall, _ in times),
            "cpu_ms_per_jet": 1e3 * statistics.median(cpu for _, cpu in times) / count,
        }
        for name, times in turns.items()
    }
    ratios = []
    for first, second, goal in GOALS:
        both = list(zip(turns[first], turns[second], strict=True))
        wall, cpu = (statistics.median(a[kind] / b[kind] for a, b in both) for kind in (0, 1))
        ratios.append({"of": first, "to": second, "time": wall, "cpu_time": cpu, "goal": goal})
    return {"mean_constituents": statistics.mean(map(len, chosen)), "runtimes": rows, "ratios": ratios}


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", choices=sorted(PRESETS), default=["full"])
    parser.add_argument("--batches", nargs="+", type=int, choices=BATCHES, default=list(BATCHES))
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-compile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    result: dict[str, Any] = {"threads": arguments.threads, "load_before": os.getloadavg()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        every = jets(folder)
        for preset in arguments.presets:
            sample = passes(every[:4], 4)[0]
            compiled = not arguments.no_compile
            found = runners(preset, folder, threads=arguments.threads, compiled=compiled, sample=sample)
            result[preset] = {
                f"batch_{size}": measure(found, _chosen(every, size), arguments.pairs) for size in arguments.batches
            }
    print(json.dumps({**result, "load_after": os.getloadavg()}, indent=2))


def _chosen(every: list[torch.Tensor], size: int) -> list[torch.Tensor]:
    """Return jets of a batch, sorted by size; a single one is of median size."""
    if size == 1:
        return [sorted(every, key=len)[len(every) // 2]]
    return sorted(every[:size], key=len)


if __name__ == "__main__":
    main()
