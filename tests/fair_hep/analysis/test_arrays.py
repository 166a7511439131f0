"""A model for Awkward arrays: the numbers of `load`, in the lists that examples came in."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import awkward
import numpy as np
import pytest

from fair_hep import load
from fair_hep.analysis import ArrayModel, count, per_file
from fair_hep.bundle.errors import BundleError, ConfigError, DataError
from fair_hep.bundle.runtime import Answers, LoadedModel
from fair_hep.bundle.signature import read_examples
from support.kept import kept
from support.nano import Events, known_bundle, make_jets, momenta, write_nano

EVENTS = make_jets(12, 1)
JETS = [jet for jets in EVENTS for jet in jets]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return known_bundle(tmp_path_factory.mktemp("kept"), JETS)


@pytest.fixture(scope="module")
def model(bundle: Path) -> ArrayModel:
    return ArrayModel(bundle)


@pytest.fixture(scope="module")
def plain(bundle: Path) -> LoadedModel:
    return load(bundle, threads=1)


@pytest.fixture(scope="module")
def expected(plain: LoadedModel) -> Answers:
    return plain.predict([momenta(jet) for jet in JETS])


def records(events: Events, names: tuple[str, ...] = ("pt", "eta", "phi", "mass")) -> Any:
    """Return events of jets of constituents, with the components of `momenta` where they are asked for."""
    flat = np.concatenate([jet for jets in events for jet in jets] or [np.zeros((0, 4), np.float32)])
    known = dict(zip(("pt", "eta", "phi", "mass"), flat.T, strict=True))
    known |= dict(zip(("energy", "px", "py", "pz"), momenta(flat).T, strict=True))
    known |= {"E": known["energy"], "x": known["px"], "y": known["py"], "z": known["pz"], "t": known["energy"]}
    elements = awkward.zip({name: awkward.from_numpy(np.ascontiguousarray(known[name])) for name in names})
    jets = awkward.unflatten(elements, np.array([len(jet) for jets in events for jet in jets], np.int64))
    return awkward.unflatten(jets, np.array([len(jets) for jets in events], np.int64))


def same(found: Any, wanted: np.ndarray, tolerance: float) -> None:
    columns = [awkward.to_numpy(awkward.flatten(found[name], axis=None)) for name in found.fields]
    np.testing.assert_allclose(np.stack(columns, -1), wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "names",
    [
        ("pt", "eta", "phi", "mass"),
        ("pt", "eta", "phi", "energy"),
        ("px", "py", "pz", "E"),
        ("px", "py", "pz", "mass"),
        ("x", "y", "z", "t"),
    ],
)
def test_events_of_jets_are_scored_in_their_lists(
    model: ArrayModel, bundle: Path, expected: Answers, names: tuple[str, ...]
) -> None:
    scores = model(records(EVENTS, names))
    assert awkward.num(scores).to_list() == [len(jets) for jets in EVENTS]
    same(scores.logits, expected["logits"], read_examples(bundle).tolerance)
    same(scores.probabilities, expected["probabilities"], read_examples(bundle).tolerance)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_lists_are_as_deep_as_somebody_likes(model: ArrayModel, expected: Answers, depth: int) -> None:
    array = records(EVENTS)
    array = awkward.flatten(array) if depth == 1 else awkward.Array([array.to_list()] * 2) if depth == 3 else array
    scores = model.predict(array)
    assert scores.logits.top.ndim == depth
    for axis in range(1, depth):
        assert awkward.num(scores.logits.top, axis=axis).to_list() == awkward.num(array, axis=axis).to_list()
    times = 2 if depth == 3 else 1
    same(scores.logits, np.concatenate([expected["logits"]] * times), 1e-4)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_what_may_be_missing_and_is_not_is_there(model: ArrayModel, expected: Answers, axis: int) -> None:
    """As coffea's cross-references give it, in lists that something was masked of."""
    array = records(EVENTS)
    there = ~awkward.is_none(array.pt, axis=axis)
    scores = model.predict(awkward.mask(array, there))
    same(scores.logits, expected["logits"], 1e-4)
    assert "?" not in str(scores.type)


def test_every_constituent_has_its_relevance(model: ArrayModel, plain: LoadedModel) -> None:
    array = records(EVENTS[:4])
    why = model.explain(array)
    assert awkward.num(why.relevance, axis=2).to_list() == awkward.num(array, axis=2).to_list()
    wanted = plain.explain([momenta(jet) for jets in EVENTS[:4] for jet in jets])
    largest = max(float(np.abs(one["relevance"]).max()) for one in wanted)
    same(why.relevance, np.concatenate([one["relevance"] for one in wanted]), largest * 1e-3)
    ledger = sum(why.ledger[part] for part in ("bias", "epsilon", "lost"))
    relevance = sum(awkward.sum(why.relevance[name], axis=-1) for name in why.relevance.fields)
    np.testing.assert_allclose(awkward.flatten(relevance + ledger), awkward.flatten(why.explained), atol=1e-3)
    other = model.explain(array, [0.0, 1.0])
    np.testing.assert_allclose(awkward.flatten(other.explained), awkward.flatten(other.logits.top), rtol=1e-5)


def test_jets_are_selected_before_they_are_explained(model: ArrayModel, tmp_path: Path) -> None:
    jets = model.elements(records(EVENTS[:4]))
    assert jets.fields == ["E", "px", "py", "pz"]
    scores = model.predict(jets)
    chosen = scores.logits.top > np.median(awkward.flatten(scores.logits.top))
    why = model.explain(jets[chosen])
    np.testing.assert_allclose(awkward.flatten(why.logits.top), awkward.flatten(scores.logits.top[chosen]), atol=1e-4)


def test_padding_is_no_constituent_and_keeps_its_place(model: ArrayModel) -> None:
    array = records(EVENTS[:6])
    zeros = awkward.Array([[[{"pt": 0.0, "eta": 0.0, "phi": 0.0, "mass": 0.0}] for _ in jets] for jets in EVENTS[:6]])
    padded = awkward.concatenate([zeros, array, zeros], axis=2)
    why, wanted = model.explain(padded), model.explain(array)
    np.testing.assert_allclose(awkward.flatten(why.logits.top), awkward.flatten(wanted.logits.top), atol=1e-5)
    assert awkward.all(why.relevance.log_pt[..., [0, -1]] == 0)
    difference = awkward.flatten(why.relevance.log_pt[..., 1:-1] - wanted.relevance.log_pt, axis=None)
    assert np.abs(awkward.to_numpy(difference)).max() < 1e-3
    regular = awkward.from_numpy(np.zeros((2, 3, 4)))
    boxed = awkward.zip({name: regular[..., number] for number, name in enumerate(("E", "px", "py", "pz"))})
    assert model.elements(boxed).E.to_list() == [[0.0] * 3] * 2


@pytest.mark.parametrize("schema", ["branches", "collections"])
def test_nanoaod_by_branches_and_as_collections(
    model: ArrayModel, expected: Answers, tmp_path: Path, schema: str
) -> None:
    import uproot

    write_nano(tmp_path / "nano.root", EVENTS, seed=3)
    with uproot.open(tmp_path / "nano.root") as file:
        events = file["Events"].arrays()
    if schema == "collections":
        names = {name: [f for f in events.fields if f.startswith(f"{name}_")] for name in ("PFCand", "FatJetPFCand")}
        zipped = {k: awkward.zip({f.removeprefix(f"{k}_"): events[f] for f in v}) for k, v in names.items()}
        events = awkward.zip({**zipped, "FatJet": awkward.zip({"pt": events["FatJet_pt"]})}, depth_limit=1)
    scores = model.predict(events, columns="nanoaod")
    assert awkward.num(scores).to_list() == [len(jets) for jets in EVENTS]
    same(scores.logits, expected["logits"], 1e-4)
    given = model.elements(events, columns="nanoaod")
    same(given, np.concatenate([momenta(jet) for jet in JETS]), 1e-3)


def test_a_map_says_which_fields_are_what_at_any_depth(model: ArrayModel, expected: Answers) -> None:
    array = records(EVENTS)
    odd = awkward.zip({"a": array.pt * 1000, "b": array.eta, "c": array.phi, "d": array.mass * 1000})
    elements = {"pt": "a", "eta": "b", "phi": "c", "m": "d"}
    columns = {"elements": elements, "unit": "MeV"}
    same(model.predict(odd, columns=columns).logits, expected["logits"], 1e-3)
    massless = model.predict(odd[["a", "b", "c"]], columns={"elements": {**elements, "m": 0.0}, "unit": "MeV"})
    assert awkward.num(massless).to_list() == [len(jets) for jets in EVENTS]


def test_outputs_of_elements_lie_beside_them(tmp_path: Path) -> None:
    folder = kept("mlpf", tmp_path)
    plain, model = load(folder, threads=1), ArrayModel(folder)
    inputs = np.load(folder / "examples" / "inputs.npz")["elements"]
    events = [one[(one != 0).any(1)][:50] for one in inputs]
    names = plain.signature.inputs[0].columns
    flat = np.concatenate(events)
    array = awkward.unflatten(
        awkward.zip({name: np.ascontiguousarray(flat[:, number]) for number, name in enumerate(names)}),
        [len(one) for one in events],
    )
    found, wanted = model.predict(array), plain.predict_each(events)
    assert awkward.num(found.momenta).to_list() == [len(one) for one in events]
    same(found.momenta, np.concatenate([one["momenta"] for one in wanted]), 1e-4)
    assert found.probabilities.fields == list(plain.signature.outputs[0].columns)


def test_nothing_in_gives_nothing_of_the_same_type_out(model: ArrayModel) -> None:
    array = records(EVENTS[:3])
    for verb in (model.elements, model.predict, model.explain):
        whole, none = verb(array), verb(array[:0])
        assert len(none) == 0
        assert none.type.content == whole.type.content
        assert verb(awkward.Array(array.layout[:, :0])).type.content == whole.type.content


def test_what_is_outside_is_counted_by_file_and_reason(model: ArrayModel, plain: LoadedModel) -> None:
    array = records(EVENTS)
    hard = awkward.with_field(array, awkward.where(array.pt == awkward.max(array.pt, axis=None), 9e3, array.pt), "pt")
    known = count(model.predict(array), "a.root")
    assert known == {"a.root": {"examples": len(JETS), "outside": 0, "reasons": {}}}
    found = count(model.predict(hard), "b.root")["b.root"]
    assert (found["examples"], found["outside"]) == (len(JETS), 1)
    (text,) = [reason for reason in found["reasons"] if reason.startswith("jet pT")]
    assert text == f"jet pT, trained on {plain.signature.domain[0].range_text()}"
    empty = count(model.predict(awkward.concatenate([array[:1], awkward.Array([[[]]])])), "c.root")["c.root"]
    assert sum(empty["reasons"].values()) == empty["outside"] == 1
    both = per_file(
        awkward.Array([{"file": "a", "examples": 3, "outside": 1, "reasons": [{"text": "x", "examples": 1}]}] * 2)
    )
    assert both == {"a": {"examples": 6, "outside": 2, "reasons": {"x": 2}}}
    with pytest.raises(DataError, match="count: got Array without 'outside'"):
        count(array)


def bad(array: Any, **fields: Any) -> Any:
    for name, values in fields.items():
        array = awkward.with_field(array, values, name)
    return array


ARRAY = records(EVENTS[:3])


@pytest.mark.parametrize(
    ("array", "columns", "line"),
    [
        ([[1.0]], None, "inputs: got list, expected an Awkward array"),
        (ARRAY[["pt", "eta"]], None, r"inputs: got the fields pt, eta, which don't give E, px, py, pz; expected"),
        (awkward.Array([1.0, 2.0]), None, "inputs: got the fields none, which don't give"),
        (ARRAY, "nanoaod", "inputs: missing column PFCand_pt; found pt, eta, phi, mass"),
        (ARRAY, {"elements": {"pt": "pt"}}, "which doesn't give 'E'"),
        (ARRAY[0, 0], None, "inputs: column pt: got one number for each row, expected a list"),
        (bad(ARRAY, pt=awkward.mask(ARRAY.pt, ARRAY.pt > 1)), None, "column pt: got missing values, expected a number"),
        (awkward.pad_none(ARRAY, 5, axis=1), None, "column pt: got missing lists, expected a list everywhere"),
        (bad(ARRAY, eta=ARRAY.pt * np.nan), None, "inputs: column eta: row 0: got nan, expected a finite number"),
        (bad(ARRAY, phi=awkward.zip({"x": ARRAY.pt})), None, "column phi: got .* expected numbers in lists"),
        (
            bad(ARRAY, pt=ARRAY.pt * 0, mass=ARRAY.pt * 0),
            None,
            "E of the constituents: row 0: got 0.0, expected a value",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(model: ArrayModel, array: Any, columns: Any, line: str) -> None:
    with pytest.raises((DataError, ConfigError), match=line) as caught:
        model.predict(array, columns=columns)
    assert "\n" not in str(caught.value)


def test_lists_of_different_lengths_are_one_line(model: ArrayModel) -> None:
    fields = {name: ARRAY[name] for name in ("pt", "eta", "phi", "mass")}
    apart = awkward.zip({**fields, "eta": ARRAY.eta[:, :, 1:]}, depth_limit=1)
    with pytest.raises(DataError, match="row 0: eta has"):
        model.predict(apart)
    apart = awkward.zip({**fields, "eta": awkward.concatenate([ARRAY.eta[:1, :-1], ARRAY.eta[1:]])}, depth_limit=1)
    with pytest.raises(DataError, match="eta and pt are in lists of different lengths"):
        model.predict(apart)


@pytest.mark.parametrize("target", [[1.0], [1.0, np.inf], "top", [[1.0, 0.0]]])
def test_a_target_that_does_not_fit_is_one_line(model: ArrayModel, target: Any) -> None:
    with pytest.raises(DataError, match=r"^target: got "):
        model.explain(ARRAY, target)


def test_what_cannot_be_explained_or_given_is_one_line(tmp_path: Path, bundle: Path) -> None:
    model = ArrayModel(kept("third_party", tmp_path))
    with pytest.raises(BundleError, match="was made from an ONNX file"):
        model.explain(ARRAY)
    with pytest.raises(DataError, match=r"takes x \(things, side\), which is no list of elements"):
        model.predict(awkward.Array([{"a": [1.0], "b": [1.0], "c": [1.0]}]), columns={"elements": {"a": "a"}})
    with pytest.raises(DataError, match="threads: got -1, expected 0"):
        ArrayModel(bundle, threads=-1)


def test_without_awkward_it_says_what_brings_it(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"^a model for arrays needs awkward: .*\[analysis\]"):
        ArrayModel(bundle)
