"""Prediction of events: a table with a list for every event, from the published layout and from Parquet."""

from __future__ import annotations

from pathlib import Path

import awkward
import numpy as np
import pyarrow.parquet
import pytest

from fair_hep import bundle
from fair_hep.bundle.errors import DataError
from fair_hep.bundle.runtime import load
from fair_hep.project import predict
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support import recipes
from support.recipes import model as model_named

Bundled = tuple[Project, Config]
MODEL = model_named("mlpf")


def test_the_published_layout_is_read_and_explained(bundled: Bundled, tmp_path: Path) -> None:
    file = recipes.sample("mlpf")["test"][-1]
    result = predict.run(bundled[0], None, file=file, output=tmp_path / "explained.parquet", explain=True)
    events = [event for chunk in MODEL.read(file, 100) for event in chunk["elements"]]
    assert result["examples"] == len(events)
    answers = load(bundled[0].bundle).predict_each(events)
    table = pyarrow.parquet.read_table(tmp_path / "explained.parquet").to_pydict()
    for number, (event, answer) in enumerate(zip(events, answers, strict=True)):
        assert np.allclose(table["momenta_log_pt"][number], answer["momenta"][:, 1], atol=1e-4)
        assert len(table["relevance_pt_or_et"][number]) == len(event)
    # What is explained is the sum over elements: "a particle" against "none".
    wanted = [answer["logits"] @ np.array([-1.0, *[0.2] * 5]) for answer in answers]
    assert np.allclose(table["explained"], [values.sum() for values in wanted], rtol=1e-4, atol=1e-3)


def test_columns_of_a_table_are_elements(bundled: Bundled, tmp_path: Path) -> None:
    file = recipes.sample("mlpf")["test"][-1]
    events = [event for chunk in MODEL.read(file, 100) for event in chunk["elements"]][:5]
    names = MODEL.inputs[0].columns
    table = awkward.zip({name: [event[:, i] for event in events] for i, name in enumerate(names)}, depth_limit=1)
    awkward.to_parquet(table, tmp_path / "events.parquet")
    predict.run(bundled[0], None, file=tmp_path / "events.parquet", output=tmp_path / "scores.h5")
    predict.run(bundled[0], None, file=file, output=tmp_path / "same.csv")
    with pytest.raises(DataError, match="same file"):
        predict.run(bundled[0], None, file=tmp_path / "scores.h5", output=tmp_path / "scores.h5")


def test_a_file_that_is_no_event_leaves_nothing(bundled: Bundled, tmp_path: Path) -> None:
    (tmp_path / "events.pkl.bz2").write_bytes(b"BZh9 no such thing")
    with pytest.raises(DataError, match=r"events\.pkl\.bz2"):
        predict.run(bundled[0], None, file=tmp_path / "events.pkl.bz2", output=tmp_path / "scores.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["events.pkl.bz2"]


def test_stored_relevances_come_back(bundled: Bundled, tmp_path: Path) -> None:
    folder = bundled[0].bundle
    stored = bundle.read_arrays(folder / "examples/relevance.npz")["relevance"]
    inputs = bundle.read_arrays(folder / "examples/inputs.npz")["elements"]
    events = [event[event[:, 0] > 0] for event in inputs]
    names = MODEL.inputs[0].columns
    table = awkward.zip({name: [event[:, i] for event in events] for i, name in enumerate(names)}, depth_limit=1)
    awkward.to_parquet(table, tmp_path / "events.parquet")
    predict.run(bundled[0], None, file=tmp_path / "events.parquet", output=tmp_path / "e.parquet", explain=True)
    given = pyarrow.parquet.read_table(tmp_path / "e.parquet").to_pydict()
    steady = set(range(len(events))) - set(bundle.read_examples(folder).unsteady)
    assert len(steady) > 4
    for row in steady:
        event, largest = events[row], np.abs(stored[row]).max()
        for number, name in enumerate(names):
            assert np.allclose(given[f"relevance_{name}"][row], stored[row, : len(event), number], atol=2e-3 * largest)
