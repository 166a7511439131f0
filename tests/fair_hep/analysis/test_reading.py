"""Only what is needed is read: of virtual arrays, and of arrays without data, by which dask-awkward plans."""

from __future__ import annotations

from typing import Any

import awkward
import numpy as np
import pytest

from fair_hep.analysis import ArrayModel
from fair_hep.analysis.model import _Step
from fair_hep.bundle.columns import find_columns
from support.nano import known_bundle, make_jets, write_nano

EVENTS = make_jets(6, 2)
#: What the map of NanoAOD names, and what it doesn't.
NEEDED = ("PFCand_pt", "PFCand_eta", "PFCand_phi", "PFCand_mass", "FatJetPFCand_jetIdx", "FatJetPFCand_pfCandIdx")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ArrayModel:
    return ArrayModel(known_bundle(tmp_path_factory.mktemp("kept"), [jet for jets in EVENTS for jet in jets]))


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import uproot

    path = tmp_path_factory.mktemp("nano") / "nano.root"
    write_nano(path, EVENTS)
    with uproot.open(path) as file:
        return file["Events"].arrays()


def virtual(array: Any) -> tuple[Any, set[str]]:
    """Return an array whose buffers are made when they are asked for, and the names of those that were."""
    form, length, buffers = awkward.to_buffers(awkward.to_packed(array))
    read: set[str] = set()

    def later(name: str, values: np.ndarray) -> Any:
        def make() -> np.ndarray:
            read.add(name)
            return values

        return make

    return awkward.from_buffers(form, length, {name: later(name, values) for name, values in buffers.items()}), read


def buffers_of(array: Any, *names: str) -> set[str]:
    """Return the names of the buffers of some fields."""
    form, _, buffers = awkward.to_buffers(awkward.to_packed(array))
    found = set()
    for name, content in zip(form.fields, form.contents, strict=True):
        if name in names:
            inside = [content] if not hasattr(content, "content") else [content, content.content]
            found |= {key for one in inside for key in buffers if key.startswith(f"{one.form_key}-")}
    return found


@pytest.mark.parametrize("verb", ["predict", "explain"])
def test_of_a_virtual_array_only_what_the_map_names_is_made(model: ArrayModel, events: Any, verb: str) -> None:
    array, read = virtual(events)
    found = getattr(model, verb)(array, columns="nanoaod")
    wanted = getattr(model, verb)(events, columns="nanoaod")
    assert awkward.array_equal(found, wanted)
    assert read == buffers_of(events, *NEEDED, "nFatJet")
    assert not read & buffers_of(events, "MET_pt", "FatJet_pt", "event")


@pytest.mark.parametrize("verb", ["elements", "predict", "explain"])
def test_without_data_the_type_is_known_and_what_will_be_read(model: ArrayModel, events: Any, verb: Any) -> None:
    form = awkward.to_packed(events).layout.form_with_key("node{id}")
    layout, report = awkward.typetracer.typetracer_with_report(form)
    step = _Step(model, verb, find_columns("nanoaod"), None)
    planned, computed = step(awkward.Array(layout)), step(events)
    assert awkward.backend(planned) == "typetracer"
    assert planned.layout.form == computed.layout.form
    keys = {content.form_key: name for name, content in zip(form.fields, form.contents, strict=True)}
    keys |= {c.content.form_key: name for name, c in zip(form.fields, form.contents, strict=True) if name in NEEDED}
    assert {keys[key] for key in report.data_touched if key in keys} == {*NEEDED, "nFatJet"}
