"""Files of the data set: sorted into splits, read for `predict`, and the sample that ships with the template."""

from __future__ import annotations

from pathlib import Path

import torch
from particle_flow import MODEL
from particle_flow.data import sort_into_splits

from fair_hep.data.store import Store
from fair_hep.particleflow.reader import convert, read_file
from support import recipes


def test_elements_are_read_for_predict() -> None:
    file = recipes.sample("mlpf")["val"][0]
    (piece,) = MODEL.read(file, 100)
    assert [len(event) for event in piece["elements"]] == read_file(file).elements.counts().tolist()


def test_the_candidates_can_be_learned(tmp_path: Path) -> None:
    MODEL.convert(recipes.sample("mlpf")["val"][:1], tmp_path / "store")
    batch = MODEL.dataset(Store(tmp_path / "store"), target="cand").__getitems__(range(5))  # type: ignore[attr-defined]
    torch.manual_seed(0)
    network = MODEL.build(preset="compact")
    loss = MODEL.loss(network(batch["elements"]), batch)
    loss.backward()
    assert bool(loss.isfinite())


def test_the_shipped_sample_is_whole_and_small(tmp_path: Path) -> None:
    files = recipes.sample("mlpf")
    assert sum(path.stat().st_size for group in files.values() for path in group) <= 4 * 2**20
    for split, wanted in (("train", 600), ("val", 140), ("test", 290)):
        counts = convert(files[split], tmp_path / split)
        assert counts["events"] == wanted
        assert min(counts["targets"]) > 0
        assert counts["tracks"] + counts["towers"] == counts["elements"]


def test_published_names_are_sorted_as_published() -> None:
    names = [f"tev14_pythia8_ttbar_{group}_{number}.pkl.bz2" for group in range(10) for number in range(50)]
    names += [f"tev14_pythia8_qcd_10_{number}.pkl.bz2" for number in range(50)]
    found = sort_into_splits([*reversed(names), "readme.md"])
    assert {split: len(group) for split, group in found.items()} == {"train": 400, "val": 100, "test": 50}
    assert found["train"][:2] == names[:2]
    assert found["val"][0] == "tev14_pythia8_ttbar_8_0.pkl.bz2"


def test_a_few_files_make_three_splits_and_one_makes_none_up() -> None:
    few = [f"tev14_pythia8_ttbar_3_{number}.pkl.bzip2" for number in range(4)]
    found = sort_into_splits([*few, "tev14_pythia8_qcd_10_0.pkl.bzip2"])
    assert {split: len(group) for split, group in found.items()} == {"train": 3, "val": 1, "test": 1}
    assert sort_into_splits(few[:1]) == {"train": few[:1], "val": [], "test": []}
