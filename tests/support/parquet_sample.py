"""Samples in Parquet that ship with models, made of ParticleNet's: ``python tests/support/parquet_sample.py``.

The same simulated jets, under the names of JetClass (doi:10.5281/zenodo.6619768), with less of them: a sample is small.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow
from pyarrow import parquet

__all__ = ["JETS", "MODELS", "RECIPES", "SOURCE", "make", "table"]

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "{{cookiecutter.project_slug}}" / "recipes"
SOURCE = RECIPES / "particlenet" / "sample"
#: Models that ship such a sample.
MODELS = ("custom", "graph")
#: Jets to take of each split, the first ones: both classes come mixed.
JETS = {"train": 2600, "val": 600, "test": 1700}
COMPONENTS = {"part_px": "PX", "part_py": "PY", "part_pz": "PZ", "part_energy": "E"}
COMMAND = "python tests/support/parquet_sample.py in the template's repository: the first jets of ParticleNet's sample"
TITLE = "Simulated top and QCD jets: a small sample in Parquet"


def table(split: str) -> pyarrow.Table:
    """Return the jets of a split: a list for each component, hardest constituent first, and two columns of 0 and 1."""
    frame = pandas.read_hdf(SOURCE / f"{split}.h5", "table", start=0, stop=JETS[split])
    values = {
        name: frame[[f"{component}_{number}" for number in range(200)]].to_numpy(np.float32)
        for name, component in COMPONENTS.items()
    }
    real = values["part_energy"] > 0
    offsets = pyarrow.array(np.concatenate([[0], real.sum(1).cumsum()]).astype(np.int32))
    top = frame["is_signal_new"].to_numpy(np.int8)
    return pyarrow.table(
        {
            **{name: pyarrow.ListArray.from_arrays(offsets, component[real]) for name, component in values.items()},
            "label_QCD": 1 - top,
            "label_Tbqq": top,
        }
    )


def make(folder: Path) -> None:
    """Write the sample of all splits, and where it comes from."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in JETS:
        parquet.write_table(
            table(split), folder / f"{split}.parquet", compression="zstd", compression_level=19, use_dictionary=False,
            use_byte_stream_split=[f"{name}.list.element" for name in COMPONENTS], write_statistics=False,
        )  # fmt: skip
    known: dict[str, Any] = json.loads((SOURCE / "provenance.json").read_text(encoding="utf-8"))
    made = {
        **{key: value for key, value in known.items() if key not in {"command", "jets", "sha256", "title"}},
        "command": COMMAND,
        "jets": JETS,
        "made_from": known["sha256"],
        "title": TITLE,
        "sha256": {
            f"{split}.parquet": hashlib.sha256((folder / f"{split}.parquet").read_bytes()).hexdigest() for split in JETS
        },
    }
    text = json.dumps(made, indent=2, sort_keys=True) + "\n"
    (folder / "provenance.json").write_text(text, encoding="utf-8")


def main() -> int:
    """Make the samples of all models anew."""
    for model in MODELS:
        make(RECIPES / model / "sample")
    return 0


if __name__ == "__main__":
    sys.exit(main())
