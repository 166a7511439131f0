"""The example of a network of one's own: six files, put together in one place, go the whole way."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fair_hep import bundle
from fair_hep.bundle.errors import ConfigError, DataError
from fair_hep.bundle.files import read_json
from fair_hep.check import CHECKS, check_model
from fair_hep.data.store import Store
from fair_hep.project import data, export, predict, verify
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support import recipes
from support.published import copy
from support.small import EXAMPLE, call, make_config

FOLDER = recipes.FOLDER / "custom"
MODEL = recipes.model("custom")


def test_every_file_bears_the_name_of_the_verb_that_reads_it() -> None:
    names = {"__init__", "inputs", "network", "data", "train", "evaluate", "explain"}
    assert {path.stem for path in FOLDER.glob("*.py")} == names
    # Each says first what it is for, and what it offers is put together in one place.
    for path in FOLDER.glob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path.name
    for name, function in {"dataset": "data", "loss": "train", "metrics": "evaluate", "target": "explain"}.items():
        assert getattr(MODEL, name).__module__ == f"my_tagger.{function}"


def test_every_promise_holds() -> None:
    # Graphs are compared by `export`, in the tests of the bundle; figures are drawn once, in those of the checks.
    names = [name for name in CHECKS if "onnx" not in name and name != "figures_are_drawn"]
    for hyperparameters in ({}, EXAMPLE.HYPERPARAMETERS, {"width": 8, "latent": 3}):
        outcomes = check_model(
            MODEL, Config(name="tried", model=hyperparameters), names=names, sample=FOLDER / "sample"
        )
        assert [(one.name, one.reason) for one in outcomes if one.verdict != "passed"] == []
    with pytest.raises(ConfigError, match=r"model: unknown key 'widht', did you mean 'width'\?"):
        MODEL.build(widht=8)


def test_features_are_seen_from_the_axis_and_stay_in_their_ranges() -> None:
    network: Any = MODEL.build()
    particles = MODEL.example(40, 3)["particles"].double()
    features, mask = network.features(particles)
    low, high = torch.tensor(MODEL.features.ranges, dtype=torch.float64).unbind(1)
    assert bool(((features >= low) & (features <= high)).all())
    assert not features[~mask].any()
    angle = torch.tensor(1.234, dtype=torch.float64)
    energy, px, py, pz = particles.unbind(-1)
    turned = torch.stack([energy, px * angle.cos() - py * angle.sin(), px * angle.sin() + py * angle.cos(), -pz], -1)
    torch.testing.assert_close(network.features(turned)[0], features, atol=1e-9, rtol=1e-9)


def test_the_sample_is_read_by_the_map_of_columns(project: Project) -> None:
    counts = data.run(project, make_config(project))["splits"]
    assert {split: found["examples"] for split, found in counts.items()} == {"train": 2600, "val": 600, "test": 1700}
    assert all(found["resorted"] == found["without_elements"] == 0 for found in counts.values())
    particles = Store(data.store_folder(project, make_config(project)) / "val").ragged("particles").values
    energy, momentum = particles[:, 0].astype(np.float64), particles[:, 1:].astype(np.float64)
    mass_squared = energy**2 - (momentum**2).sum(1)
    # Rounded components: a mass of 0 to 1 GeV, within what 15 bits of the energy allow.
    assert (mass_squared > -(2.0**-13) * energy**2).all()
    assert np.median(mass_squared) < 0.1


def test_the_chain_learns_and_measures(project: Project) -> None:
    found = read_json(project.run("quick", "evaluate") / "metrics.json")
    assert found["decisive"] == "auc"
    # Two epochs over 256 jets.
    assert found["metrics"]["auc"] > 0.6
    assert found["metrics"]["log_loss"] < np.log(2)
    assert {"log_loss_error", "accuracy_error", "rejection_50"} & found["metrics"].keys()
    with np.load(project.run("quick", "evaluate") / "outputs.npz") as stored:
        logits, label = torch.from_numpy(stored["logits"]).double(), torch.from_numpy(stored["label"])
    expected = torch.nn.functional.cross_entropy(logits, label)
    assert found["metrics"]["log_loss"] == pytest.approx(float(expected))
    for name in ("roc", "scores", "reliability", "mass"):
        assert (project.run("quick", "evaluate") / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert MODEL.captions[name]
    assert {"log_loss", "auc"} <= MODEL.measures.keys()


def test_the_study_accounts_for_every_jet(project: Project) -> None:
    study = read_json(project.run("quick", "explain") / "study.json")
    assert study["ledger"]["largest_error"] <= 1e-5
    assert study["trust"]["refused"] == {}
    assert study["trust"]["recommended"] in study["trust"]["removal"]
    # The figure that the recipe adds itself.
    assert (project.run("quick", "explain") / "relevance_map.png").read_bytes().startswith(b"\x89PNG")
    assert MODEL.captions["relevance_map"]


def test_files_of_ones_own_go_the_same_way(project: Project, tmp_path: Path) -> None:
    """A folder of .npz files with other names and units, read by entries of the configuration."""
    own, _ = copy((project, make_config(project)), tmp_path / "own")
    folder = own.root / "data" / "mine"
    folder.mkdir()
    for seed, split in enumerate(("train", "validation", "test")):
        jets = MODEL.example(64, seed)
        columns = {f"c_{name}": 1e3 * jets["particles"].numpy()[..., n] for n, name in enumerate(("E", "x", "y", "z"))}
        np.savez(folder / f"jets_{split}.npz", kind=jets["label"].numpy(), **columns)  # type: ignore[arg-type]
    where = ("data.source=folder", f"data.folder={folder}")
    changed = "{unit: MeV, label: kind, elements: {E: c_E, px: c_x, py: c_y, pz: c_z}}"
    config = make_config(own, *where, f"data.options.columns={changed}", "name=mine", "train.batch_size=16")
    found = data.run(own, config)
    assert {split: counts["examples"] for split, counts in found["splits"].items()} == dict.fromkeys(
        ("train", "val", "test"), 64
    )
    values = Store(data.store_folder(own, config) / "test").ragged("particles").values
    expected = MODEL.example(64, 2)["particles"]
    torch.testing.assert_close(torch.from_numpy(values.copy()), expected[expected[..., 0] > 0], rtol=1e-5, atol=1e-4)
    with pytest.raises(DataError, match=r"missing columns part_px.*found c_E, c_x, c_y, c_z, kind"):
        data.run(own, make_config(own, *where, "name=other"))
    # Who scores such a file gives a map; to `data`, a configuration does.
    with pytest.raises(DataError, match=r"missing columns part_px.*kind; a map says which columns are what: --columns"):
        next(iter(MODEL.read(next(folder.glob("*test*")), 8)))


def test_predict_reads_by_the_map_and_by_the_networks_own_names(
    bundled: tuple[Project, object], tmp_path: Path
) -> None:
    import pandas
    import pyarrow
    from pyarrow import parquet

    sample = recipes.sample("custom")["val"][0]
    table = parquet.read_table(sample).slice(0, 30)
    names = {"part_energy": "E", "part_px": "px", "part_py": "py", "part_pz": "pz"}
    plain = pyarrow.table({own: table[mapped] for mapped, own in names.items()})
    parquet.write_table(plain, tmp_path / "plain.parquet")
    parquet.write_table(table.drop_columns(["label_QCD", "label_Tbqq"]), tmp_path / "mapped.parquet")
    scores = {}
    for name in ("plain", "mapped"):
        predict.run(bundled[0], None, file=tmp_path / f"{name}.parquet", output=tmp_path / f"{name}.csv")
        scores[name] = pandas.read_csv(tmp_path / f"{name}.csv").filter(like="logits").to_numpy()
    np.testing.assert_allclose(scores["plain"], scores["mapped"], atol=1e-6)
    assert len(scores["plain"]) == 30
    arrays = {column: np.zeros((30, 200), np.float32) for column in names}
    for column, array in arrays.items():
        for row, values in zip(array, table[column].to_pylist(), strict=True):
            row[: len(values)] = values
    np.savez(tmp_path / "mapped.npz", **arrays)  # type: ignore[arg-type]
    predict.run(bundled[0], make_config(bundled[0]), file=tmp_path / "mapped.npz", output=tmp_path / "npz.csv")
    found = pandas.read_csv(tmp_path / "npz.csv").filter(like="logits").to_numpy()
    np.testing.assert_allclose(found, scores["mapped"], atol=1e-5)


@pytest.mark.slow
def test_a_fitted_temperature_goes_through_the_whole_chain(project: Project, tmp_path: Path) -> None:
    """From training to what `predict` writes: no other factor makes the validation labels more likely."""
    import pandas
    from scipy.special import log_softmax

    own, _ = copy((project, make_config(project)), tmp_path / "own")
    found = export.run(own, make_config(own, "export.temperature=fit", "export.examples=8"))
    assert any(
        re.match(r"temperature .* fitted on 600 validation examples: expected", line) for line in found["headline"]
    )
    record = read_json(own.bundle / "metrics.json")["temperature"]
    assert record["error"] > 0 and record["value"] != 1
    assert bundle.read_signature(own.bundle).temperature == pytest.approx(record["value"])
    assert all(check["passed"] for check in verify.run(own)["checks"])
    predict.run(own, None, file=recipes.sample("custom")["val"][0], output=tmp_path / "scores.csv")
    logits = pandas.read_csv(tmp_path / "scores.csv").filter(like="logits").to_numpy(np.float64)
    labels = np.asarray(Store(data.store_folder(own, make_config(own)) / "val").array("label"), np.int64)

    def loss(factor: float) -> float:
        return float(-log_softmax(logits * factor, axis=1)[np.arange(len(labels)), labels].mean())

    assert loss(1.0) < min(loss(0.95), loss(1.05))
    # What was stored before the export is as trained, and the report says cuts as the graphs give them.
    with np.load(own.run("quick", "evaluate") / "outputs.npz") as stored:
        trained = stored["logits"]
    (part,) = MODEL.widgets(own.run("quick", "evaluate"), None)
    cut = np.array(part.divided(record["value"]).data["threshold"]) * record["value"]
    # The curve begins where background passes, and each of its points is the score of a jet.
    assert np.abs(cut[:, None] - (trained[:, 1] - trained[:, 0])).min(1).max() < 1e-3
    assert (part.data["threshold"] != part.divided(record["value"]).data["threshold"]) and np.ptp(cut) > 0.01


def test_there_is_nothing_to_simulate(project: Project, tmp_path: Path) -> None:
    done = call(project, "simulate", "--size", "10", "--output", str(tmp_path / "new"))
    assert done.returncode == 1
    assert done.stderr.strip().endswith("has no generator: set data.source to sample, folder or doi")
    assert not (tmp_path / "new").exists()
