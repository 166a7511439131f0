"""A graph with a loop without end is stopped, and what is done in time isn't."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fair_hep.bundle.errors import BundleError
from fair_hep.bundle.session import compute, session


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a graph that doubles its input as long as ``again`` is true."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c_out"]), helper.make_node("Add", ["v", "v"], ["v_out"])],
        "body",
        [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, ["n"])],
        [value("c_out", TensorProto.BOOL, []), value("v_out", TensorProto.FLOAT, ["n"])],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["", "again", "x"], ["y"], body=body)],
        "endless",
        [value("again", TensorProto.BOOL, []), value("x", TensorProto.FLOAT, ["n"])],
        [value("y", TensorProto.FLOAT, ["n"])],
    )
    path = tmp_path_factory.mktemp("endless") / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_a_loop_without_end_is_stopped_in_one_line(endless: Path, capfd: pytest.CaptureFixture[str]) -> None:
    opened = session(endless, threads=1)
    start = time.monotonic()
    with pytest.raises(BundleError, match=r"wasn't done after 0.2 s and was stopped: does it end\?"):
        compute(opened, ["y"], {"again": np.array(True), "x": np.ones(2, np.float32)}, seconds=0.2)
    assert 0.2 <= time.monotonic() - start < 30
    assert capfd.readouterr() == ("", "")


def test_each_of_several_has_its_own_time(endless: Path) -> None:
    opened = session(endless, threads=1)

    def run(again: bool, seconds: float) -> float:
        begun = time.monotonic()
        try:
            compute(opened, ["y"], {"again": np.array(again), "x": np.ones(2, np.float32)}, seconds=seconds)
        except BundleError:
            return time.monotonic() - begun
        return 0.0

    with ThreadPoolExecutor(4) as pool:
        took = list(pool.map(run, [False, True, True, False], [60, 0.6, 0.2, 60]))
    assert took[0] == took[3] == 0
    assert 0.2 <= took[2] < took[1]
    # The watchdog goes on after it stopped somebody.
    assert run(False, 60) == 0
    assert run(True, 0.1) > 0
