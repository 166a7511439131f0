"""Events a second of a model inside an analysis, side by side with a plain loop, and memory by the size of a partition.

``python benchmarks/analysis.py [--events 2000] [--chunk 250 1000] [--verb predict]`` writes a NanoAOD-like file and
asks a small ParticleNet for its jets in every way, each in a process of its own in the environment of the tests for
coffea: a loop over chunks of uproot with `load`, the same with an `ArrayModel`, coffea's virtual arrays, and two
processes of Dask by coffea's executor and by a task graph (whose start isn't counted). Seconds are of a second pass, by
the clock and of all processors together. Peak memory is what a process takes over what it took before; of Dask its
larger one's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import environments
from support.nano import known_bundle, make_jets, write_nano
from support.template import ROOT

COFFEA = ("coffea[dask-awkward]==2026.9.0",)


def _chunks(file: str, size: int) -> Iterator[Any]:
    import uproot

    yield from uproot.iterate(f"{file}:Events", step_size=size)


def plain(bundle: str, file: str, size: int, verb: str) -> int:
    """Loop over chunks with what `load` gives; return how many jets there were."""
    from fair_hep import load

    model = load(bundle, threads=1)
    return sum(_length(getattr(model, verb)(chunk, columns="nanoaod")) for chunk in _chunks(file, size))


def _length(found: Any) -> int:
    return len(found) if isinstance(found, list) else len(found["logits"])


def arrays(bundle: str, file: str, size: int, verb: str) -> int:
    """Loop over the same chunks with an `ArrayModel`."""
    import awkward

    from fair_hep.analysis import ArrayModel

    model = ArrayModel(bundle)
    found = (getattr(model, verb)(chunk, columns="nanoaod") for chunk in _chunks(file, size))
    return sum(int(awkward.sum(awkward.num(one))) for one in found)


def virtual(bundle: str, file: str, size: int, verb: str) -> int:
    """Loop over coffea's virtual arrays."""
    import awkward
    import uproot
    from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

    from fair_hep.analysis import ArrayModel

    model, jets = ArrayModel(bundle), 0
    with uproot.open(file) as opened:
        entries = opened["Events"].num_entries
    for start in range(0, entries, size):
        events = NanoEventsFactory.from_root(
            {file: "Events"}, schemaclass=NanoAODSchema, entry_start=start, entry_stop=min(start + size, entries)
        ).events()
        jets += int(awkward.sum(awkward.num(getattr(model, verb)(events, columns="nanoaod"))))
    return jets


@contextmanager
def cluster() -> Iterator[Any]:
    """Run two processes of Dask."""
    from dask.distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as two, Client(two) as client:
        client.run(_quiet)
        yield client


def executor(client: Any, bundle: str, file: str, size: int, verb: str) -> int:
    """Let coffea's runner share chunks out."""
    import awkward
    from coffea.nanoevents import NanoAODSchema
    from coffea.processor import DaskExecutor, ProcessorABC, Runner

    from fair_hep.analysis import ArrayModel

    class Asked(ProcessorABC):
        model = ArrayModel(bundle)

        def process(self, events: Any) -> dict[str, int]:
            return {"jets": int(awkward.sum(awkward.num(getattr(self.model, verb)(events, columns="nanoaod"))))}

        def postprocess(self, accumulator: Any) -> Any:
            return accumulator

    run = Runner(DaskExecutor(client=client, status=False), schema=NanoAODSchema, chunksize=size)
    return int(run({"jets": {"files": {file: "Events"}}}, Asked())["jets"])


def graph(client: Any, bundle: str, file: str, size: int, verb: str) -> int:
    """Compute a task graph."""
    import awkward
    import uproot
    from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

    from fair_hep.analysis import ArrayModel

    with uproot.open(file) as opened:
        entries = opened["Events"].num_entries
    steps = [[start, min(start + size, entries)] for start in range(0, entries, size)]
    files = {file: {"object_path": "Events", "steps": steps}}
    events = NanoEventsFactory.from_root(files, schemaclass=NanoAODSchema, mode="dask").events()
    found = awkward.num(getattr(ArrayModel(bundle), verb)(events, columns="nanoaod"))
    return int(awkward.sum(found.compute()))


def _quiet() -> None:
    import coffea.nanoevents

    import fair_hep.bundle.runtime  # noqa: F401 - that nobody waits for it later

    warnings.simplefilter("ignore")
    coffea.nanoevents.NanoAODSchema.warn_missing_crossrefs = False


WAYS: dict[str, Callable[..., int]] = {"a plain loop": plain, "arrays": arrays, "virtual arrays": virtual}
ON_DASK: dict[str, Callable[..., int]] = {"coffea's executor, 2 processes": executor, "task graph, 2 processes": graph}


def measure(way: str, bundle: str, file: str, size: int, verb: str) -> dict[str, Any]:
    """Ask in one way, twice: the first time opens what there is to open."""
    _quiet()
    if way in WAYS:
        return _timed(lambda: WAYS[way](bundle, file, size, verb), lambda: [_used()])
    with cluster() as client:
        return _timed(
            lambda: ON_DASK[way](client, bundle, file, size, verb), lambda: [*client.run(_used).values(), _used()]
        )


def _used() -> tuple[float, int]:
    """Return what this process took: seconds of the processor, and bytes at its peak."""
    return time.process_time(), 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _timed(run: Callable[[], int], used: Callable[[], list[tuple[float, int]]]) -> dict[str, Any]:
    before = used()
    run()
    middle, start = used(), time.perf_counter()
    jets, seconds = run(), time.perf_counter() - start
    after = used()
    return {
        "jets": jets,
        "seconds": round(seconds, 3),
        "processor_seconds": round(sum(late[0] - early[0] for late, early in zip(after, middle, strict=True)), 3),
        "peak_megabytes": round(max(late[1] - early[1] for late, early in zip(after, before, strict=True)) / 1e6, 1),
    }


def main() -> None:
    """Write a file, ask in every way, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--chunk", type=int, nargs="+", default=[250, 1000], help="events of a partition")
    parser.add_argument("--verb", choices=("predict", "explain"), default="predict")
    parser.add_argument("--one", nargs=4, metavar=("WAY", "BUNDLE", "FILE", "CHUNK"), help="only this way, here")
    given = parser.parse_args()
    if given.one:
        way, bundle, file, size = given.one
        print(json.dumps(measure(way, bundle, file, int(size), given.verb)))
        return
    python = environments.environment("coffea", COFFEA, beside=True)
    with tempfile.TemporaryDirectory() as made:
        events = make_jets(given.events, 1)
        bundle = known_bundle(Path(made), [jet for jets in events for jet in jets])
        write_nano(Path(made) / "nano.root", events)
        for size in given.chunk:
            for way in (*WAYS, *ON_DASK):
                command = [python, __file__, "--verb", given.verb, "--one", way, bundle, f"{made}/nano.root", str(size)]
                done = subprocess.run(
                    command, capture_output=True, text=True, check=False,
                    env={**os.environ, "HOME": made, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"},
                )  # fmt: skip
                if done.returncode:
                    sys.exit(done.stderr)
                found = json.loads(done.stdout)
                rates = {
                    f"events_per_{name[:-1]}": round(given.events / found[name], 1) for name in found if "sec" in name
                }
                print(json.dumps({"way": way, "chunk": size, **found, **rates}), flush=True)


if __name__ == "__main__":
    main()
