"""Parts of work: each thing belongs to one of them, and what doesn't belong together isn't joined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_hep.bundle.errors import ConfigError, MissingStepError, ProjectError
from fair_hep.bundle.files import write_json
from fair_hep.bundle.parts import FILE, KEY, Part, parts_folder, require_parts


@settings(max_examples=100, derandomize=True)
@given(st.integers(1, 50), st.integers(0, 300))
def test_everything_belongs_to_one_part(of: int, count: int) -> None:
    shares = [list(Part(number, of).share(count)) for number in range(1, of + 1)]
    assert [one for share in shares for one in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    "text", ["", "3", "0/4", "5/4", "-1/4", "1/4/2", "1.0/2", "\u0661/\u0662", "1/", "a/b", "1/4\n", "9" * 50]
)
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--part: got .*, expected NUMBER/OF, for example 3/40"):
        Part.read(text)


def made(result: Path, number: int, of: int = 2, **more: Any) -> Path:
    folder = parts_folder(result) / Part(number, of).folder
    folder.mkdir(parents=True)
    write_json(
        folder / FILE, {"command": "explain", KEY: "abc", "inputs": {"weights": "1"}, "configuration": {}} | more
    )
    return folder


def test_all_parts_are_found_in_order(tmp_path: Path) -> None:
    result = tmp_path / "runs" / "quick" / "explain"
    folders = [made(result, number) for number in (2, 1)][::-1]
    made(result, 1, of=3)  # of another division: not looked at
    assert require_parts(result, 2, "explain", tmp_path) == folders


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    result = tmp_path / "explain"
    made(result, 1)
    with pytest.raises(MissingStepError, match=r"explain-parts/2-of-2 is missing: run `explain --part 2/2` first"):
        require_parts(result, 2, "explain", tmp_path)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({KEY: "xyz", "inputs": {"weights": "2"}}, "other files"),
        ({KEY: "xyz", "configuration": {"seed": 2}}, "another configuration"),
        ({KEY: "xyz", "versions": {"torch": "1"}}, "other versions"),
        ({KEY: "xyz", "library": {"commit": "1"}}, "another version of this library"),
        ({KEY: "xyz"}, "other things"),
        ({"command": "evaluate"}, "other things"),
        ({KEY: ""}, "other things"),
    ],
)
def test_what_doesnt_belong_together_is_refused(tmp_path: Path, more: dict[str, Any], word: str) -> None:
    result = tmp_path / "explain"
    made(result, 1)
    made(result, 2, **more)
    with pytest.raises(ProjectError, match=rf"explain-parts/2-of-2: was made from {word} than 1-of-2"):
        require_parts(result, 2, "explain", tmp_path)
