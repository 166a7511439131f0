"""What a workflow costs beside its work, and from that the size of parts and the time on a cluster.

``python benchmarks/workflow.py`` prints JSON. *Snakemake*: the project's own Snakefile with ``--parts`` (1,000) parts
of a command that does nothing: a dry run, a real run here, and what one job of a cluster does, which starts Snakemake
and plans the workflow again. *Verbs*: processor time of one part of ``evaluate`` and ``explain`` at two sizes, in one
thread, on the sample that ships with each model; the line through both gives the cost of a job and that of an example.
*Cluster*: from these the smallest part in which all that isn't work stays below ``SHARE``, and the time and core hours
for as many examples as the published data have, on 10, 100 and 1,000 cores.

Wall time means something on an idle machine only; seconds of a processor are what the tables use.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from cookiecutter.main import cookiecutter

from support.environments import environment
from support.template import ROOT, SLUGS
from support.workflows import SNAKEMAKE, stand_in

#: Most of a job's time that may go to anything but examples.
SHARE = 0.05
CORES = (10, 100, 1000)


class Case(NamedTuple):
    """A model, how it is configured, how many examples its published data have, and how few and many are tried here."""

    model: str
    settings: tuple[str, ...]
    examples: int
    evaluate: tuple[int, int]
    explain: tuple[int, int]


#: Relevances of every example (all elements of an event), without what a study makes of some of them.
JETS = "explain.options={controls: 0, trust: 0, processes: 1}"
EVENTS = "explain.options={elements: 100000, trust: 0, removal: 0, interactive: false}"
CASES = {
    "ParticleNet, full": Case(
        "particlenet", ("model.preset=full", "train.batch_size=8", JETS), 1_200_000, (80, 560), (8, 100)
    ),
    "ParticleNet-Lite": Case("particlenet", ("model.preset=lite", JETS), 1_200_000, (200, 3000), (20, 400)),
    "MLPF, compact": Case("mlpf", ("model.preset=compact", "train.batch_size=2", EVENTS), 50_000, (10, 280), (1, 9)),
}


class Spent(NamedTuple):
    """Seconds by the clock and of processors, and the largest memory of one process in MB."""

    wall: float
    cpu: float
    memory: float


def spent(folder: Path, *command: str | Path, **variables: str) -> Spent:
    """Run a command in a project; return what it cost. What it said is shown if it failed."""
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **variables}, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(map(str, command))}\n{said.read()[-3000:]}")
    return Spent(round(wall, 2), round(usage.ru_utime + usage.ru_stime, 2), round(usage.ru_maxrss / 1024))


def generate(model: str, place: Path) -> Path:
    """Generate a project."""
    answers = {"model": model, "project_slug": SLUGS[model]}
    return Path(
        cookiecutter(str(ROOT), no_input=True, default_config=True, extra_context=answers, output_dir=str(place))
    )


def overhead(place: Path, parts: int) -> dict[str, Any]:
    """Return what Snakemake takes for the chain, and for many empty parts of one verb."""
    folder = generate("custom", place)
    stand_in(folder, SLUGS["custom"])
    program = environment("snakemake", SNAKEMAKE).parent / "snakemake"

    def start(*options: str) -> Spent:
        return spent(folder, program, "--cores", "2", "--quiet", *options, XDG_CACHE_HOME=str(place / "cache"))

    divided = ("--config", f"parts={parts}", "divided=[explain]")
    job = "runs/quick/workflow/explain-of-" + f"{parts}-1.json"
    found = {
        "dry run of the chain": start("--dry-run"),
        "the chain": start(),
        f"dry run with {parts} parts": start("--dry-run", *divided),
        f"{parts} parts": start(*divided),
    }
    (folder / job).unlink()
    # As an executor starts a job on a node.
    remote = ("--target-jobs", "explain_part:part=1", "--allowed-rules", "explain_part", "--nolock", "--mode", "remote")
    found["one job of a cluster"] = start(*divided, *remote, "--force", "--ignore-incomplete")
    per_job = (found[f"{parts} parts"].cpu - found["the chain"].cpu) / parts
    return {
        **{name: one._asdict() for name, one in found.items()},
        "a part here, CPU seconds": round(per_job, 4),
        "files made": sum(1 for path in folder.rglob("*") if path.is_file()),
    }


def cost(case: Case, place: Path) -> dict[str, Any]:
    """Return what one part of a verb costs: a job's start, and each example."""
    folder = generate(case.model, place)
    python = f"{ROOT / 'src'}:{folder / 'src'}"
    variables = {"PYTHONPATH": python, "OMP_NUM_THREADS": "1", "FAIR_HEP_PROJECT": str(folder)}

    def verb(*words: str) -> Spent:
        return spent(folder, sys.executable, "-P", "-m", "fair_hep.cli", *words, *case.settings, **variables)

    found: dict[str, Any] = {"data, CPU seconds": verb("data").cpu}
    verb("train", "train.epochs=1", "train.limit=8")
    for name, key in (("evaluate", "evaluate.limit"), ("explain", "explain.size")):
        few, many = getattr(case, name)
        small, large = (verb(name, "--part", "1/1", f"{key}={count}") for count in (few, many))
        each = (large.cpu - small.cpu) / (many - few)
        found[name] = {
            "an example, CPU seconds": round(each, 4),
            "a job, CPU seconds": round(max(0.0, small.cpu - each * few), 2),
            "memory, MB": large.memory,
        }
    return found


def on_a_cluster(case: Case, costs: dict[str, Any], snakemake: float) -> dict[str, Any]:
    """Return the smallest part that is worth a job, and time and core hours on several numbers of cores."""
    found = {}
    for verb in ("evaluate", "explain"):
        each, start = costs[verb]["an example, CPU seconds"], costs[verb]["a job, CPU seconds"] + snakemake
        size = math.ceil(start * (1 - SHARE) / (SHARE * each))
        hours = {}
        for cores in CORES:
            parts = max(1, min(math.ceil(case.examples / size), cores))
            seconds = start + each * math.ceil(case.examples / parts)
            hours[f"{cores} cores"] = {
                "parts": parts,
                "hours": round(seconds / 3600, 2),
                "core hours": round(parts * seconds / 3600, 1),
            }
        found[verb] = {"examples in a part, at least": size, **hours}
    return found


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=1000, help="empty parts")
    parser.add_argument("--models", nargs="*", default=list(CASES), help=f"of {', '.join(CASES)}")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        found: dict[str, Any] = {"snakemake": overhead(Path(place) / "empty", chosen.parts)}
        remote = found["snakemake"]["one job of a cluster"]["cpu"]
        for number, name in enumerate(chosen.models):
            costs = cost(CASES[name], Path(place) / str(number))
            found[name] = {"measured": costs, "a cluster": on_a_cluster(CASES[name], costs, remote)}
    print(json.dumps({"load before and after": [load, os.getloadavg()[0]], **found}, indent=2))


if __name__ == "__main__":
    main()
