"""What was published once stays usable: bundles of earlier versions, and fields that a later one may add."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_hep import BundleError, ConfigError, LoadedModel, TensorSpec, load, validate
from fair_hep import bundle as core
from fair_hep.bundle.files import read_json, write_json
from fair_hep.bundle.stored import Stored
from support.kept import ARCHIVES, unpacked


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: f"{path.parent.name}-{path.name.partition('.')[0]}")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(request.param, tmp_path_factory.mktemp("published"))


def test_there_is_one_of_each_kind() -> None:
    names = {path.name.partition(".")[0] for path in ARCHIVES if path.parent.name == "before-0.2"}
    assert names == {"particlenet", "mlpf", "imported", "third_party"}
    assert sum(path.stat().st_size for path in ARCHIVES) < 2 * 2**20


def test_it_gives_its_stored_answers_and_relevances(folder: Path) -> None:
    model = load(folder, threads=1)
    checks = {check.output: check for check in model.verify()}
    assert set(checks) == set(Stored.read(folder).answers)
    assert ("relevance" in checks) == model.signature.explainable
    for check in checks.values():
        assert check.largest is not None
        assert check.largest <= check.tolerance, str(check)
        assert check.flipped == 0


def test_it_answers_and_explains_one_example_as_among_others(folder: Path) -> None:
    model = load(folder, threads=1)
    inputs = core.read_arrays(folder / "examples" / "inputs.npz")
    first = {name: values[:1] for name, values in inputs.items()}
    together, alone = model.predict(inputs), model.predict(first)
    assert set(together) == {spec.name for spec in model.signature.outputs}
    for name, values in alone.items():
        np.testing.assert_allclose(together[name][:1], values, atol=1e-4)
    if not model.signature.explainable:
        with pytest.raises(BundleError, match="made from an ONNX file without its source"):
            model.explain(first)
        return
    (why,) = model.explain(first)
    # The first three entries of the ledger are what biases, stabiliser and empty denominators took.
    whole = float(why["relevance"].sum() + why["ledger"][:3].sum())
    np.testing.assert_allclose(whole, float(why["explained"]), atol=1e-4 * max(1.0, abs(float(why["explained"]))))


def test_it_is_cited(folder: Path) -> None:
    assert "Tiny tagger" in load(folder).cite().text


def test_fields_of_a_later_version_change_nothing(folder: Path) -> None:
    before = _told(folder)
    for name in (core.SIGNATURE, core.EXAMPLES):
        write_json(folder / name, _grown(read_json(folder / name)))
    (folder / core.SUMS).unlink()
    core.write_sums(folder)
    assert read_json(folder / core.SIGNATURE)["inputs"][0]["invented"] == {"deep": [1]}
    assert _told(folder) == before
    load(folder, threads=1).verify()


def _told(folder: Path) -> tuple[Any, Any]:
    return core.read_signature(folder), core.read_examples(folder)


def _grown(values: Any, *, free: bool = False) -> Any:
    """Add an invented field to every object, but to those that map names of the model's own (``free``)."""
    if isinstance(values, list):
        return [_grown(value) for value in values]
    if not isinstance(values, dict):
        return values
    own = ("sizes", "allowed", "limits", "units", "hyperparameters")
    grown = {name: _grown(value, free=name in own) for name, value in values.items()}
    return grown if free else {**grown, "invented": {"deep": [1]}}


def test_a_format_of_the_future_is_refused(folder: Path) -> None:
    path = folder / core.SIGNATURE
    values = read_json(path)
    write_json(path, {**values, "bundle_format": 2})
    with pytest.raises(BundleError, match="bundle_format is 2, expected 1: use a version that reads it"):
        LoadedModel(folder)
    write_json(path, values)


def test_a_misspelt_field_of_an_author_is_still_an_error() -> None:
    known = {"name": "x", "axes": ["n"], "dynamic": ["n"], "sizes": {}, "dtype": "float32", "meaning": "a length"}
    assert validate(TensorSpec, known, "inputs").name == "x"
    with pytest.raises(ConfigError, match="unknown key 'unti', did you mean 'unit'"):
        validate(TensorSpec, {**known, "unti": "m"}, "inputs")
