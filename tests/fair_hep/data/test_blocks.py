"""Work in blocks: whoever computed them, in whatever order and however often it was interrupted, all come once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from fair_hep.bundle.errors import DataError
from fair_hep.bundle.parts import Part
from fair_hep.data.blocks import Blocks, adopt, collect, compute, forget

COUNT = 11


class Counted:
    """Squares, and how often each was computed; a call is stopped after so many."""

    def __init__(self, stop: int = COUNT) -> None:
        self.seen: list[int] = []
        self.stop = stop
        self.blocks = Blocks("key", COUNT, self._work)

    def _work(self, numbers: range) -> Iterator[Mapping[str, np.ndarray]]:
        for done, number in enumerate(numbers):
            if done == self.stop:
                raise KeyboardInterrupt
            self.seen.append(number)
            yield {"square": np.array([number**2])}


def squares(folder: Path, blocks: Blocks) -> list[int]:
    return [int(block["square"][0]) for block in collect(folder, blocks)]


WHOLE = [number**2 for number in range(COUNT)]


def test_what_is_finished_is_not_done_again(tmp_path: Path) -> None:
    work = Counted(stop=3)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            squares(tmp_path, work.blocks)
    assert squares(tmp_path, work.blocks) == WHOLE
    assert work.seen == list(range(COUNT))
    forget(tmp_path, "key")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("of", [1, 2, 7, 20])
def test_parts_are_joined_to_the_whole(tmp_path: Path, of: int) -> None:
    parts = [Counted() for _ in range(of)]
    here = Counted()
    for number, one in reversed(list(enumerate(parts, 1))):
        files = compute(tmp_path / str(number), one.blocks, Part(number, of).share(COUNT))
        adopt(tmp_path / "joined", files)
    assert squares(tmp_path / "joined", here.blocks) == WHOLE and not here.seen
    assert sorted(number for one in parts for number in one.seen) == list(range(COUNT))
    adopt(tmp_path / "joined", files)  # once more changes nothing
    assert squares(tmp_path / "joined", here.blocks) == WHOLE


def test_gaps_are_filled(tmp_path: Path) -> None:
    work = Counted()
    compute(tmp_path, work.blocks, range(2, 4))
    compute(tmp_path, work.blocks, range(7, 8))
    assert squares(tmp_path, work.blocks) == WHOLE
    assert sorted(work.seen) == list(range(COUNT))


def test_other_work_under_the_same_folder_stays(tmp_path: Path) -> None:
    work, other = Counted(), Blocks("other", 1, lambda _: [{"square": np.array([-1])}])
    compute(tmp_path, other, range(1))
    assert squares(tmp_path, work.blocks) == WHOLE
    forget(tmp_path, "key")
    assert squares(tmp_path, Blocks("other", 1, lambda _: [])) == [-1]


def test_a_damaged_block_is_one_line(tmp_path: Path) -> None:
    work = Counted()
    path = compute(tmp_path, work.blocks, range(COUNT))[4]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"block-000004.npz: can't be read .*: remove .* and begin again"):
        squares(tmp_path, work.blocks)


def test_work_that_gives_too_few_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        squares(tmp_path, Blocks("key", 2, lambda _: [{"square": np.array([0])}]))
