"""Edges of the graph attention tagger: in the study, in the published graph, and for whoever asks a server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from graph_tagger import MODEL
from PIL import Image

from fair_hep import bundle
from fair_hep.bundle.answer import answer
from fair_hep.bundle.runtime import LoadedModel, load
from fair_hep.data.store import Store
from fair_hep.project.data import store_folder
from fair_hep.project.train import load_network
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.study.relevances import FILE, read_relevances

Bundled = tuple[Project, Config]
NEIGHBOURS, LAYERS = 4, 2


@pytest.fixture(scope="module")
def model(bundled: Bundled) -> LoadedModel:
    return load(bundled[0].bundle, threads=1)


def test_the_published_graph_gives_every_edge(bundled: Bundled, model: LoadedModel) -> None:
    values = bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")["particles"]
    for example, found in zip(values, model.explain(list(values)), strict=True):
        real = int((example != 0).any(-1).sum())
        for layer in range(LAYERS):
            index = found[f"edge{layer}_index"][:real]
            assert index.shape == (real, NEIGHBOURS + 1)
            # The last slot is the loop; the others lead to others, which exist, once each.
            assert index[:, -1].tolist() == list(range(real))
            others = index[:, :-1]
            assert not (others == np.arange(real)[:, None]).any()
            assert others.max(initial=-1) < real
            assert (others >= 0).sum() == real * min(NEIGHBOURS, real - 1)
            assert found[f"edge{layer}_share"][:real].sum() == pytest.approx(1.0, abs=1e-5)
        # All layers share one graph, and none has the relevance of another.
        assert (found["edge0_index"] == found["edge1_index"]).all()
        assert (found["edge0_relevance"] != found["edge1_relevance"]).any()


def test_the_study_draws_edges_and_says_what_they_carry(bundled: Bundled, tmp_path: Path) -> None:
    project, config = bundled
    stores = {split: Store(store_folder(project, config) / split) for split in ("val", "test")}
    found = MODEL.study(
        load_network(project, config),
        {split: MODEL.dataset(store) for split, store in stores.items()},
        config,
        tmp_path,
    )
    pictures = sorted(tmp_path.glob("edges_*.png"))
    assert len(pictures) == 2 * config.explain.figures
    with Image.open(pictures[0]) as picture:
        assert picture.width > 600
        assert len(picture.convert("RGB").getcolors(2**20) or []) > 50
    assert len(found["edges"]["loops"]) == LAYERS
    assert all(0.0 < row["mean"] < 1.0 and row["error"] > 0 for row in found["edges"]["loops"])
    assert sum("crosses between constituents" in line for line in found["headline"]) == LAYERS
    # What crosses is what the file says: its shares of each layer sum to 1, loops included.
    (part,) = read_relevances(tmp_path / FILE)
    for layer, row in enumerate(found["edges"]["loops"]):
        share = part[f"edge{layer}/share"].astype(np.float64)
        assert share.sum((1, 2)) == pytest.approx(1.0, abs=1e-5)
        assert share[..., -1].sum(1).mean() == pytest.approx(row["mean"], abs=1e-6)


def test_a_server_tells_of_edges(bundled: Bundled, model: LoadedModel) -> None:
    example = bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")["particles"][1]
    real = example[(example != 0).any(-1)].tolist()
    (told,) = answer(model, [real], {"explain": True, "top": 3, "edges": True})
    (whole,) = model.explain([np.asarray(real, np.float32)])
    assert len(told["edge1_relevance"]) == len(told["elements"]) == 3
    assert told["edge1_index"] == whole["edge1_index"][told["elements"]].tolist()
