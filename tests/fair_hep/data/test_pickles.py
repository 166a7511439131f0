"""Arrays out of pickles: what numpy writes comes back, and whatever asks for more is refused and named."""

from __future__ import annotations

import bz2
import os
import pickle
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_hep.bundle.errors import DataError
from fair_hep.data.pickles import load_arrays
from support.fuzzing import clean

ARRAYS: list[Any] = [
    np.arange(12.0).reshape(3, 4),
    np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    np.arange(6, dtype=">i4").reshape(2, 3),
    np.zeros((0, 7), np.float32),
    np.float64(2.5) * np.ones((2, 1, 3), np.float16),
]


def written(folder: Path, data: bytes) -> Path:
    path = folder / "events.pkl.bz2"
    path.write_bytes(bz2.compress(data))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_come_back_from_every_protocol(tmp_path: Path, protocol: int) -> None:
    content = {"X": ARRAYS, "pair": (ARRAYS[0], ARRAYS[0]), "number": 3}
    found = load_arrays(written(tmp_path, pickle.dumps(content, protocol)))
    assert found["number"] == 3
    for given, wanted in zip([*found["X"], *found["pair"]], [*ARRAYS, ARRAYS[0], ARRAYS[0]], strict=True):
        assert given.dtype == wanted.dtype
        np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_both_names_that_numpy_has_had_are_known(tmp_path: Path, module: bytes) -> None:
    data = pickle.dumps({"X": [ARRAYS[0]]}, 2)
    data = data.replace(b"numpy._core.multiarray", module).replace(b"numpy.core.multiarray", module)
    np.testing.assert_array_equal(load_arrays(written(tmp_path, data))["X"][0], ARRAYS[0])


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.what = function, arguments

    def __reduce__(self) -> Any:
        return self.what


def hostile(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Return pickles that ask for more than arrays, with what the message names."""
    trap = folder / "trap"
    array = pickle.dumps(np.arange(3.0), 2)
    return {
        "system": (pickle.dumps(Evil(os.system, f"touch {trap}")), r"(posix|nt|os)\.system"),
        "eval": (pickle.dumps({"X": [Evil(eval, f"open({str(trap)!r}, 'w')")]}), r"builtins\.eval"),
        "getattr": (b"cbuiltins\ngetattr\n.", r"builtins\.getattr"),
        "numpy itself": (b"cnumpy\nload\n(S'" + str(trap).encode() + b"'\ntR.", r"numpy\.load"),
        "objects": (pickle.dumps(np.array([{}, None], dtype=object), 2), "type 'O8'|array of objects"),
        "records": (pickle.dumps(np.zeros(2, dtype=[("a", "f8")]), 2), "type 'V8'|array"),
        "dates": (pickle.dumps(np.zeros(2, dtype="M8[s]"), 2), "type 'M8'"),
        "too few bytes": (array.replace(struct.pack("<d", 2.0), b""), "damaged|cut short|in 16 bytes|not a pickle"),
        "state of a class": (b"cnumpy\nndarray\n(dS'x'\nI1\nsb.", "an object with a state"),
        "registry": (pickle.EXT1 + b"\x01.", "extension registry"),
        "a set": (pickle.dumps({1, 2}, 4), "set"),
        "a persistent name": (b"Pname\n.", "damaged|persistent"),
    }


@pytest.mark.parametrize("case", list(hostile(Path())))
def test_what_asks_for_more_is_refused_named_and_not_run(tmp_path: Path, case: str) -> None:
    data, words = hostile(tmp_path)[case]
    with pytest.raises(DataError, match=words) as caught:
        load_arrays(written(tmp_path, data))
    assert "\n" not in str(caught.value)
    assert "events.pkl.bz2" in str(caught.value)
    assert not (tmp_path / "trap").exists()


def test_a_huge_length_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for code in (pickle.BINBYTES8, pickle.BINUNICODE8, pickle.BYTEARRAY8):
        with pytest.raises(DataError, match=r"after decompression|damaged|cut short"):
            load_arrays(written(tmp_path, b"\x80\x05" + code + struct.pack("<Q", 2**50) + b"x."))


def test_a_small_file_that_grows_is_refused(tmp_path: Path) -> None:
    data = pickle.dumps({"X": [np.zeros(2**18)]}, 4)
    path = written(tmp_path, data)
    assert path.stat().st_size < 2**14
    with pytest.raises(DataError, match="holds more than 1 MiB"):
        load_arrays(path, limit=2**20)
    assert len(load_arrays(path, limit=2**22)["X"][0]) == 2**18


def test_the_same_array_again_and_again_is_refused(tmp_path: Path) -> None:
    """Lists of lists of one array: a few bytes that would stand for terabytes."""
    bomb: Any = [np.zeros(2**12)] * 10
    for _ in range(12):
        bomb = [bomb] * 10
    with pytest.raises(DataError, match="again and again"):
        load_arrays(written(tmp_path, pickle.dumps(bomb, 4)))


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.99])
def test_what_is_cut_short_is_one_line(tmp_path: Path, cut: float) -> None:
    path = written(tmp_path, pickle.dumps({"X": [np.random.default_rng(0).random(5000)]}, 4))
    data = path.read_bytes()
    path.write_bytes(data[: int(cut * len(data))])
    with pytest.raises(DataError, match=r"cut short|damaged"):
        load_arrays(path)


@pytest.mark.parametrize("data", [b"", b"no pickle at all", b"\x80\x04", b"\x80\x63."])
def test_what_is_no_pickle_is_one_line(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DataError, match=r"not a pickle|cut short|damaged"):
        load_arrays(written(tmp_path, data))


def test_a_missing_file_and_one_that_is_not_bzip2_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_arrays(tmp_path / "nothing.pkl.bz2")
    path = tmp_path / "plain.pkl.bz2"
    path.write_bytes(pickle.dumps({"X": []}))
    with pytest.raises(DataError, match="not a file of bzip2"):
        load_arrays(path)


def test_arrays_are_read_only(tmp_path: Path) -> None:
    found = load_arrays(written(tmp_path, pickle.dumps([np.arange(3.0)], 4)))
    with pytest.raises(ValueError, match="read-only"):
        found[0][0] = 1.0


#: Pickles of few bytes that build much: what they repeat, and how often.
BOMBS = {
    "sets": (pickle.EMPTY_SET, 30_000_000),
    "marks": (pickle.MARK, 30_000_000),
    "lists": (pickle.EMPTY_LIST, 30_000_000),
    "the same again": (pickle.NONE + pickle.DUP * 100, 400_000),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_some_bytes_dont_build_millions_of_objects(tmp_path: Path, bomb: str) -> None:
    code, times = BOMBS[bomb]
    path = written(tmp_path, b"\x80\x04" + code * times + b".")
    assert path.stat().st_size < 300
    wanted = r"asks for (a set|more than 1,048,576 objects)|holds more than"
    with clean(BaseException), pytest.raises(DataError, match=wanted):
        load_arrays(path)


def nested(depth: int) -> bytes:
    """Return a tuple of two of the same, and so on: its hash and its text take 2^depth steps."""
    return b")" + (pickle.DUP + pickle.TUPLE2) * depth


@pytest.mark.parametrize(
    "data",
    [
        b"}" + nested(60) + b"Ns.",
        b"(" + nested(60) + b"Nd.",
        b"cnumpy\ndtype\n(" + nested(60) + b"tR.",
        b"c_codecs\nencode\n(X\x01\x00\x00\x00a" + nested(60) + b"tR.",
        b"cnumpy\nndarray\n)R(N" + nested(60) + b"NNC\x00tb.",
    ],
    ids=["key", "dict", "type", "encoding", "shape"],
)
def test_what_stands_for_more_than_could_be_told_is_never_looked_into(tmp_path: Path, data: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(DataError):
        load_arrays(written(tmp_path, data))
    assert time.process_time() - begun < 5


def test_room_for_what_isnt_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a memo of 2147483647 entries"):
        load_arrays(written(tmp_path, b"\x80\x04]r" + struct.pack("<I", 2**31 - 1) + b"."))
