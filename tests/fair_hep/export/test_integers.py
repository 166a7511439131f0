"""Which maps multiply integers: as many as answers bear, the least harmful first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest

from fair_hep.bundle.errors import BundleError, ModelError
from fair_hep.bundle.signature import LOOSEST
from fair_hep.export import integers
from fair_hep.export.integers import MARGIN, _Made, _Trials, to_int8, tolerance
from fair_hep.export.precision import How
from fair_hep.tracing.quantised import LinearMap, to_quantise


def mapped(number: int, rows: float = 30.0, searched: bool = False) -> LinearMap:
    return LinearMap(f"layer{number}", f"node{number}", f"weight{number}", False, searched, rows)


def trials(monkeypatch: pytest.MonkeyPatch, harm: Sequence[float]) -> tuple[_Trials, list[int]]:
    """Return trials in which maps do as much harm together as all of them alone."""
    sizes: list[int] = []

    def made(self: _Trials, chosen: Sequence[LinearMap]) -> _Made:
        sizes.append(len(chosen))
        return _Made(chosen, onnx.ModelProto(), SimpleNamespace(), sum(harm[int(one.layer[5:])] for one in chosen))  # type: ignore[arg-type]

    monkeypatch.setattr(_Trials, "_made", made)
    nothing: Any = None
    return _Trials(nothing, nothing, nothing, [], [], 1.0, Path()), sizes


def test_all_maps_where_answers_bear_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, sizes = trials(monkeypatch, [0.01, 0.02, 0.005])
    assert len(tried.best([mapped(number) for number in range(3)]).maps) == 3
    assert sizes == [3]


@pytest.mark.parametrize("count", range(1, 7))
def test_the_most_harmful_stay(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """With harms 1, 2, 4, ... the first ``count`` fit exactly."""
    unit = LOOSEST / MARGIN / (2**count - 1)
    harm = [unit * 2**number for number in range(7)]
    order = [3, 0, 6, 1, 5, 2, 4]
    tried, _ = trials(monkeypatch, harm)
    best = tried.best([mapped(number) for number in order])
    assert sorted(one.layer for one in best.maps) == [f"layer{number}" for number in range(count)]


def test_no_map_that_fits_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, _ = trials(monkeypatch, [0.2, 0.3])
    with pytest.raises(BundleError, match=r"differ by 0.5 .* by 0.2 if a single map .* take float16$"):
        tried.best([mapped(0), mapped(1)])


def test_a_network_without_linear_maps_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = SimpleNamespace(title="Sums", inputs=[SimpleNamespace(set_axis="elements")])
    for name in ("absorbed", "graph_of", "some"):
        monkeypatch.setattr(integers, name, lambda *_: None)
    for found, why in (([], "has no linear maps"), ([mapped(0, searched=True)], "has none that maps elements")):
        monkeypatch.setattr(integers, "linear_maps", lambda *_, found=found: found)
        with pytest.raises(ModelError, match=f"export.precision=int8: Sums {why}"):
            to_int8(model, model, ([{}], [{}]), How(20, 0, 1.0))


def test_what_maps_a_whole_set_stays_unless_there_are_no_sets() -> None:
    maps = [mapped(0), mapped(1, rows=1), mapped(2, searched=True)]
    assert [one.layer for one in to_quantise(maps, sets=True)] == ["layer0"]
    assert [one.layer for one in to_quantise(maps, sets=False)] == ["layer0", "layer1"]


def test_a_tolerance_is_never_below_what_it_must_cover() -> None:
    for largest in (1e-6, 0.00123, 0.01, 0.0123456, 0.0499):
        found = tolerance(largest, 1e-4)
        assert max(1e-4, MARGIN * largest) <= found <= 1.11 * max(1e-4, MARGIN * largest)
