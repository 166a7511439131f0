"""What is known of a training elsewhere: nothing is asked for, and nothing is made up."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from ..bundle.files import read_json
from ..bundle.strict import Strict, load_yaml, validate
from .steps import FILE

__all__ = ["NAME", "PRUNED", "VERB", "About", "load_about", "trained_elsewhere"]

#: What the command is called, and its provenance in a bundle.
VERB = "import"
NAME = f"provenance/{VERB}.json"
#: The provenance in a bundle of a network that was pruned; what is known of imported weights is in it.
PRUNED = "provenance/prune.json"
#: One line of text: it goes into cards and graphs.
_LINE = Field(None, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")


class About(Strict):
    """What the user knows of a training elsewhere (``--about``); everything may be left out."""

    trained_by: list[str] = Field([], description="people or groups")
    place: str | None = _LINE
    finished: str | None = Field(None, pattern=r"^\d{4}(-\d\d(-\d\d)?)?$", description="a year, a month or a day")
    found_at: str | None = _LINE
    code: str | None = _LINE
    commit: str | None = _LINE
    dataset: str | None = _LINE
    dataset_doi: str | None = Field(None, pattern=r"^10\.\d{4,9}(\.\d+)*/\S+$")
    epochs: int | None = Field(None, ge=0)
    examples: int | None = Field(None, ge=1)
    license: str | None = Field(None, min_length=1, description="of the weights, an SPDX identifier")
    note: str | None = _LINE

    def in_words(self) -> dict[str, str]:
        """Return what is known, in words, by what it says."""
        code = " at commit ".join(part for part in (self.code, self.commit) if part)
        data = ", ".join(part for part in (self.dataset, self.dataset_doi and f"doi:{self.dataset_doi}") if part)
        said = {
            "by": "; ".join(self.trained_by),
            "at": self.place,
            "finished": self.finished,
            "weights from": self.found_at,
            "code": code,
            "data set": data,
            "epochs": None if self.epochs is None else str(self.epochs),
            "examples": None if self.examples is None else f"{self.examples:,}",
            "licence of the weights as they came": self.license,
            "note": self.note,
        }
        return {name: value for name, value in said.items() if value}

    def sentence(self) -> str:
        """Return what is known in one line."""
        words = [f"{name} {value}" for name, value in self.in_words().items()]
        return f"trained elsewhere ({', '.join(words) or 'by whom, on what and how long is unknown'})"


def load_about(path: Path | None) -> About:
    """Read what is known from a YAML file; nothing without one.

    Raises
    ------
    ConfigError
        If the file is missing or doesn't fit; the line names what and the nearest known key.
    """
    return validate(About, {} if path is None else _plain(load_yaml(path)), str(path))


def trained_elsewhere(folder: Path) -> About | None:
    """Return what a bundle says of a training elsewhere; None if its network was trained by the project."""
    for path in (folder / NAME, folder / PRUNED):
        if path.is_file() and (about := read_json(path).get("about")) is not None:
            return About.model_validate(about)
    made = folder / FILE
    if not made.is_file():
        return None
    # A third-party graph was trained elsewhere, too.
    stated = read_json(made).get("about")
    return None if stated is None else About.model_validate(stated.get("training") or {})


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write what YAML takes for a date or a year as the text that it was; a single name is a list of one."""
    found = dict(values)
    if isinstance(found.get("finished"), int | datetime.date):
        found["finished"] = str(found["finished"])
    if isinstance(found.get("trained_by"), str):
        found["trained_by"] = [found["trained_by"]]
    return found
