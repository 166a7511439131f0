"""A temperature at export: every runtime divides by it, the account of an explanation closes, and it is recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fair_hep import bundle
from fair_hep.bundle.errors import ConfigError
from fair_hep.bundle.files import read_json
from fair_hep.bundle.runtime import load
from fair_hep.project import export, verify
from fair_hep.project.temperature import find_temperature
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.tracing.explained import Explained
from support.published import copy
from support.recipes import model as model_named
from support.small import EXAMPLE, make_config

Bundled = tuple[Project, Config]
MODEL = model_named("custom")


def test_relevances_and_their_account_are_those_of_the_divided_logits() -> None:
    batch = MODEL.example(5, 1)
    torch.manual_seed(0)
    network = MODEL.build(**EXAMPLE.HYPERPARAMETERS).eval()
    target = torch.tensor(MODEL.target()).expand(5, 2).contiguous()
    found = []
    for temperature in (1.0, 2.5):
        how = bundle.Relevance(
            composite="epsilon", bias="absorb", epsilon=1e-6, target=[-1, 1], tolerance=1e-3, temperature=temperature
        )
        with Explained(MODEL, network, how) as explained:
            logits, probabilities, relevance, ledger, *_ = explained(batch["particles"], target)
        np.testing.assert_allclose(torch.softmax(logits, -1), probabilities, atol=1e-6)
        whole = relevance.double().sum((1, 2)) + ledger[:, :3].sum(1)
        np.testing.assert_allclose(whole, (logits * target).sum(1), rtol=1e-3, atol=1e-4)
        found.append((logits, relevance))
    for plain, divided in zip(*found, strict=True):
        np.testing.assert_allclose(divided * 2.5, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_every_runtime_divides_by_it_and_it_is_told(bundled: Bundled, tmp_path: Path) -> None:
    project, config = copy(bundled, tmp_path / "project")
    before = load(project.bundle, threads=1)
    warm = config.model_copy(update={"export": config.export.model_copy(update={"temperature": 2.5, "examples": 4})})
    headline = export.run(project, warm)["headline"]
    assert any(line.startswith("temperature 2.500: expected calibration error") for line in headline)
    signature = bundle.read_signature(project.bundle)
    assert signature.temperature == 2.5
    assert signature.explained is not None
    assert signature.explained.how.temperature == 2.5
    model = load(project.bundle, threads=1)
    given = bundle.read_arrays(project.bundle / "examples/inputs.npz")
    np.testing.assert_allclose(model.predict(given)["logits"] * 2.5, before.predict(given)["logits"], atol=1e-3)
    # PyTorch and ONNX Runtime, answers and relevances.
    assert all(check["passed"] for check in verify.run(project)["checks"])
    assert {row["temperature"] for row in read_json(project.bundle / "parity.json")} == {2.5}
    assert "by the temperature 2.5, chosen by the authors" in (project.bundle / "README.md").read_text()
    # The training data of this small project are simulated like the stored examples.
    assert {known.name for known in signature.domain} == {quantity.name for quantity in MODEL.domain()}


def test_what_is_no_temperature_is_refused(bundled: Bundled, monkeypatch: pytest.MonkeyPatch) -> None:
    project, _ = bundled
    for wrong in ("0", "-1", "warm"):
        with pytest.raises(ConfigError, match=r"export\.temperature"):
            make_config(project, f"export.temperature={wrong}")
    elements = model_named("mlpf")
    config = make_config(project, "export.temperature=2")
    with pytest.raises(ConfigError, match="isn't a tagger with one output of logits"):
        find_temperature(project, config, elements, torch.nn.Identity())
