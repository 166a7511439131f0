"""Work over many examples done in parts, on as many machines as there are, and joined to what one machine makes.

A part is one folder with its own provenance, written last: a part that was interrupted isn't there. Parts belong
together if they were made from the same things: `require_parts` compares the checksum that each of them noted.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from .errors import ConfigError, MissingStepError, ProjectError
from .files import read_json

__all__ = ["FILE", "KEY", "Part", "belonging", "parts_folder", "require_parts", "shown"]

#: What says how a folder was made: written last, so that a folder without it is unfinished.
FILE = "provenance.json"

#: Where a part's provenance says what it was made from, as a checksum that all parts of one result share.
KEY = "belongs_to"


class Part(NamedTuple):
    """One of several parts.

    Parameters
    ----------
    number
        Which one, counted from 1.
    of
        How many there are.

    Examples
    --------
    >>> [list(Part(number, 3).share(7)) for number in (1, 2, 3)]
    [[0, 1], [2, 3], [4, 5, 6]]
    >>> Part.read("2/3").folder
    '2-of-3'
    """

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> Part:
        """Read ``NUMBER/OF``.

        Raises
        ------
        ConfigError
            If that isn't a part.
        """
        found = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", text)
        if not found or int(found[1]) > int(found[2]):
            raise ConfigError(f"--part: got {text[:40]!r}, expected NUMBER/OF, for example 3/40, counted from 1")
        return cls(int(found[1]), int(found[2]))

    @property
    def folder(self) -> str:
        """Name of its folder among the others."""
        return f"{self.number}-of-{self.of}"

    def share(self, count: int) -> range:
        """Return which of ``count`` things, in their order, belong to this part; sizes differ by one at most."""
        return range((self.number - 1) * count // self.of, self.number * count // self.of)


def parts_folder(result: Path) -> Path:
    """Return where the parts of a result wait: beside it."""
    return result.with_name(f"{result.name}-parts")


def belonging(made_from: Any) -> str:
    """Return the checksum of all that a part was made from, the same in all parts of one result; JSON values.

    Examples
    --------
    >>> belonging({"seed": 1, "jets.h5": "ab"}) == belonging({"jets.h5": "ab", "seed": 1})
    True
    """
    return hashlib.sha256(json.dumps(made_from, sort_keys=True, allow_nan=False).encode()).hexdigest()


def shown(path: Path, root: Path) -> str:
    """Return how a message names a path: relative to a folder, if it lies in it."""
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def require_parts(result: Path, of: int, verb: str, root: Path) -> list[Path]:
    """Return the folders of all parts, in order, if they are there and belong together.

    Parameters
    ----------
    result
        The folder or file that they will be joined to.
    of
        How many there must be.
    verb
        The command that makes them.
    root
        Of the project.

    Raises
    ------
    MissingStepError
        If a part is missing, or isn't finished.
    ProjectError
        If two of them were made from different things: another configuration, other weights or data.
    """
    folders = [parts_folder(result) / Part(number, of).folder for number in range(1, of + 1)]
    missing = [str(number) for number, folder in enumerate(folders, 1) if not (folder / FILE).is_file()]
    if missing:
        raise MissingStepError(shown(folders[int(missing[0]) - 1], root), f"{verb} --part {missing[0]}/{of}")
    made: list[dict[str, Any]] = [read_json(folder / FILE) for folder in folders]
    for folder, one in zip(folders, made, strict=True):
        if one["command"] != verb or one.get(KEY) != made[0].get(KEY) or not one.get(KEY):
            raise ProjectError(
                f"{shown(folder, root)}: was made from {_difference(made[0], one)} than {folders[0].name}: "
                f"parts of one result have the same configuration, weights and data; make it again by `{verb} --part`"
            )
    return folders


def _difference(first: dict[str, Any], other: dict[str, Any]) -> str:
    """Say by what two parts differ, as far as their provenance tells."""
    for key, name in (
        ("configuration", "another configuration"),
        ("inputs", "other files"),
        ("versions", "other versions"),
        ("library", "another version of this library"),
    ):
        if first.get(key) != other.get(key):
            return name
    return "other things"
