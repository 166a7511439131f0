"""Time of explanations against plain passes and other explainers, and of ten thousand jets written to disk.

``python benchmarks/explain.py`` prints JSON: a good batch size, the time of a jet as a multiple of forward plus
backward to the inputs of the same network (medians of pairs run in turn), captum's gradient x input and PyG's
GNNExplainer on the same jets. ``--jets 10000`` explains that many jets to a file instead, with all edges of all blocks,
and prints time, peak memory and the largest ledger error. Jets are the shipped sample's, with random weights unless
``--weights`` names trained ones.
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fair_hep.bundle.cores import cores
from fair_hep.data.store import Store
from fair_hep.lrp import Explainer
from fair_hep.lrp.edges import edge_sums
from fair_hep.provenance.configuration import ExplainRules
from fair_hep.study.relevances import read_relevances
from fair_hep.study.sets import with_graph, write_sets
from fair_hep.study.work import Work
from support.recipes import model as get
from support.recipes import sample

TARGET = [-1.0, 1.0]
CONSTITUENTS = 50
SIZES = (2, 4, 8, 16, 32)
GOALS = {"epsilon": 1.2, "epsilon-gamma": 2.0}
Run = Callable[[], object]


def build(preset: str, weights: Path | None) -> Any:
    """Return the network in evaluation mode."""
    torch.manual_seed(0)
    network = get("particlenet").build(preset=preset)
    if weights is not None:
        from safetensors.torch import load_file

        network.load_state_dict(load_file(weights))
    return network.eval()


def dataset(folder: Path, constituents: int) -> Any:
    """Return the sample's test jets, cut to the hardest constituents."""
    model = get("particlenet")
    model.convert(sample("particlenet")["test"], folder / "test")
    return model.dataset(Store(folder / "test"), max_constituents=constituents)


def full_jets(data: Any, size: int) -> dict[str, torch.Tensor]:
    """Return jets with as many constituents as allowed: no padding."""
    batch = data.__getitems__(range(min(len(data), 20 * size)))
    full = (batch["particles"][..., 0] > 0).all(1)
    return {name: values[full][:size] for name, values in batch.items()}


def folded(network: Any, inputs: Any) -> dict[Any, Callable[..., torch.Tensor]]:
    """Return forward passes that make the network the one that is explained: batch norms folded, no rules."""
    with Explainer(network.body) as explainer:
        explainer(*inputs, target=TARGET)
        plan = explainer.plan
    assert plan is not None
    return {**plan.layers, **dict.fromkeys(plan.folded, lambda values, *_: values)}


def plain_pass(network: Any, inputs: Any, forwards: dict[Any, Any], *, weights: bool) -> Run:
    """Return forward plus backward to the inputs, to the weights too if asked for."""
    parameters = list(network.body.parameters()) if weights else []

    def run() -> torch.Tensor:
        for parameter in network.body.parameters():
            parameter.requires_grad_(weights)
        for module, forward in ({} if weights else forwards).items():
            module.__dict__["forward"] = forward
        try:
            values = inputs[0].clone().requires_grad_(True)
            explained = (network.body(values, *inputs[1:]) @ torch.tensor(TARGET)).sum()
            return torch.autograd.grad(explained, [values, *parameters])[0] * inputs[0]
        finally:
            for module in {} if weights else forwards:
                del module.__dict__["forward"]

    return run


def medians(runs: dict[str, Run], pairs: int) -> dict[str, float]:
    """Run everything in turn; return the median of seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(pairs + 2):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if turn >= 2:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def compare(network: Any, data: Any, pairs: int) -> dict[str, Any]:
    """Find a good batch, then time explanations against plain passes on it."""
    places = {f"blocks.{number}.messages": edge_sums for number in range(len(network.body.blocks))}
    explainers = {name: Explainer(network.body, name, places=places) for name in GOALS}
    rates = {}
    for size in SIZES:
        batch = full_jets(data, size)
        inputs = network.features(batch["particles"], batch["axis"])
        with explainers["epsilon"] as explainer:
            rates[size] = size / medians({"": functools.partial(explainer, *inputs, target=TARGET)}, 5)[""]
    best = max(rates, key=lambda size: rates[size])
    batch = full_jets(data, best)
    inputs = network.features(batch["particles"], batch["axis"])
    forwards = folded(network, inputs)

    def explained(name: str) -> Run:
        def run() -> object:
            with explainers[name] as explainer:
                return explainer(*inputs, target=TARGET)

        return run

    runs = {
        "plain": plain_pass(network, inputs, forwards, weights=False),
        "with weight gradients": plain_pass(network, inputs, forwards, weights=True),
        **{name: explained(name) for name in GOALS},
    }
    seconds = medians(runs, pairs)
    return {
        "jets_per_second_by_batch": rates,
        "batch": best,
        "milliseconds_per_jet": {name: 1e3 * value / best for name, value in seconds.items()},
        "multiple_of_plain": {name: value / seconds["plain"] for name, value in seconds.items()},
        "multiple_with_weight_gradients": {name: seconds[name] / seconds["with weight gradients"] for name in GOALS},
        "goals": GOALS,
        "peers_milliseconds_per_jet": peers(network, inputs, best),
    }


def peers(network: Any, inputs: Any, size: int) -> dict[str, float]:
    """Return the time of captum's gradient x input and of PyG's GNNExplainer for a jet."""
    from captum.attr import InputXGradient
    from torch_geometric.explain import Explainer as GraphExplainer
    from torch_geometric.explain import GNNExplainer

    features, points, mask = inputs
    attribute = InputXGradient(lambda values: network.body(values, points, mask) @ torch.tensor(TARGET)).attribute
    captum = medians({"": lambda: attribute(features.clone().requires_grad_(True))}, 5)[""]

    class OneJet(torch.nn.Module):
        def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
            return network.body(x[None], points[:1], mask[:1])

    settings = {"mode": "multiclass_classification", "task_level": "graph", "return_type": "raw"}
    graphs = GraphExplainer(
        OneJet().eval(), GNNExplainer(epochs=100), "model", model_config=settings, node_mask_type="attributes"
    )
    start = time.perf_counter()
    graphs(features[0], torch.zeros(2, 0, dtype=torch.long))
    graph = time.perf_counter() - start
    return {"captum InputXGradient": 1e3 * captum / size, "PyG GNNExplainer, 100 epochs": 1e3 * graph}


def to_disk(
    network: Any, data: Any, jets: int, settings: ExplainRules, folder: Path, *, processes: int
) -> dict[str, Any]:
    """Explain many jets, the sample's again and again, and write them to a file."""
    model = get("particlenet")
    asked = model.explanation()  # type: ignore[attr-defined]
    indices = [number % len(data) for number in range(jets)]
    work = Work(model, network, data, indices, TARGET, settings, asked.layout, asked.columns)
    graphs = folder / "graph"
    start = time.perf_counter()
    with_graph(work, graphs)
    prepared = time.perf_counter() - start
    start = time.perf_counter()
    path = write_sets(folder, with_graph(work, graphs), {}, processes=processes)
    seconds = time.perf_counter() - start
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    parts = [(part["ledger/error"], part["example/elements"]) for part in read_relevances(path)]
    return {
        "jets": jets,
        "constituents_per_jet": float(sum(counts.sum() for _, counts in parts) / jets),
        "seconds": seconds,
        "runtime": settings.runtime,
        "seconds_to_make_the_graph": prepared,
        "jets_per_second": jets / seconds,
        "processes": processes,
        "peak_bytes": 1024 * (own + (processes * child if processes > 1 else 0)),
        "file_bytes": path.stat().st_size,
        "precision": settings.precision,
        "composite": settings.composite,
        "largest_ledger_error": float(max(errors.max() for errors, _ in parts)),
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=("full", "lite"), default="full")
    parser.add_argument("--weights", type=Path, help="safetensors file of trained weights")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--jets", type=int, default=0, help="explain this many jets to a file, and nothing else")
    parser.add_argument("--composite", default="epsilon")
    parser.add_argument(
        "--runtime", choices=("torch", "onnx"), default="torch", help="what computes relevances to a file"
    )
    parser.add_argument("--precision", choices=("float32", "float64"), default="float32")
    parser.add_argument("--processes", type=int, default=0, help="processes that explain to a file; 0: one per core")
    parser.add_argument("--batch-size", type=int, default=0)
    arguments = parser.parse_args()
    network = build(arguments.preset, arguments.weights)
    settings = ExplainRules(
        composite=arguments.composite,
        runtime=arguments.runtime,
        target=list(TARGET),
        precision=arguments.precision,
        batch_size=arguments.batch_size,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.jets:
            # Cut at 58 the sample's jets have about 50 constituents on average.
            found = to_disk(
                network, dataset(folder, 58), arguments.jets, settings, folder, processes=arguments.processes or cores()
            )
        else:
            found = compare(network, dataset(folder, CONSTITUENTS), arguments.pairs)
    print(json.dumps({"preset": arguments.preset, "threads": torch.get_num_threads(), **found}, indent=2))


if __name__ == "__main__":
    main()
