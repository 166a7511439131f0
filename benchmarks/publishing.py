"""How long publishing takes: preparing a bundle, and an upload to a stand-in for Zenodo on this machine, over HTTPS.

    python benchmarks/publishing.py --project build/top_tagger --size 100

The project must have a bundle. The stand-in is the one of the tests, so its proxy and TLS are part of what is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Measure and print a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True, help="A generated project with a bundle.")
    parser.add_argument("--size", type=int, default=100, help="Megabytes to upload.")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    prepare(arguments.project, arguments.rounds)
    upload(arguments.size, arguments.rounds)


def prepare(root: Path, rounds: int) -> None:
    """Prepare a copy of the project's bundle, as ``publish prepare`` does, with everything that it checks."""
    from fair_hep.project import publish
    from fair_hep.provenance.project import load_project

    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "project"
        copied.mkdir()
        for name in ("bundle", "project.yaml", "CITATION.cff", "codemeta.json", "LICENSE"):
            source = root / name
            shutil.copytree(source, copied / name) if source.is_dir() else shutil.copy(source, copied / name)
        project = load_project(copied)
        files = [path for path in project.bundle.rglob("*") if path.is_file()]
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            found = publish.run(project)
            times.append(time.perf_counter() - start)
    size = sum(path.stat().st_size for path in (root / "bundle").rglob("*") if path.is_file())
    line = {"bundle": size, "files": len(files), "archive": found["bytes"], "prepare_s": round(min(times), 2)}
    print(json.dumps(line))


def upload(megabytes: int, rounds: int) -> None:
    """Upload a file of random bytes and check it, into a new draft each time; then again, when all is there."""
    from fair_hep.publish.deposit import Deposit
    from fair_hep.publish.service import Service
    from fair_hep.publish.zenodo_steps import SANDBOX
    from support.deposits import TOKEN, add_deposits
    from support.zenodo import Zenodo

    times, again = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.zip"
        path.write_bytes(os.urandom(megabytes * 10**6))
        with Zenodo(Path(folder)) as zenodo:
            os.environ.update(zenodo.environment)
            drafts = add_deposits(zenodo)
            deposit = Deposit(Service(SANDBOX, TOKEN))
            for number in range(rounds):
                metadata = {"title": f"Upload {number}", "resource_type": {"id": "model"}}
                draft = deposit.service.sent("POST", "/api/records", json={"metadata": metadata})
                start = time.perf_counter()
                sent = deposit.fill(draft, [path])
                times.append(time.perf_counter() - start)
                start = time.perf_counter()
                kept = deposit.fill(draft, [path])
                again.append(time.perf_counter() - start)
                if (sent, kept) != ([path.name], []):
                    raise RuntimeError(f"sent {sent}, then {kept}: expected one file, then none")
                drafts.clear()
    print(json.dumps({"megabytes": megabytes, "upload_s": round(min(times), 2), "again_s": round(min(again), 2)}))


if __name__ == "__main__":
    main()
