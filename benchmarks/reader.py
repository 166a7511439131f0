"""Throughput and memory of converting a file as large as the reference set's into a store.

``python benchmarks/reader.py [--jets 1200000]`` writes a synthetic file in the reference layout (the sample's jets
again and again, each scaled by less than 0.01 %, so that numbers have all their digits; about 2 GB), converts it in a
process of its own, prints jets per second and the peak resident memory as JSON, and removes everything.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fair_hep.bundle.cores import cores
from fair_hep.data.store import Store
from fair_hep.data.toptag import CONSTITUENTS, Block, write_table
from fair_hep.jets.dataset import JetDataset
from fair_hep.jets.reader import convert, open_table
from support.recipes import sample

GOAL_JETS, GOAL_MEMORY = 20_000, 2 * 2**30


def blocks(jets: int) -> Iterator[Block]:
    """Yield the sample's training jets, slightly changed, until there are enough."""
    with open_table(next(iter(sample("particlenet")["train"]))) as table:
        (chunk,) = table.chunks(table.jets)
    indices = np.arange(len(chunk.label))
    padded = np.zeros((len(indices), CONSTITUENTS, 4), np.float32)
    hardest = chunk.particles.padded(indices, CONSTITUENTS)
    padded[:, : hardest.shape[1]] = hardest
    random = np.random.default_rng(0)
    while jets > 0:
        count = min(jets, len(indices))
        scale = 1 + 1e-4 * random.random((count, 1, 1), np.float32)
        yield Block(padded[:count] * scale, np.zeros((count, 4), np.float32), chunk.label[:count], 0)
        jets -= count


def measure(path: Path, folder: Path) -> dict[str, float]:
    """Convert a file; return what it took, peak memory in bytes included."""
    start = time.perf_counter()
    counts = convert([path], folder)
    seconds = time.perf_counter() - start
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    # As if all processes had their peak at the same time: never too small.
    peak = 1024 * (own + min(cores(), 4) * child)
    return {
        "jets": counts["jets"],
        "seconds": seconds,
        "jets_per_second": counts["jets"] / seconds,
        "peak_bytes": peak,
    }


def batches(folder: Path, size: int = 384, count: int = 200) -> float:
    """Return the jets per second that the data set gathers into shuffled batches."""
    dataset = JetDataset(Store(folder))
    indices = np.random.default_rng(0).integers(0, len(dataset), (count, size))
    start = time.perf_counter()
    for chosen in indices:
        dataset.__getitems__(chosen.tolist())
    return count * size / (time.perf_counter() - start)


def main() -> None:
    """Write, convert, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jets", type=int, default=1_200_000)
    parser.add_argument("--folder", type=Path, help="where to put the files; by default the system's temporary folder")
    parser.add_argument("--convert", nargs=2, type=Path, metavar=("FILE", "STORE"), help="only convert")
    arguments = parser.parse_args()
    if arguments.convert:
        print(json.dumps(measure(*arguments.convert)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        path, store = Path(name) / "train.h5", Path(name) / "store"
        write_table(path, blocks(arguments.jets), level=1)
        # A process of its own: the peak memory of writing the file doesn't count.
        command = [sys.executable, __file__, "--convert", str(path), str(store)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        result = {**json.loads(done.stdout), "file_bytes": path.stat().st_size, "batch_jets_per_second": batches(store)}
    result["goals_met"] = result["jets_per_second"] >= GOAL_JETS and result["peak_bytes"] <= GOAL_MEMORY
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
