"""Ten minutes of good and hostile clients: ``python benchmarks/soak.py BUNDLE [--seconds 600] [--connections 100]``.

Starts the server of a bundle as a process of its own, on loopback, and prints as JSON which statuses good clients got,
whether an answer was wrong, how long `/ping` took, and the server's memory after a third of the time and at the end.
Exit code 1 if an answer was wrong. ``tests/support/soak.py`` says what the clients do.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from fair_hep.bundle.runtime import load
from support.serving import serving
from support.soak import soak


def main() -> None:
    """Soak, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--connections", type=int, default=100)
    given = parser.parse_args()
    variables = {"SERVE_CONNECTIONS": str(given.connections), "SERVE_LOG_LINES": "1", "SERVE_HEADER_SECONDS": "5"}
    with serving(given.bundle.resolve(), **variables) as (url, process):
        found = soak(url, process.pid, load(given.bundle, threads=1), given.seconds)
    print(json.dumps({**found.summary(), "load_average": os.getloadavg()[0]}, indent=2))
    sys.exit(1 if found.wrong else 0)


if __name__ == "__main__":
    main()
