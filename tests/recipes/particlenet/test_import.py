"""A ParticleNet that weaver-core's own network learned: imported, measured, explained, exported, verified, told of."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import yaml
from top_tagger.network import PRESETS
from torch import Tensor, nn

from fair_hep.bundle import WEIGHTS
from fair_hep.bundle.files import read_json, sha256, write_json
from fair_hep.bundle.runtime import load
from fair_hep.data.store import Store
from fair_hep.describe.origin import learned_from
from fair_hep.fair.evidence import Case, Failure
from fair_hep.fair.history import data_provenance, provenance, training
from fair_hep.fair.shapes import violations
from fair_hep.models.recipe import recipe
from fair_hep.project.data import run as data
from fair_hep.project.data import store_folder
from fair_hep.project.evaluate import run as evaluate
from fair_hep.project.evidence import Source, metrics_of
from fair_hep.project.explain import run as explain
from fair_hep.project.export import run as export
from fair_hep.project.import_ import run
from fair_hep.project.temperature import Temperature
from fair_hep.project.train import load_network
from fair_hep.project.verify import run as verify
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.provenance.steps import record
from support.crates import crate_problems
from support.needs import require
from support.published import EXAMPLES, copy
from support.small import make_config, make_project
from support.weaver import as_weaver_takes, weaver_network

K = PRESETS["lite"][0][0][0]
TOLD: Mapping[str, Any] = {
    "trained_by": ["Curie, Marie"], "place": "Paris", "finished": "2021-07", "code": "https://example.org/theirs",
    "commit": "abc123", "dataset": "Jets of another generator", "dataset_doi": "10.5281/zenodo.999", "epochs": 41,
    "examples": 31415, "license": "CC0-1.0", "note": "the third of five trainings",
}  # fmt: skip


class Chain(NamedTuple):
    """A project whose network weaver trained, and that network."""

    project: Project
    config: Config
    theirs: nn.Module
    file: Path


def trained(dataset: Any, *, steps: int, batch: int) -> nn.Module:
    """Train weaver's network for a moment."""
    torch.manual_seed(5)
    network = weaver_network().train()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(5))[: steps * batch].split(batch)
    for chosen in order:
        jets = dataset.__getitems__(chosen.tolist())
        points, features, mask = as_weaver_takes(jets["particles"])
        # weaver follows gradients of a network only where its features ask for them.
        with torch.enable_grad():
            logits = network(points, features.requires_grad_(), mask)
            loss = nn.functional.cross_entropy(logits, jets["label"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    project = make_project(tmp_path_factory.mktemp("weaver") / "project")
    # A network that learned for seconds has outputs near 0, where single precision needs a larger stabiliser.
    study = ["explain.size=4", "explain.figures=0", "explain.options={trust: 0, controls: 0}", "explain.epsilon=1e-4"]
    config = make_config(project, f"export.examples={EXAMPLES}", *study)
    data(project, config)
    dataset = recipe(project).dataset(Store(store_folder(project, config) / "train"))
    network = trained(dataset, steps=40, batch=64)
    file = project.root / "net_best_epoch_state.pt"
    # weaver's examples keep the network as `mod` of a class of their own, and save its state_dict.
    torch.save({f"mod.{name}": tensor for name, tensor in network.state_dict().items()}, file)
    about = project.root / "about.yaml"
    about.write_text(yaml.safe_dump(dict(TOLD)))
    run(project, config, weights=file, names="weaver", about=about)
    evaluate(project, config)
    explain(project, config)
    export(project, config)
    return Chain(project, config, network, file)


def weavers(network: nn.Module, particles: Tensor) -> Tensor:
    with torch.no_grad():
        points, features, mask = as_weaver_takes(particles)
        logits: Tensor = network(points, features, mask.to(points.dtype))
    return logits


def test_logits_are_those_of_weaver_where_jets_have_more_than_k_constituents(chain: Chain) -> None:
    outputs = np.load(chain.project.run(chain.config.name, "evaluate") / "outputs.npz")
    ours = torch.from_numpy(outputs["logits"])
    dataset: Any = recipe(chain.project).dataset(Store(store_folder(chain.project, chain.config) / "test"))
    particles = dataset.__getitems__(list(range(len(ours))))["particles"]
    many = (particles[..., 0] > 0).sum(1) > K + 1
    assert many.sum() > 200
    apart = (ours - weavers(chain.theirs, particles)).abs().amax(1)[many]
    # Where two neighbours are equally near in single precision, the two choose differently; in double they agree.
    assert float(apart.quantile(0.95)) < 1e-5
    network, theirs = load_network(chain.project, chain.config).double(), deepcopy(chain.theirs).double()
    # Among whole jets some that are cut: weaver takes no batch without k + 1 constituents in one of its jets.
    mixed = particles.double()
    mixed[::2, K:] = 0.0
    with torch.no_grad():
        exact, cut = network(particles.double()), network(mixed)
    torch.testing.assert_close(exact[many], weavers(theirs, particles.double())[many], rtol=1e-9, atol=1e-9)
    # What can't agree: weaver averages over k neighbours where fewer exist, and fills the others with padding.
    assert float((cut - weavers(theirs, mixed))[::2].abs().amax(1).median()) > 1e-3


def test_it_has_learned_something_and_is_measured(chain: Chain) -> None:
    metrics = read_json(chain.project.bundle / "metrics.json")
    assert metrics["metrics"][metrics["decisive"]] > 0.85
    assert metrics["explanation"]["ledger"]["largest_error"] < 1e-3
    assert "trained elsewhere (by Curie, Marie" in metrics["explanation"]["headline"][0]
    assert "epochs" not in metrics["explanation"]["network"]
    made = read_json(chain.project.bundle / "provenance/import.json")
    assert made["inputs"] == {chain.file.name: sha256(chain.file)}


def test_the_bundle_verifies_answers_as_weaver_and_explains(chain: Chain) -> None:
    result = verify(chain.project, chain.config)
    assert "problem" not in result
    model = load(chain.project.bundle)
    particles = np.load(chain.project.bundle / "examples/inputs.npz")["particles"]
    many = (particles[..., 0] > 0).sum(1) > K + 1
    theirs = weavers(chain.theirs, torch.from_numpy(particles)).numpy()
    assert np.abs(model.predict(particles)["logits"] - theirs)[many].max() < 1e-4
    found = model.explain(particles[:1])[0]
    assert np.isclose(found["relevance"].sum() + found["ledger"][:3].sum(), found["explained"], atol=1e-4)


def test_card_and_descriptions_say_trained_elsewhere_and_nothing_else(chain: Chain) -> None:
    folder = chain.project.bundle
    card = (folder / "README.md").read_text()
    for words in ("trained elsewhere (by Curie, Marie, at Paris", "didn't train the network", "epochs: 41"):
        assert words in card
    assert f"import bundle/{WEIGHTS}" in card
    for words in ("training never saw", "Training took", "data, training, figures"):
        assert words not in card
    names = {path.name for path in (folder / "provenance").iterdir()}
    assert names == {"import.json", "evaluate.json", "explain.json", "data-val.json", "data-test.json"}
    for path in [folder / "provenance.json", *(folder / "provenance").iterdir()]:
        assert "train" not in read_json(path)["configuration"], path.name
    assert "train" not in yaml.safe_load((folder / "configuration.yaml").read_text())
    assert learned_from(folder) == TOLD["dataset_doi"]
    assert str(chain.project.root) not in "".join(path.read_text() for path in folder.rglob("*.json"))


def test_machines_read_the_same(chain: Chain, tmp_path: Path) -> None:
    folder = chain.project.bundle
    model = read_json(folder / "fair4ml.json")
    assert model["fair4ml:trainedOn"]["name"] == TOLD["dataset"]
    assert "fair4ml:validatedOn" not in model
    assert model["hep:trainedElsewhere"].startswith("trained elsewhere")
    crate = {entity["@id"]: entity for entity in read_json(folder / "ro-crate-metadata.json")["@graph"]}
    assert "#run-train" not in crate
    assert "trained elsewhere" in crate["#run-import"]["description"]
    assert WEIGHTS in str(crate["#run-import"]["result"])
    assert crate[f"#{chain.file.name}"]["sha256"] == sha256(chain.file)
    assert not any(name.startswith("#import-train.") for name in crate)
    require(importlib.util.find_spec("pyshacl"), "pyshacl isn't installed")
    assert violations(folder / "fair4ml.json", "fair4ml") == []
    require(importlib.util.find_spec("rocrate_validator"), "roc-validator isn't installed")
    for profile in (("-p", "ro-crate-1.2"), ("-p", "process-run-crate", "-nh")):
        assert crate_problems(folder, tmp_path, *profile) == []


def test_fair_follows_the_checksums_and_asks_for_what_is_not_known(chain: Chain, tmp_path: Path) -> None:
    project, _ = copy((chain.project, chain.config), tmp_path / "project")
    case = Case(project)
    assert "read the weights" in provenance(case)
    assert "2 splits" in data_provenance(case)
    assert "epochs 41" in training(case)
    path = project.bundle / "provenance" / "import.json"
    write_json(path, {**read_json(path), "about": {"epochs": 41}})
    with pytest.raises(Failure, match="nobody said: trained_by, code, dataset"):
        training(case)


def test_an_explanation_of_other_weights_is_left_out(
    chain: Chain, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project, config = copy((chain.project, chain.config), tmp_path / "project")
    record(project.run(config.name, "explain"), project, config, "explain", inputs={WEIGHTS: 64 * "0"})
    metrics = metrics_of(project, config)
    assert "explain is of other weights and left out" in caplog.text
    assert "explanation" not in metrics
    source = Source(project, config, recipe(project), chain.theirs, {}, metrics, Temperature(), tolerance=1e-4)
    assert (source.steps, source.splits) == (("train", "evaluate"), ("test",))
