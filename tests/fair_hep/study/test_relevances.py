"""Files of relevances: what is written is read back, padded, however deep rows are nested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fair_hep.bundle.errors import ExplainError
from fair_hep.data.blocks import Blocks
from fair_hep.study import relevances as module
from fair_hep.study.relevances import ELEMENTS, FILE, NOTHING, Column, read_relevances, write_relevances

#: Of every example some elements; some of them are explained, and each of those sees some.
LAYOUT = {
    "example/index": Column("[examples] position"),
    ELEMENTS: Column("[examples] number of elements"),
    "example/maps": Column("[examples] number of explained elements"),
    "element/input": Column("[elements, 2] raw input", ELEMENTS),
    "edge{place}/neighbour": Column("[elements, 1] the other end", ELEMENTS, NOTHING),
    "map/element": Column("[maps] which element is explained", "example/maps", NOTHING),
    "map/seen": Column("[maps] number of elements seen", "example/maps"),
    "ledger/error": Column("[maps, 1] error", "example/maps"),
    "seen/element": Column("[seen] which element is seen", "map/seen", NOTHING),
    "seen/relevance": Column("[seen, 2] relevance", "map/seen"),
}
#: For every example the number of elements, and of elements seen by each that is explained.
EXAMPLES = [(3, [2, 3]), (1, []), (4, [1]), (2, [2, 0, 2]), (5, [4])]


def part(number: int) -> dict[str, np.ndarray]:
    """Return the rows of one example; values tell where they belong."""
    elements, seen = EXAMPLES[number]
    total = sum(seen)
    return {
        "example/index": np.array([number]),
        ELEMENTS: np.array([elements], np.int32),
        "example/maps": np.array([len(seen)], np.int32),
        "element/input": 10.0 * number + np.arange(elements)[:, None] + np.array([0.0, 0.5]),
        "edge0/neighbour": np.arange(elements)[::-1, None].astype(np.int32),
        "map/element": np.arange(len(seen), dtype=np.int32),
        "map/seen": np.array(seen, np.int32),
        "ledger/error": 100.0 * number + np.arange(len(seen))[:, None],
        "seen/element": np.arange(total, dtype=np.int32),
        "seen/relevance": np.full((total, 2), float(number)),
    }


def parts(numbers: range) -> Iterator[Mapping[str, np.ndarray]]:
    return map(part, numbers)


def blocks(key: str = "key", work: Any = parts) -> Blocks:
    return Blocks(key, len(EXAMPLES), work)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_relevances(tmp_path, blocks(), LAYOUT, {"title": "test"})


@pytest.mark.parametrize("chunk", [1, 2, 1024])
def test_examples_come_padded_with_the_fillers_that_the_file_names(path: Path, chunk: int) -> None:
    assert [name.name for name in path.parent.iterdir()] == [FILE]
    number = 0
    for some in read_relevances(path, chunk):
        assert 1 <= len(some["example/index"]) <= chunk
        for row in range(len(some["example/index"])):
            one, wanted = some.row(row), part(number)
            elements, seen = EXAMPLES[number]
            assert one["example/index"] == number
            assert one["element/input"][:elements].tolist() == wanted["element/input"].tolist()
            assert not one["element/input"][elements:].any()
            assert (one["edge0/neighbour"][elements:] == NOTHING).all()
            assert one["map/element"].tolist()[: len(seen)] == list(range(len(seen)))
            assert (one["map/element"][len(seen) :] == NOTHING).all()
            start = 0
            for place, count in enumerate(seen):
                assert one["seen/element"][place][:count].tolist() == list(range(start, start + count))
                assert (one["seen/element"][place][count:] == NOTHING).all()
                assert (one["seen/relevance"][place][:count] == number).all()
                start += count
            number += 1
    assert number == len(EXAMPLES)


@pytest.mark.parametrize("chunk", [1, 3, 1024])
def test_maps_come_one_by_one_with_the_values_of_their_example(path: Path, chunk: int) -> None:
    found = [
        some.row(row)
        for some in read_relevances(path, chunk, rows="example/maps")
        for row in range(len(some["map/seen"]))
    ]
    wanted = [(number, place, count) for number, (_, seen) in enumerate(EXAMPLES) for place, count in enumerate(seen)]
    assert [(int(one["example/index"]), int(one["map/element"]), int(one["map/seen"])) for one in found] == wanted
    for one, (number, place, count) in zip(found, wanted, strict=True):
        assert one["ledger/error"].tolist() == [100.0 * number + place]
        assert one["seen/relevance"][:count].tolist() == [[number, number]] * count
        assert not one["seen/relevance"][count:].any() and (one["seen/element"][count:] == NOTHING).all()
        # Elements belong to the example, not to a map of it.
        assert "element/input" not in one and int(one[ELEMENTS]) == EXAMPLES[number][0]


def test_memory_is_bounded_by_what_padded_rows_take(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [len(some["example/index"]) for some in read_relevances(path)]
    monkeypatch.setattr(module, "LARGEST", 600)
    few = list(read_relevances(path))
    assert whole == [5] and len(few) > 1
    assert np.concatenate([some["example/index"] for some in few]).tolist() == list(range(5))
    for some in few:
        assert len(some["example/index"]) == 1 or sum(values.nbytes for values in some.values()) <= 600


def test_the_file_says_of_every_data_set_what_it_is(path: Path) -> None:
    with h5py.File(path) as file:
        assert file.attrs["title"] == "test" and "element/input: [elements, 2] raw input" in list(file.attrs["layout"])
        names = {f"{group}/{name}" for group in file for name in file[group]}
        assert names == {name.replace("{place}", "0") for name in LAYOUT}
        for name in names:
            column = LAYOUT[name.replace("edge0", "edge{place}")]
            assert dict(file[name].attrs) == vars(column)


def test_a_finished_file_is_kept_and_other_work_is_done_anew(path: Path) -> None:
    before = path.stat().st_mtime_ns
    write_relevances(path.parent, blocks(), LAYOUT, {})
    assert path.stat().st_mtime_ns == before
    write_relevances(path.parent, blocks("other"), LAYOUT, {})
    assert path.stat().st_mtime_ns != before


def test_what_an_interrupted_call_finished_is_left_to_the_next(tmp_path: Path) -> None:
    started: list[int] = []

    def some(numbers: range, stop: int = 99) -> Iterator[Mapping[str, np.ndarray]]:
        started.append(numbers.start)
        for number in numbers:
            if number == stop:
                raise KeyboardInterrupt
            yield part(number)

    with pytest.raises(KeyboardInterrupt):
        write_relevances(tmp_path, blocks(work=lambda numbers: some(numbers, 2)), LAYOUT, {})
    assert not (tmp_path / FILE).exists()
    (whole,) = read_relevances(write_relevances(tmp_path, blocks(work=some), LAYOUT, {}))
    assert started == [0, 2]
    assert whole["example/index"].tolist() == list(range(5))


def test_what_is_no_file_of_relevances_is_refused_in_one_line(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ExplainError, match=r"rows='example/map' counts nothing there, expected one of \['example/el"):
        next(read_relevances(path, rows="example/map"))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["jet/index"] = [1]
    with pytest.raises(ExplainError, match="jet/index doesn't say which rows it has"):
        next(read_relevances(tmp_path / "other.h5"))
    with pytest.raises(ExplainError, match="element/other isn't in the layout, which has example/index"):
        write_relevances(tmp_path / "new", Blocks("key", 1, lambda _: [{"element/other": np.zeros(1)}]), LAYOUT, {})
    with pytest.raises(ExplainError, match="nothing to explain"):
        write_relevances(tmp_path / "empty", Blocks("key", 0, lambda _: []), LAYOUT, {})
