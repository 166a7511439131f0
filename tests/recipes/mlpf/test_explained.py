"""MLPF's explained graph: any output of any element, on its receptive field, as the relevance maps have it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fair_hep import bundle
from fair_hep.bundle.runtime import load
from fair_hep.export.faces import load_network
from fair_hep.particleflow.rmaps import RelevanceFlow, one_output
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.tracing.explained import explained_inputs
from support.recipes import model as model_named

MODEL = model_named("mlpf")


@pytest.mark.parametrize("output", ["neutral_hadron", "log_pt"])
def test_one_output_of_one_element_is_its_own_relevance_map(bundled: tuple[Project, Config], output: str) -> None:
    model = load(bundled[0].bundle, threads=1)
    events = bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")["elements"]
    event = min((e[e[:, 0] > 0] for e in events), key=lambda e: abs(len(e) - 120))
    network = load_network(bundled[0].bundle, model.signature, MODEL)
    with torch.no_grad():
        features, mask = network.features(torch.from_numpy(event[None]))  # type: ignore[operator]
    flow = RelevanceFlow(network.body, features, mask)  # type: ignore[arg-type]
    maps = flow.maps(one_output(output, features))
    columns = [name.split("_", 1)[1] for name in explained_inputs(MODEL)[-1].columns]
    for element in (0, len(event) // 2, len(event) - 1):
        weights = np.zeros((len(event), len(columns)))
        weights[element, columns.index(output)] = 1.0
        (found,) = model.explain([event], [weights])
        seen, relevance = maps.map(element)
        dense = np.zeros_like(found["relevance"])
        dense[seen.numpy()] = relevance.numpy()
        scale = float(np.abs(dense).max())
        np.testing.assert_allclose(found["relevance"], dense, atol=5e-3 * scale)
        outside = np.setdiff1d(np.arange(len(event)), seen.numpy())
        assert not found["relevance"][outside].any()
