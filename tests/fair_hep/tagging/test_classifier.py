"""The base of networks that classify sets: of two classes and three, with edges and without."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix
from torch import Tensor, nn

from fair_hep.bundle.columns import Columns
from fair_hep.bundle.errors import ConfigError, DataError, ExplainError
from fair_hep.bundle.strict import Strict, validate
from fair_hep.check import CHECKS, check_model
from fair_hep.data.store import Ragged, Store, write_store
from fair_hep.models.specs import class_label, class_logits, element_features, particle_set
from fair_hep.nets.kinematics import from_axis
from fair_hep.nets.layers import EdgeConv, Neighbours, Rows
from fair_hep.provenance.configuration import Config
from fair_hep.study.relevances import FILE, read_relevances
from fair_hep.tagging import classifier, many_classes, two_classes
from fair_hep.tagging.classifier import EVERY_MEASURE, Classifier

CLASSES = ("QCD", "W", "top")


class Features(nn.Module):
    def forward(self, particles: Tensor) -> tuple[Tensor, Tensor]:
        seen = from_axis(particles)
        values = torch.stack([seen.delta_eta, seen.delta_phi, 0.3 * (seen.pt / seen.jet_pt).log()], -1)
        return torch.where(seen.mask[..., None], values, 0.0), seen.mask


class Sum(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.element = nn.Sequential(nn.Linear(3, 16), nn.ReLU())
        self.head = nn.Linear(16, classes)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = self.head((self.element(features) * mask[..., None]).sum(1))
        return logits


class Edges(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.graph = Neighbours(4)
        self.block = EdgeConv(3, (16, 16))
        self.head = nn.Linear(16, classes)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        rows = Rows(mask, packed=self.training)
        index, valid = self.graph(features[..., :2].detach(), mask)
        values = self.block(rows.pack(features), rows.mask, rows.neighbours(index), rows.pack(valid))
        logits: Tensor = self.head(rows.mean(values))
        return logits


class Network(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.features, self.body = Features(), body

    def forward(self, particles: Tensor) -> Tensor:
        logits: Tensor = self.body(*self.features(particles))
        return logits


class Tagger(Classifier):
    name, title, summary = "tagger", "Tagger", "For tests."
    inputs = (particle_set(),)
    features = element_features(("delta_eta", "delta_phi", "log_pt_fraction"))
    columns = Columns(elements={name: name for name in ("E", "px", "py", "pz")})
    citation: Mapping[str, str] = {}

    def __init__(self, classes: tuple[str, ...], body: type[Sum | Edges] = Sum) -> None:
        self.outputs, self.targets = (class_logits(classes),), (class_label(classes),)
        self.body = body

    def build(self, **hyperparameters: Any) -> nn.Module:
        validate(Strict, hyperparameters, "model")
        return Network(self.body(len(self.classes)))

    def edges(self, network: nn.Module) -> Mapping[str, str]:
        return {"block.messages": "graph"} if self.body is Edges else {}


MODELS = {"two": Tagger(("QCD", "top")), "three": Tagger(CLASSES), "edges": Tagger(CLASSES, Edges)}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Tagger:
    return MODELS[request.param]


def network(model: Tagger) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = model.build().train()
        with torch.no_grad():
            made(model.example(32, 0)["particles"])
        return made.eval()


def datasets(model: Tagger, folder: Path, size: int = 24) -> dict[str, Any]:
    """Return jets of two splits, the first of each without any constituent."""
    found = {}
    for seed, split in enumerate(("val", "test")):
        made = model.example(size, seed)
        particles = made["particles"].numpy()
        particles[0] = 0
        real = particles[..., 0] > 0
        with write_store(folder / split, {}) as writer:
            writer.append(
                particles=Ragged.from_counts(particles[real], real.sum(1)), label=made["label"].numpy().astype(np.int16)
            )
        found[split] = model.dataset(Store(folder / split))
    return found


def config(**explain: Any) -> Config:
    return Config(name="tried", explain={"size": 24, "options": {"trust": 6}, **explain})


def test_every_promise_holds(model: Tagger) -> None:
    # It ships no sample, and exports are tried with the models that do.
    names = [name for name in CHECKS if "onnx" not in name and name not in ("dataset_fits", "figures_are_drawn")]
    outcomes = check_model(model, Config(name="tried"), names=names)
    assert [(one.name, one.reason) for one in outcomes if one.verdict != "passed"] == []


def test_a_model_made_of_another_says_only_what_differs() -> None:
    class Two(Tagger):
        outputs = (class_logits(("QCD", "top")),)
        measures: Mapping[str, str] = {"calibration": "how far probabilities can be taken at their word"}

    class Mine(Two):
        captions: Mapping[str, str] = {"margins": "Difference of the two logits"}

    assert {"calibration", *two_classes.MEASURES, *EVERY_MEASURE} == set(Two.measures) == set(Mine.measures)
    assert {"margins", "removal", *two_classes.CAPTIONS} <= set(Mine.captions)
    assert "margins" not in Two.captions


def test_the_explained_combination_ignores_a_common_shift(model: Tagger) -> None:
    target = model.target()
    assert len(target) == len(model.classes)
    assert sum(target) == pytest.approx(0)
    assert target[-1] == 1


def test_batches_are_padded_sets_with_labels(model: Tagger, tmp_path: Path) -> None:
    dataset = datasets(model, tmp_path)["test"]
    batch = dataset.__getitems__([3, 0, 5])
    assert batch["particles"].dtype == torch.float32
    assert batch["label"].dtype == torch.int64
    counts = (batch["particles"][..., 0] > 0).sum(1)
    assert int(counts.max()) == batch["particles"].shape[1]
    assert int(counts[1]) == 0
    shorter: Any = model.dataset(dataset.store, max_constituents=2)
    cut = shorter.__getitems__([3])
    torch.testing.assert_close(cut["particles"][0], batch["particles"][0, :2])


# -- evaluation --------------------------------------------------------------------------------------------------------
def outputs(size: int = 3000, seed: int = 0, strength: float = 1.0) -> tuple[dict[str, Any], dict[str, Any]]:
    random = np.random.default_rng(seed)
    label = random.integers(3, size=size)
    logits = np.random.default_rng(seed + 1).normal(size=(size, 3)) + strength * np.eye(3)[label]
    return {"logits": logits}, {"label": label}


def test_three_classes_agree_with_scikit_learn(tmp_path: Path) -> None:
    values, targets = outputs()
    found = MODELS["three"].evaluate(values, targets, tmp_path)
    expected = confusion_matrix(targets["label"], values["logits"].argmax(1), normalize="true")
    assert found.metrics["accuracy"] == pytest.approx((targets["label"] == values["logits"].argmax(1)).mean())
    for number, name in enumerate(CLASSES):
        share, count = expected[number, number], (targets["label"] == number).sum()
        assert found.metrics[f"efficiency_{name}"] == pytest.approx(share)
        assert found.metrics[f"efficiency_{name}_error"] == pytest.approx(np.sqrt(share * (1 - share) / count))
    with (tmp_path / "confusion.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["share"]) for row in rows] == pytest.approx(expected.ravel().tolist())
    assert sum(int(row["examples"]) for row in rows) == 3000
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert found.metrics[found.decisive] == found.metrics["accuracy"]
    assert all(len(row) == len(found.tables[0].head) for row in found.tables[0].rows)


def test_errors_of_three_classes_are_the_spread_of_repetitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_classes, "_draw", lambda *_: None)
    monkeypatch.setattr(classifier, "draw_reliability", lambda *_: None)
    found = [MODELS["three"].evaluate(*outputs(400, seed), tmp_path).metrics for seed in range(0, 120, 2)]
    for name in ("accuracy", "mean_efficiency", "efficiency_W"):
        spread = np.std([metrics[name] for metrics in found], ddof=1)
        assert spread == pytest.approx(np.mean([metrics[f"{name}_error"] for metrics in found]), rel=0.3)


def test_a_champion_is_compared_on_the_same_examples() -> None:
    values, targets = outputs()
    better, _ = outputs(strength=1.6)
    model = MODELS["three"]
    assert model.not_worse(values, values, targets)[0]
    assert model.not_worse(better, values, targets)[0]
    good, said = model.not_worse(values, better, targets)
    assert not good
    assert "accuracy difference -0." in said
    assert many_classes.not_worse(values, better, targets) == (good, said)


def test_an_evaluation_without_a_class_or_with_infinite_logits_is_refused(tmp_path: Path) -> None:
    values, targets = outputs(60)
    with pytest.raises(DataError, match="no example of class top"):
        MODELS["three"].evaluate(values, {"label": targets["label"] % 2}, tmp_path)
    values["logits"][7, 0] = np.nan
    with pytest.raises(DataError, match="1 examples have logits that aren't finite"):
        MODELS["three"].evaluate(values, targets, tmp_path)


# -- explanation -------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_study_accounts_for_everything(model: Tagger, tmp_path: Path) -> None:
    explained = network(model)
    data = datasets(model, tmp_path)
    found = model.study(explained, data, config(precision="float64"), tmp_path / "explain")
    assert found["examples"]["explained"] == 23
    assert found["examples"]["without_elements"] == 1
    assert found["ledger"]["largest_error"] < 1e-10
    (part,) = read_relevances(tmp_path / "explain" / FILE)
    batch = data["test"].__getitems__(part["example/index"].tolist())
    weights = np.array(model.target())
    with torch.no_grad():
        logits = explained(batch["particles"]).numpy()
    np.testing.assert_allclose(part["example/outputs"], logits, atol=1e-5)
    np.testing.assert_allclose(part["example/explained"], logits @ weights, atol=1e-5)
    total = part["element/relevance"].sum((1, 2))
    taken = sum(part[f"ledger/{name}"] for name in ("bias", "epsilon", "lost"))
    np.testing.assert_allclose(total + taken, part["example/explained"], atol=1e-10)
    np.testing.assert_allclose(part["element/input"], batch["particles"].numpy(), rtol=1e-6)
    assert not part["element/relevance"][batch["particles"].numpy()[..., 0] == 0].any()
    for name in ("feature", "rank"):
        for kind in model.classes:
            sums = np.sum(found["shares"][name][kind]["mean"])
            assert sums == pytest.approx(1) if name == "feature" else 0 < sums <= 1 + 1e-9
    edges = {name for name in part if name.startswith("edge")}
    assert edges == ({"edge0/neighbour", "edge0/share", "edge0/relevance"} if model.body is Edges else set())
    if edges:
        counts = part["example/elements"]
        np.testing.assert_allclose(part["edge0/share"].sum((1, 2))[counts > 1], 1, rtol=1e-5)
        assert (part["edge0/neighbour"].max((1, 2)) < counts).all()


def test_a_misspelt_composite_is_a_mistake_and_no_property_of_the_network(model: Tagger, tmp_path: Path) -> None:
    misspelt = config(options={"trust": 6, "trust_composites": ["epsilon", "epsilon-pluss"]})
    with pytest.raises(ExplainError, match="'epsilon-pluss' is unknown, did you mean 'epsilon-plus'"):
        model.study(network(model), datasets(model, tmp_path), misspelt, tmp_path / "explain")


@pytest.mark.slow
def test_a_study_says_how_far_it_can_be_trusted(model: Tagger, tmp_path: Path) -> None:
    found = model.study(network(model), datasets(model, tmp_path), config(), tmp_path / "explain")
    trust = found["trust"]
    assert trust["jets"] <= 6
    assert trust["agreement"]["epsilon"] == pytest.approx(1)
    assert {"epsilon", "epsilon-plus", "random order", "gradient x input"} <= trust["removal"].keys()
    # No ranges of the features are declared: the rule that needs them is said to be missing.
    assert "needs bounds" in trust["refused"]["epsilon-gamma-box"]
    stages = [row["down_to"] for row in trust["randomised"]]
    assert stages == (["head", "block"] if model.body is Edges else ["head", "element.0"])
    assert len(found["tables"]) == 3
    for name in ("relevance_shares.png", "removal.png"):
        assert (tmp_path / "explain" / name).read_bytes().startswith(b"\x89PNG")
    # ReLU without biases in the way: epsilon is gradient x input where the stabiliser is small.
    if model.body is Sum:
        assert trust["agreement"]["gradient x input"] > 0.99


@pytest.mark.slow
def test_a_study_is_reproducible_and_kept(tmp_path: Path) -> None:
    model = MODELS["three"]
    made, data = network(model), datasets(model, tmp_path)
    first = model.study(made, data, config(), tmp_path / "explain")
    written = (tmp_path / "explain" / FILE).stat().st_mtime_ns
    assert model.study(made, data, config(), tmp_path / "explain") == first
    assert (tmp_path / "explain" / FILE).stat().st_mtime_ns == written
    model.study(made, data, config(composite="gamma"), tmp_path / "explain")
    with h5py.File(tmp_path / "explain" / FILE) as file:
        assert file.attrs["composite"] == "gamma"


def test_an_edge_case_is_refused_in_one_line(tmp_path: Path) -> None:
    model = MODELS["two"]
    data = datasets(model, tmp_path, size=1)
    with pytest.raises(ExplainError, match="none of the 24 examples has an element: nothing to explain"):
        model.study(network(model), data, config(), tmp_path / "explain")
    with pytest.raises(ConfigError, match="unknown key 'trusts', did you mean 'trust'"):
        model.study(network(model), data, config(options={"trusts": 1}), tmp_path / "explain")


# -- data --------------------------------------------------------------------------------------------------------------
def test_files_are_sorted_into_splits_by_their_names() -> None:
    names = ["train_1.root", "Train_0.ROOT", "val.parquet", "x_test.h5", "readme_test.txt", "weights.npz"]
    assert MODELS["two"].published(names) == {
        "train": ["train_1.root", "Train_0.ROOT"], "val": ["val.parquet"], "test": ["x_test.h5"]
    }  # fmt: skip
    with pytest.raises(DataError, match=r"train_val.root: its name fits train and val"):
        MODELS["two"].published(["train_val.root"])


def test_there_is_no_generator(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Tagger has no generator: set data.source to sample, folder or doi"):
        MODELS["two"].simulate(tmp_path, size=10, seed=0, processes=1)


def test_the_configuration_may_change_single_entries_of_the_map(tmp_path: Path) -> None:
    particles = MODELS["two"].example(20, 0)
    arrays = {name: particles["particles"].numpy()[..., number] for number, name in enumerate(("E", "px", "py", "pz"))}
    np.savez(tmp_path / "train.npz", truth=particles["label"].numpy(), **arrays)  # type: ignore[arg-type]
    options: dict[str, Any] = {"columns": {"label": "truth"}, "chunk": 7}
    counts = MODELS["two"].convert([tmp_path / "train.npz"], tmp_path / "store", **options)
    assert (counts["examples"], counts["QCD"], counts["top"]) == (20, 10, 10)
    read = [one for part in MODELS["two"].read(tmp_path / "train.npz", 6, **options) for one in part["particles"]]
    assert len(read) == 20
    with pytest.raises(ConfigError, match="unknown key 'labels', did you mean 'label'"):
        MODELS["two"].convert([tmp_path / "train.npz"], tmp_path / "other", columns={"labels": "truth"})
    with pytest.raises(ConfigError, match="max_constituents: got -1"):
        MODELS["two"].dataset(Store(tmp_path / "store"), max_constituents=-1)


def test_options_of_the_loss_are_validated() -> None:
    model = MODELS["three"]
    batch = model.example(6, 0)
    logits = torch.zeros(6, 3)
    assert float(model.loss((logits,), batch)) == pytest.approx(np.log(3))
    assert float(model.loss((logits,), batch, label_smoothing=0.1)) == pytest.approx(np.log(3))
    for options, said in (({"smoothing": 0.1}, "did you mean 'label_smoothing'"), ({"label_smoothing": 2}, "got 2")):
        with pytest.raises(ConfigError, match=said):
            model.loss((logits,), batch, **options)
