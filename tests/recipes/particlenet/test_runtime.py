"""The runtime: what people have goes in, what the network says comes out, and no training framework is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import awkward
import numpy as np
import onnx
import pytest
import vector

from fair_hep import bundle
from fair_hep.bundle.errors import BundleError, DataError, MissingStepError
from fair_hep.bundle.runtime import LoadedModel, load
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.small import SOURCE

Bundled = tuple[Project, Config]


@pytest.fixture(scope="module")
def model(bundled: Bundled) -> LoadedModel:
    return load(bundled[0].bundle, threads=1)


@pytest.fixture(scope="module")
def particles(bundled: Bundled) -> np.ndarray:
    return bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")["particles"]


@pytest.fixture(scope="module")
def stored(bundled: Bundled) -> dict[str, np.ndarray]:
    return bundle.read_arrays(bundled[0].bundle / "examples/outputs.npz")


def ragged(particles: np.ndarray) -> list[np.ndarray]:
    return [jet[jet[:, 0] > 0] for jet in particles]


def same(given: dict[str, np.ndarray], stored: dict[str, np.ndarray]) -> bool:
    return set(given) == set(stored) and all(np.allclose(given[name], stored[name], atol=1e-5) for name in stored)


def test_importing_and_predicting_import_no_training_framework(bundled: Bundled) -> None:
    code = f"""
import sys
import numpy as np
from fair_hep import load
model = load({str(bundled[0].bundle)!r})
outputs = model.predict(np.load({str(bundled[0].bundle / "examples/inputs.npz")!r})["particles"])
assert outputs["logits"].shape[1] == 2
heavy = {{"torch", "lightning", "mlflow", "matplotlib", "pandas", "scipy", "onnx", "awkward"}} & set(sys.modules)
assert not heavy, heavy
"""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_stored_answers_come_back_from_every_form(
    model: LoadedModel, particles: np.ndarray, stored: dict[str, np.ndarray]
) -> None:
    jets = ragged(particles)
    columns = {name: [jet[:, i] for jet in jets] for i, name in enumerate(("E", "px", "py", "pz"))}
    records = awkward.zip({name: awkward.Array(values) for name, values in columns.items()})
    forms: list[Any] = [
        particles,
        particles.astype(np.float64),
        particles.tolist(),
        jets,
        [jet.tolist() for jet in jets],
        {"particles": jets},
        awkward.Array([jet.tolist() for jet in jets]),
        records,
        awkward.from_numpy(particles),
    ]
    for form in forms:
        assert same(model.predict(form), stored)


@pytest.mark.parametrize(
    "names",
    [("pt", "eta", "phi", "mass"), ("pt", "eta", "phi", "m"), ("Pt", "Eta", "Phi", "E"), ("rho", "eta", "phi", "t"),
     ("px", "py", "pz", "energy"), ("px", "py", "pz", "mass"), ("x", "y", "z", "t")],
)  # fmt: skip
def test_records_in_other_coordinates_give_the_same(
    model: LoadedModel, particles: np.ndarray, stored: dict[str, np.ndarray], names: tuple[str, ...]
) -> None:
    momenta = [jet.astype(np.float64).T for jet in ragged(particles)]
    pt = [np.hypot(px, py) for _, px, py, _ in momenta]
    known = {
        "pt": pt,
        "eta": [np.arcsinh(pz / t) for (*_, pz), t in zip(momenta, pt, strict=True)],
        "phi": [np.arctan2(py, px) for _, px, py, _ in momenta],
        "mass": [np.sqrt(np.maximum(e**2 - x**2 - y**2 - z**2, 0)) for e, x, y, z in momenta],
        **{name: [jet[number] for jet in momenta] for number, name in enumerate(("e", "px", "py", "pz"))},
    }
    same_as = {"m": "mass", "rho": "pt", "t": "e", "energy": "e", "x": "px", "y": "py", "z": "pz"}
    records = awkward.zip({name: awkward.Array(known[same_as.get(name.lower(), name.lower())]) for name in names})
    given = model.predict(records)
    assert np.abs(given["logits"] - stored["logits"]).max() < 2e-2


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_batches_change_nothing(
    model: LoadedModel, particles: np.ndarray, stored: dict[str, np.ndarray], batch: int
) -> None:
    assert same(model.predict(ragged(particles), batch=batch), stored)


def test_one_example_is_an_array_with_one_axis_less(
    model: LoadedModel, particles: np.ndarray, stored: dict[str, np.ndarray]
) -> None:
    given = model.predict(particles[0])
    assert same(given, {name: values[:1] for name, values in stored.items()})


def test_each_gives_examples_one_by_one(
    model: LoadedModel, particles: np.ndarray, stored: dict[str, np.ndarray]
) -> None:
    each = model.predict_each(ragged(particles), batch=5)
    assert same({name: np.stack([one[name] for one in each]) for name in stored}, stored)


def test_answers_come_in_the_order_of_the_examples(model: LoadedModel, particles: np.ndarray) -> None:
    jets = [jet[: 3 + 2 * (number % 7)] for number, jet in enumerate(ragged(particles))]
    alone = [model.predict([jet])["logits"][0] for jet in jets]
    assert np.allclose(model.predict(jets, batch=4)["logits"], alone, atol=1e-4)
    explained = model.explain(jets, batch=4)
    assert [len(one["relevance"]) for one in explained] == [len(jet) for jet in jets]
    assert np.allclose([one["logits"] for one in explained], alone, atol=1e-4)


def test_inputs_are_not_changed(model: LoadedModel, particles: np.ndarray) -> None:
    before = particles.copy()
    model.predict(particles)
    assert np.array_equal(before, particles)


def test_no_examples_give_no_answers(model: LoadedModel) -> None:
    assert model.predict([])["logits"].shape == (0, 2)
    assert model.predict(np.zeros((0, 3, 4), np.float32))["logits"].shape == (0, 2)


def test_an_example_without_elements_gets_a_finite_answer(model: LoadedModel, particles: np.ndarray) -> None:
    given = model.predict([[], ragged(particles)[0]])
    assert np.isfinite(given["logits"]).all()
    assert np.allclose(given["logits"][0], model.predict(np.zeros((1, 3, 4)))["logits"][0], atol=1e-5)


def test_more_padding_changes_nothing(model: LoadedModel, particles: np.ndarray, stored: dict[str, np.ndarray]) -> None:
    assert same(model.predict(np.pad(particles, [(0, 0), (0, 50), (0, 0)])), stored)


NAN = [[1.0, 0.0, 0.0, 1.0], [1.0, float("nan"), 0.0, 1.0]]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            [[[1.0, 0.0, 0.0]]],
            r"particles\[0\]: got shape \[1, 3\], expected \[constituents, 4\]: E, px, py, pz in GeV",
        ),
        ([[[1.0, 0.0, 0.0, 1.0]], NAN], r"particles\[1\]\[1, 1\] \(px\): got nan"),
        ([[[1.0, 0.0, 0.0, float("inf")]]], r"\(pz\): got inf"),
        ([[[-1.0, 0.0, 0.0, 1.0]]], r"\(E\): got -1.0, expected more than 0 GeV"),
        ([[[0.0, 0.0, 0.0, 1.0]]], r"\(E\): got 0.0, expected more than 0 GeV"),
        ([[[1e300, 0.0, 0.0, 1.0]]], "expected a finite number"),
        ([[["a", 0.0, 0.0, 1.0]]], "got something else than numbers"),
        ([[[1.0, 2.0], [1.0]]], "rows of different lengths"),
        ([3], r"got shape \[\]"),
        (np.zeros(4), "got 1 axes, expected 3: jets, constituents, component"),
        (np.zeros((1, 1, 1, 4)), "got 4 axes"),
        ("jets", "got str, expected a list of jets"),
        (None, "got NoneType"),
        ({"particle": []}, "got particle, expected particles"),
        ({"particles": [], "axis": []}, "expected particles"),
        (awkward.Array([[{"E": 1.0, "px": 1.0, "pz": 0.0}]]), "fields py missing; found E, px, pz"),
    ],
)
def test_what_does_not_fit_is_one_line_that_says_where(model: LoadedModel, value: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        model.predict(value)
    assert "\n" not in str(caught.value)


def test_mev_in_the_place_of_gev_are_warned_about_at_every_call(bundled: Bundled, particles: np.ndarray) -> None:
    model = load(bundled[0].bundle, threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(particles)
    words = r"particles: values from .* expected -14000 to 14000 \(unit GeV\): another unit\?"
    for _ in range(2):
        with pytest.warns(UserWarning, match=words) as caught:
            found = model.predict(particles * 1000)
        assert len(caught) == 1
        assert "\n" not in str(caught[0].message)
        assert "another unit?" in str(found.outside)


@pytest.mark.parametrize("names", [("px", "py", "pz", "E"), ("pt", "eta", "phi", "mass"), ("pt", "eta", "phi", "E")])
def test_vectors_of_scikit_hep_are_four_momenta(
    model: LoadedModel, particles: np.ndarray, stored: dict[str, np.ndarray], names: tuple[str, ...]
) -> None:
    plain = [
        vector.array(dict(zip(("E", "px", "py", "pz"), jet.astype(np.float64).T, strict=True)))
        for jet in ragged(particles)
    ]
    jets = [vector.array({name: getattr(jet, name) for name in names}) for jet in plain]
    records = vector.zip({name: awkward.Array([getattr(jet, name) for jet in jets]) for name in names})
    for given in (jets, records, list(records)):
        assert np.abs(model.predict(given)["logits"] - stored["logits"]).max() < 2e-2
    for single in (jets[0], records[0]):
        found = model.predict(single)["logits"]
        assert found.shape == (1, 2)
        assert np.abs(found - stored["logits"][:1]).max() < 2e-2


def test_structured_arrays_are_records_too(
    model: LoadedModel, particles: np.ndarray, stored: dict[str, np.ndarray]
) -> None:
    kind = np.dtype([(name, "f4") for name in ("pz", "px", "py", "energy")])
    padded = np.zeros(particles.shape[:2], kind)
    for name, number in (("energy", 0), ("px", 1), ("py", 2), ("pz", 3)):
        padded[name] = particles[..., number]
    assert same(model.predict(padded), stored)
    assert same(model.predict([jet[jet["energy"] > 0] for jet in padded]), stored)
    with pytest.raises(DataError, match="fields E missing; found pz, px, py"):
        model.predict(padded[["pz", "px", "py"]])


def test_a_missing_bundle_and_a_damaged_graph_are_one_line(bundled: Bundled, tmp_path: Path) -> None:
    with pytest.raises(MissingStepError, match="export"):
        load(tmp_path)
    folder = Path(shutil.copytree(bundled[0].bundle, tmp_path / "bundle"))
    (folder / bundle.MODEL).write_bytes(b"no graph")
    with pytest.raises(BundleError, match="ONNX Runtime can't load it") as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    (folder / bundle.MODEL).unlink()
    with pytest.raises(MissingStepError, match="export"):
        load(folder)


def test_a_graph_that_is_not_the_one_of_the_signature_is_refused(bundled: Bundled, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundled[0].bundle, tmp_path / "bundle"))
    graph = onnx.load(folder / bundle.MODEL)
    graph.graph.output.pop()
    onnx.save(graph, folder / bundle.MODEL)
    with pytest.raises(BundleError, match="its signature says"):
        load(folder)
