"""MLPF through the verbs: trained, resumed, measured beside the rules, and explained, on the shipped events."""

from __future__ import annotations

import csv
import re

import h5py
import numpy as np
import pytest
from safetensors.numpy import load_file

from fair_hep import provenance
from fair_hep.bundle.errors import ConfigError
from fair_hep.bundle.files import read_json
from fair_hep.data import batches
from fair_hep.data.store import Store
from fair_hep.project import data, evaluate, explain, train
from fair_hep.project.arithmetic import threads
from fair_hep.provenance.project import Project
from fair_hep.tagging.applied import apply
from support.recipes import model as model_named
from support.small import make_config, make_project

pytestmark = pytest.mark.slow
SHORT = ("train.epochs=2", "train.limit=8", "train.batch_size=4")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("mlpf"))
    data.run(made, make_config(made))
    with threads(1):
        train.run(made, make_config(made, *SHORT))
    return made


def test_training_learns_and_writes_its_results(project: Project) -> None:
    result = train.run(project, make_config(project, "name=learns", "train.epochs=3", "train.limit=24"))
    history = read_json(project.run("learns", "train") / "history.json")["losses"]
    assert history[-1]["val_loss"] < 0.8 * history[0]["val_loss"]
    assert result["parameters"] == 42_832


def test_a_training_that_goes_on_reaches_the_same_weights(project: Project) -> None:
    with threads(1):
        train.run(project, make_config(project, *SHORT, "name=resumed"))
        folder = project.run("resumed", "train")
        (folder / "provenance.json").unlink()
        train.run(project, make_config(project, *SHORT, "name=resumed"), resume=True)
    first, second = (load_file(project.run(name, "train") / train.WEIGHTS) for name in ("quick", "resumed"))
    assert all(np.array_equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    "options",
    ["{classification: focal}", "{class_weights: equal}", "{class_weights: [1, 1, 2, 1, 1, 1]}"],
)
def test_other_losses_train_too(project: Project, options: str) -> None:
    train.run(project, make_config(project, "name=loss", "train.limit=4", f"train.loss={options}"))
    history = read_json(project.run("loss", "train") / "history.json")["losses"]
    assert all(np.isfinite(row["val_loss"]) for row in history)


def test_what_the_rules_make_of_an_event_can_be_learned(project: Project) -> None:
    train.run(project, make_config(project, "name=cand", "train.limit=4", "data.options={target: cand}"))
    history = read_json(project.run("cand", "train") / "history.json")["losses"]
    assert all(np.isfinite(row["val_loss"]) for row in history)


def test_an_unknown_option_of_the_loss_is_named(project: Project) -> None:
    with pytest.raises(ConfigError, match="momentum_weigth"):
        train.run(project, make_config(project, "name=wrong", "train.loss={momentum_weigth: 2}"))


def test_every_number_comes_for_both_flows_with_its_error(project: Project) -> None:
    evaluate.run(project, make_config(project))
    folder = project.run("quick", "evaluate")
    metrics = read_json(folder / "metrics.json")["metrics"]
    ours = {name.removeprefix("mlpf_") for name in metrics if name.startswith("mlpf_")}
    theirs = {name.removeprefix("rules_") for name in metrics if name.startswith("rules_")}
    assert {"mean_f1", "mean_f1_error", "efficiency_charged_hadron", "fake_rate_charged_hadron_error"} <= ours & theirs
    with (folder / "comparison.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {"mlpf", "mlpf_error", "rules", "rules_error"} <= rows[0].keys()
    wanted = {"efficiency", "fake_rate", "pt_resolution", "multiplicity_bias", "met_resolution_gev", "jet_efficiency"}
    assert wanted <= {row["quantity"] for row in rows}
    for name in ("confusion", "efficiencies", "responses", "multiplicities", "events"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_outputs_do_not_depend_on_the_batch(project: Project) -> None:
    config = make_config(project)
    model, network = model_named("mlpf"), train.load_network(project, config)
    dataset = batches.first(model.dataset(Store(data.store_folder(project, config) / "test")), 6)
    (first, same), (second, _) = (apply(model, network, dataset, size) for size in (1, 4))
    assert len(same["offsets"]) == 7
    assert same["offsets"][-1] == len(first["logits"])
    for name in ("logits", "momenta"):
        np.testing.assert_allclose(first[name], second[name], rtol=1e-4, atol=1e-4)


def test_explaining_writes_maps_of_every_class_with_closed_ledgers(project: Project) -> None:
    folder = project.run("quick", "explain")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / provenance.FILE).unlink(missing_ok=True)
    left = folder / ".relevances-killed.h5"
    left.write_bytes(b"half written by a killed run")
    result = explain.run(project, make_config(project))
    assert not left.exists()
    assert re.match(r"network: mlpf .*parameters, trained for \d+ epochs? on \d+ examples", result["headline"][0])
    assert result["ledger"]["largest_error"] < 1e-5
    with h5py.File(folder / "relevances.h5") as file:
        assert len(file) > 0
    assert list(folder.glob("rmap_*.png"))
    assert list(folder.glob("event_*.png"))
    assert not list(folder.glob("*.html"))
    assert result["outputs"]["class"]
