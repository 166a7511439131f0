"""The samples in Parquet can be made again from ParticleNet's, and say where they come from."""

from __future__ import annotations

import hashlib
import json

import pytest
from pyarrow import parquet

from support import parquet_sample as sample


@pytest.mark.parametrize("model", sample.MODELS)
def test_the_shipped_sample_is_what_its_maker_makes(model: str) -> None:
    folder = sample.RECIPES / model / "sample"
    assert {path.name for path in folder.iterdir()} == {
        "provenance.json",
        *(f"{split}.parquet" for split in sample.JETS),
    }
    for split, jets in sample.JETS.items():
        shipped = parquet.read_table(folder / f"{split}.parquet")
        assert shipped.equals(sample.table(split))
        assert len(shipped) == jets
        tops = sum(shipped["label_Tbqq"].to_pylist())
        assert 0.4 * jets < tops < 0.6 * jets
        assert tops + sum(shipped["label_QCD"].to_pylist()) == jets
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2 * 2**20


@pytest.mark.parametrize("model", sample.MODELS)
def test_the_sample_says_where_it_comes_from(model: str) -> None:
    folder = sample.RECIPES / model / "sample"
    said = json.loads((folder / "provenance.json").read_text())
    original = json.loads((sample.SOURCE / "provenance.json").read_text())
    for key in ("license", "generator", "level", "pythia", "selection", "seed", "rounding"):
        assert said[key] == original[key]
    assert said["made_from"] == original["sha256"]
    assert said["jets"] == sample.JETS
    for name, checksum in said["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum
