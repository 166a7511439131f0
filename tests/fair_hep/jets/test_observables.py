"""Mass and N-subjettiness as taggers without a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import vector
from sklearn.metrics import roc_auc_score

from fair_hep.data.store import Store
from fair_hep.jets.nsubjettiness import tau
from fair_hep.jets.observables import mass_and_tau32
from fair_hep.tagging.classifier import Classifier
from support.recipes import model, sample

COLUMNS = ("E", "px", "py", "pz")


def jets(count: int, size: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    momentum = random.normal([30.0, 0.0, 0.0], 3.0, (count, size, 3))
    energy = np.sqrt((momentum**2).sum(-1, keepdims=True) + 0.14**2)
    return np.concatenate([energy, momentum], -1)


def test_they_agree_with_vector_and_do_not_depend_on_padding_or_columns() -> None:
    given = jets(5, 12)
    found = mass_and_tau32(given, COLUMNS)
    whole = vector.array({name: given.sum(1)[:, place] for place, name in enumerate(COLUMNS)})
    np.testing.assert_allclose(found["mass"], whole.mass, rtol=1e-9)
    np.testing.assert_allclose(found["tau32"], tau(given, 3) / tau(given, 2))
    one = vector.array({name: given[..., place] for place, name in enumerate(COLUMNS)})
    turned = np.stack([one.pt, one.eta, one.phi, one.mass], -1)
    for name, values in mass_and_tau32(turned, ("pt", "eta", "phi", "m")).items():
        np.testing.assert_allclose(values, found[name], rtol=1e-6)
    for name, values in mass_and_tau32(np.pad(given, ((0, 0), (0, 3), (0, 0))), COLUMNS).items():
        np.testing.assert_allclose(values, found[name])


@pytest.mark.parametrize("size", [0, 1, 2])
def test_jets_without_three_prongs_look_like_background(size: int) -> None:
    found = mass_and_tau32(jets(2, 4) * (np.arange(4) < size)[:, None], COLUMNS)
    assert found["tau32"].tolist() == [1, 1]
    assert np.isfinite(found["mass"]).all()


@pytest.mark.parametrize("name", ["particlenet", "custom", "graph"])
def test_they_tell_the_samples_tops_from_qcd(name: str, tmp_path: Path) -> None:
    tagger, files = model(name), sample(name)
    assert isinstance(tagger, Classifier)
    for split in ("val", "test"):
        tagger.convert(files[split], tmp_path / split)
    datasets = {split: tagger.dataset(Store(tmp_path / split)) for split in ("val", "test")}
    labels = np.asarray(Store(tmp_path / "test").array("label"))
    found = {key: roc_auc_score(labels, one.score) for key, one in tagger.baselines(datasets, 500).items()}
    assert found["mass"] > 0.93 and 0.78 < found["tau32"] < 0.86 and found["cuts"] > 0.94
    assert "baseline_*" in tagger.measures
