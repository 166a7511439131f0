"""What a check is asked about, what it answers, and how an error becomes an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from ..bundle.errors import ProjectError
from ..provenance.project import Project

__all__ = ["Case", "Evidence", "Failure", "NeedsBundle", "Probe", "State", "Unpublished", "Wanting", "perform"]


class State(StrEnum):
    """What is known about a principle; later states weigh more when several checks answer one principle."""

    EXCEPT = "not applicable"
    PASSED = "passed"
    PUBLISH = "needs the network or a published DOI"
    EXPORT = "run `export` first"
    WARNING = "passed with a warning"
    FAILED = "failed"

    @property
    def weight(self) -> int:
        """Place in the order above."""
        return list(State).index(self)


@dataclass(frozen=True)
class Evidence:
    """What a check did and found.

    Parameters
    ----------
    check
        Name of the check.
    state
        The verdict.
    did
        What was done and found, in one line.
    remedy
        What to do, if something failed, is missing or could be better.
    """

    check: str
    state: State
    did: str
    remedy: str | None = None


class Failure(Exception):  # noqa: N818 (a finding, not an error of the program)
    """A check found what it must not find.

    Parameters
    ----------
    found
        What was found, and what was expected.
    remedy
        What to do.
    """

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.remedy = remedy


class Wanting(Exception):  # noqa: N818
    """A check found what isn't wrong, but should be better: a warning, which fails nothing.

    Parameters
    ----------
    found
        What was found, and what would be better.
    remedy
        What to do.
    """

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.remedy = remedy


class NeedsBundle(Exception):  # noqa: N818
    """A check reads the bundle, and there is none yet."""


class Unpublished(Exception):  # noqa: N818
    """A check needs the network or an identifier that only publishing gives; the text says which."""


@dataclass(frozen=True)
class Case:
    """What is checked.

    Parameters
    ----------
    project
        The project, with or without a bundle.
    online
        Whether links may be resolved.
    """

    project: Project
    online: bool = False

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.project.root

    @property
    def bundle(self) -> Path:
        """The bundle's folder.

        Raises
        ------
        NeedsBundle
            If there is none.
        """
        if not self.project.bundle.is_dir():
            raise NeedsBundle(f"{self.project.bundle.name}/ isn't there yet")
        return self.project.bundle


#: A check: it says what it did and found; it raises if that isn't good.
Probe: TypeAlias = Callable[[Case], str]


def perform(check: Probe, case: Case) -> Evidence:
    """Let a check do its work, and turn how it ends into evidence."""
    name = check.__name__
    try:
        return Evidence(name, State.PASSED, check(case))
    except Failure as found:
        return Evidence(name, State.FAILED, str(found), found.remedy)
    except Wanting as found:
        return Evidence(name, State.WARNING, str(found), found.remedy)
    except NeedsBundle as missing:
        return Evidence(name, State.EXPORT, str(missing), "run `export` (`make quick` does all of it)")
    except Unpublished as missing:
        return Evidence(name, State.PUBLISH, str(missing), "publish the bundle, then run `fair --online`")
    except ProjectError as error:
        # Errors of the project say themselves what to do, behind the last colon.
        text, _, remedy = str(error).rpartition(": ")
        return Evidence(name, State.FAILED, str(error), remedy if text else None)
