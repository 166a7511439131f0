"""What it costs to say which examples lie outside: `predict` with and without the look at its inputs.

``python benchmarks/validity.py BUNDLE [--pairs 40]`` prints JSON: for one example, sixteen and all stored ones, the
median milliseconds of `predict` without the look, and the median of the differences in runs in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fair_hep.bundle import read_arrays, runtime
from fair_hep.bundle.inputs import cut
from fair_hep.bundle.validity import Judge


class _Blind(Judge):
    """Looks at nothing."""

    def add(self, piece: object, numbers: Sequence[int]) -> None:
        """Take no notice."""


def _milliseconds(model: runtime.LoadedModel, examples: list[np.ndarray], kind: type[Judge]) -> float:
    runtime.Judge = kind  # type: ignore[misc]
    start = time.perf_counter()
    model.predict(examples)
    return 1e3 * (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--pairs", type=int, default=40)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    model = runtime.load(chosen.bundle, threads=1)
    spec = model.signature.inputs[0]
    stored = [cut(spec, one) for one in read_arrays(chosen.bundle / "examples" / "inputs.npz")[spec.name]]
    found = {}
    for count in sorted({1, min(16, len(stored)), len(stored)}):
        pairs = [
            [_milliseconds(model, stored[:count], kind) for kind in (_Blind, Judge)] for _ in range(chosen.pairs + 3)
        ][3:]
        differences = [seeing - blind for blind, seeing in pairs]
        found[count] = {
            "predict_ms": round(statistics.median(blind for blind, _ in pairs), 3),
            "look_ms": round(statistics.median(differences), 3),
            "quartiles_ms": [round(float(v), 3) for v in np.quantile(differences, [0.25, 0.75])],
        }
    print(json.dumps({"domain": len(model.signature.domain), "examples": found}, indent=2))


if __name__ == "__main__":
    main()
