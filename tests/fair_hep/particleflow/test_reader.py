"""Files of the MLPF data set: read, refused with a place, converted, and given in batches."""

from __future__ import annotations

import bz2
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_hep.bundle.errors import ConfigError, DataError
from fair_hep.data.delphes import Event, write_events
from fair_hep.data.store import Store
from fair_hep.particleflow.dataset import EventDataset
from fair_hep.particleflow.reader import convert, read_elements, read_file
from fair_hep.particleflow.synthetic import events as example


def some(count: int = 5, seed: int = 0) -> list[Event]:
    """Return events of different sizes, one of them with a single element."""
    batch = example(count, seed, longest=30)
    lengths = (batch["elements"][..., 0] > 0).sum(1).tolist()
    names = ("elements", "gen", "cand")
    return [
        Event(*(batch[name][number, :length].double().numpy() for name in names))
        for number, length in enumerate(lengths)
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tev14_pythia8_ttbar_0_0.pkl.bz2"
    write_events(path, some())
    return path


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change what is in a file."""
    with bz2.open(path) as stream:
        content = pickle.load(stream)
    change(content)
    with bz2.open(path, "wb") as stream:
        pickle.dump(content, stream)
    return path


def test_what_is_written_is_read_again(file: Path) -> None:
    found = read_file(file)
    for number, event in enumerate(some()):
        np.testing.assert_array_equal(found.elements[number], event.elements.astype(np.float32))
        np.testing.assert_array_equal(found.gen[number], event.gen.astype(np.float32))
        np.testing.assert_array_equal(found.cand[number], event.cand.astype(np.float32))


def test_the_same_events_give_the_same_bytes(file: Path, tmp_path: Path) -> None:
    write_events(tmp_path / "again.pkl.bz2", some())
    assert (tmp_path / "again.pkl.bz2").read_bytes() == file.read_bytes()


def test_both_spellings_of_the_suffix_are_read(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "tev14_pythia8_ttbar_0_1.pkl.bzip2"
    shutil.copy(file, other)
    counts = convert([file, other], tmp_path / "store")
    assert counts["events"] == 10


def test_elements_are_read_without_targets_and_in_pieces(file: Path) -> None:
    changed(file, lambda content: (content.pop("ygen"), content.pop("ycand")))
    pieces = list(read_elements(file, 2))
    assert [len(piece) for piece in pieces] == [2, 2, 1]
    for given, event in zip([e for piece in pieces for e in piece], some(), strict=True):
        np.testing.assert_array_equal(given, event.elements.astype(np.float32))


def put(name: str, event: int, row: int, column: int, value: float) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content[name][event] = content[name][event].copy()
        content[name][event][row, column] = value

    return change


def replaced(name: str, event: int, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[name].__setitem__(event, value)


BAD: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "NaN": (put("X", 1, 2, 5, np.nan), r"X, event 1, row 2, column 5: got nan, expected a finite number"),
    "infinite": (put("ygen", 1, 0, 6, np.inf), r"ygen, event 1, row 0, column 6: got inf"),
    "type 3": (put("X", 1, 4, 0, 3), r"X, event 1, row 4, column 0: got 3, expected 1 \(tower\) or 2 \(track\)"),
    "type 0": (put("X", 0, 0, 0, 0), "got 0, expected 1"),
    "unknown pid": (put("ygen", 1, 3, 0, 6), r"ygen, event 1, row 3, column 0: got 6, expected a pid from 0 to 5"),
    "half a pid": (put("ycand", 1, 3, 0, 1.5), "got 1.5, expected a pid"),
    "negative pT": (put("X", 1, 0, 1, -1), "got -1, expected pT or ET of 0 GeV or more"),
    "no direction": (put("X", 1, 0, 3, 5), "expected sin phi that fits cos phi"),
    "shape": (replaced("X", 1, np.zeros((4, 11))), r"X, event 1: got shape \(4, 11\), expected \(elements, 12\)"),
    "rows": (replaced("ygen", 0, np.zeros((7, 7))), "ygen, event 0: got 7 rows for 1 elements"),
    "missing": (lambda content: content.pop("ygen"), "ygen is missing, found X, ycand"),
    "other data set": (
        lambda content: content.update(table=content.pop("X")),
        "X is missing, found table, ycand, ygen",
    ),
    "events": (lambda content: content["ycand"].pop(), "expected the same number of events"),
    "no event": (lambda content: content.update(X=[], ygen=[], ycand=[]), "got 0 events"),
    "no arrays": (replaced("X", 0, [1, 2]), "X is no list of arrays"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_no_event_can_hold_is_one_line_with_its_place(file: Path, tmp_path: Path, case: str) -> None:
    change, words = BAD[case]
    with pytest.raises(DataError, match=words) as caught:
        convert([changed(file, change)], tmp_path / "store")
    assert "\n" not in str(caught.value)
    assert file.name in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_a_file_that_runs_code_is_refused(file: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return open, (str(tmp_path / "trap"), "w")

    with pytest.raises(DataError, match="open; refused"):
        read_file(changed(file, lambda content: content.update(more=Evil())))
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize(("name", "words"), [("a.h5", "got suffix '.h5'"), ("nothing.pkl.bz2", "no such file")])
def test_other_files_are_one_line(tmp_path: Path, name: str, words: str) -> None:
    if name.endswith(".h5"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=words):
        convert([tmp_path / name], tmp_path / "store")


def test_no_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got no files"):
        convert([], tmp_path / "store")


def test_processes_change_nothing(tmp_path: Path) -> None:
    files = [tmp_path / f"train_{number}.pkl.bz2" for number in range(3)]
    for number, path in enumerate(files):
        write_events(path, some(seed=number))
    for count in (1, 2):
        convert(files, tmp_path / str(count), processes=count)
    one, two = (Store(tmp_path / str(count)).ragged("elements") for count in (1, 2))
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.offsets, two.offsets)


def test_an_empty_event_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "train_0.pkl.bz2"
    write_events(path, [*some(2), Event(np.zeros((0, 12)), np.zeros((0, 7)), np.zeros((0, 7)))])
    convert([path], tmp_path / "store")
    dataset = EventDataset(Store(tmp_path / "store"))
    assert dataset.lengths().tolist() == [1, 30, 0]
    assert not dataset[2]["elements"].any()


@pytest.fixture
def store(file: Path, tmp_path: Path) -> Store:
    convert([file], tmp_path / "store")
    return Store(tmp_path / "store")


def test_batches_are_padded_with_zeros_in_the_order_asked_for(store: Store) -> None:
    dataset = EventDataset(store)
    batch = dataset.__getitems__([3, 0])
    for place, number in enumerate((3, 0)):
        event = some()[number]
        length = len(event.elements)
        np.testing.assert_array_equal(batch["elements"][place, :length], event.elements.astype(np.float32))
        np.testing.assert_array_equal(batch["gen"][place, :length], event.gen.astype(np.float32))
        assert not batch["elements"][place, length:].any()
        assert not batch["cand"][place, length:].any()


def test_the_target_is_what_was_chosen(store: Store) -> None:
    for name in ("gen", "cand"):
        batch = EventDataset(store, target=name).__getitems__([1, 2])
        assert batch["target"].equal(batch[name])


@pytest.mark.parametrize(
    ("options", "words"),
    [({"target": "sim"}, "target"), ({"limit": -1}, "limit"), ({"cut": 1}, "cut"), ({"limit": 3}, "raise the limit")],
)
def test_options_that_do_not_fit_are_one_line(store: Store, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        EventDataset(store, **options)


def test_the_data_set_can_be_sent_to_another_process(store: Store) -> None:
    again = pickle.loads(pickle.dumps(EventDataset(store, target="cand")))
    assert again.options.target == "cand"
    assert again[1]["elements"].equal(EventDataset(store)[1]["elements"])
