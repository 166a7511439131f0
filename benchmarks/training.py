"""Training throughput of ParticleNet against weaver-core's, on the same jets, batch and machine.

Pairs in turn, medians and the ratio of each pair: ``python benchmarks/training.py [--preset lite] [--pairs 7]``.
weaver-core comes from the test requirements. Jets are the shipped sample's, cut to the hardest 100 constituents and
padded to 100, as in weaver's own example; a step is forward, loss, backward and AdamW.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from top_tagger.network import PRESETS
from weaver.nn.model.ParticleNet import ParticleNet as WeaverParticleNet

from fair_hep.data.store import Store
from support.recipes import model as get
from support.recipes import sample

BATCH, CONSTITUENTS = 64, 100


def sample_batch() -> dict[str, torch.Tensor]:
    """Return the first jets of the sample's training split, padded to 100 constituents."""
    model = get("particlenet")
    with tempfile.TemporaryDirectory() as folder:
        model.convert(sample("particlenet")["train"], Path(folder) / "train", max_constituents=CONSTITUENTS)
        jets: Any = model.dataset(Store(Path(folder) / "train"), max_constituents=CONSTITUENTS)
        batch = jets.__getitems__(range(BATCH))
        particles = batch["particles"]
        padded = torch.zeros(BATCH, CONSTITUENTS, 4)
        padded[:, : particles.shape[1]] = particles
        return {"particles": padded, "axis": batch["axis"].clone(), "label": batch["label"].clone()}


def stepper(network: torch.nn.Module, forward: Callable[[], torch.Tensor], label: torch.Tensor) -> Callable[[], None]:
    """Return a function that does one training step."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(forward(), label).backward()
        optimizer.step()

    return step


def main() -> None:
    """Time both networks in turn and print jets per second and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="lite")
    parser.add_argument("--pairs", type=int, default=7)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    batch = sample_batch()
    blocks, head = PRESETS[arguments.preset]
    ours: Any = get("particlenet").build(preset=arguments.preset).train()
    theirs = WeaverParticleNet(7, 2, conv_params=list(blocks), fc_params=[(head, 0.1)], use_fusion=False).train()
    features, points, mask = ours.features(batch["particles"], batch["axis"])
    weaver_inputs = (points.transpose(1, 2), features.transpose(1, 2), mask[:, None].float())
    steps = {
        "ours": stepper(ours, lambda: ours(batch["particles"], batch["axis"]), batch["label"]),
        "weaver": stepper(theirs, lambda: theirs(*weaver_inputs), batch["label"]),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(arguments.pairs + 1):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if number:  # the first pair warms up
                times[name].append(time.perf_counter() - started)
    for name, seconds in times.items():
        print(f"{name}: {BATCH / statistics.median(seconds):.0f} jets/s")
    ratios = [theirs / ours for ours, theirs in zip(times["ours"], times["weaver"], strict=True)]
    threads = torch.get_num_threads()
    print(f"{arguments.preset}, batch {BATCH}, {CONSTITUENTS} constituents, {threads} threads, {arguments.pairs} pairs")
    print(f"ours / weaver: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
