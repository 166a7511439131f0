"""The runtime on events: small ones, wrong ones and ones that are too large."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from fair_hep import bundle
from fair_hep.bundle.errors import DataError
from fair_hep.bundle.runtime import LoadedModel, load
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project

Bundled = tuple[Project, Config]


@pytest.fixture(scope="module")
def model(bundled: Bundled) -> LoadedModel:
    return load(bundled[0].bundle, threads=1)


@pytest.fixture(scope="module")
def events(bundled: Bundled) -> list[np.ndarray]:
    stored = bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")["elements"]
    return [event[event[:, 0] > 0] for event in stored]


def test_events_come_back_one_by_one_with_a_row_for_every_element(
    model: LoadedModel, events: list[np.ndarray], bundled: Bundled
) -> None:
    stored = bundle.read_arrays(bundled[0].bundle / "examples/outputs.npz")
    for number, (event, given) in enumerate(zip(events, model.predict_each(events), strict=True)):
        for name, values in stored.items():
            assert given[name].shape == (len(event), 6)
            assert np.allclose(given[name], values[number, : len(event)], atol=1e-4)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 15, 16, 17])
def test_events_with_fewer_elements_than_neighbours_have_answers(
    model: LoadedModel, events: list[np.ndarray], count: int
) -> None:
    (given,) = model.predict_each([max(events, key=len)[:count]])
    assert set(given) == {"logits", "probabilities", "momenta"}
    assert all(values.shape == (count, 6) and np.isfinite(values).all() for values in given.values())


def test_no_events_are_no_answers(model: LoadedModel) -> None:
    assert model.predict_each([]) == []


def test_mev_in_the_place_of_gev_are_warned_about_at_every_call(bundled: Bundled, events: list[np.ndarray]) -> None:
    model = load(bundled[0].bundle, threads=1)
    # Test events are harder than those of the training: some have an element above all that it saw.
    (momentum,) = (known for known in model.signature.domain if known.value == "p_or_energy")
    within = [event for event in events if event[:, 5].max() <= momentum.edges[1]]
    assert 2 <= len(within) < len(events)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict_each(within)
    wrong = events[0].copy()
    wrong[:, [1, 5]] *= 1000
    words = r"elements \(p\w+\): .*expected 0 to 14000 \(unit GeV\): another unit\?"
    for _ in range(2):
        with pytest.warns(UserWarning, match=words) as caught:
            found = model.predict_each([wrong])
        assert len(caught) == 1
        assert "\n" not in str(caught[0].message)
        assert "another unit?" in str(found[0].outside)


def _changed(column: int, value: float) -> Any:
    def change(event: np.ndarray) -> np.ndarray:
        changed = event.copy()
        changed[2, column] = value
        return changed

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_changed(0, 3), r"elements\[1\]\[2, 0\] \(type\): got 3.*expected 1 or 2"),
        (_changed(0, 0), r"elements\[1\]\[2, 0\] \(type\): got 0"),
        (_changed(1, np.nan), r"elements\[1\]\[2, 1\] \(pt_or_et\): got nan, expected a finite number"),
        (_changed(5, np.inf), r"\(p_or_energy\): got inf"),
        (
            lambda event: event[:, :11],
            r"elements\[1\]: got shape \[\d+, 11\], expected \[elements, 12\]",
        ),
        (lambda event: np.ones((20_000, 12)), r"elements\[1\]: got 20000 elements, expected at most 10000"),
        (lambda event: "an event", "elements"),
    ],
)
def test_what_does_not_fit_is_one_line_that_says_where(
    model: LoadedModel, events: list[np.ndarray], change: Any, words: str
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        model.predict_each([events[0], change(events[1])])
    assert "\n" not in str(caught.value)
