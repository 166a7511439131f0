"""The errors that a user can meet: one line each, saying what, got, expected and what to do."""

from __future__ import annotations

__all__ = [
    "BundleError",
    "ConfigError",
    "DataError",
    "ExplainError",
    "MissingStepError",
    "ModelError",
    "ProjectError",
    "ServiceError",
    "StoppedError",
]


class ProjectError(Exception):
    """Base of every error that the user can mend; the command line prints it as one line and exits with 1."""


class ConfigError(ProjectError):
    """A configuration or ``project.yaml`` that doesn't validate."""


class DataError(ProjectError):
    """Data that can't be fetched, read or trusted."""


class ModelError(ProjectError):
    """A model that breaks its contract, or weights that don't fit it."""


class ExplainError(ProjectError):
    """An explanation that can't be given: no rule for a module, no such output, values that aren't finite."""


class BundleError(ProjectError):
    """A bundle that is incomplete, changed, or doesn't reproduce its stored outputs."""


class ServiceError(ProjectError):
    """A registry, server or archive that refuses or can't be reached."""


class StoppedError(ProjectError):
    """A command that a person or the system stopped in the middle.

    Parameters
    ----------
    text
        What stopped it, and what of its work is kept.
    code
        Exit code: 128 and the number of the signal.
    resumable
        Whether the command can go on from there.
    """

    def __init__(self, text: str, *, code: int, resumable: bool) -> None:
        super().__init__(text)
        self.code, self.resumable = code, resumable


class MissingStepError(ProjectError):
    """A command that needs what another command makes.

    Examples
    --------
    >>> str(MissingStepError("runs/quick/train/weights.safetensors", "train"))
    'runs/quick/train/weights.safetensors is missing: run `train` first'
    """

    def __init__(self, missing: object, command: str) -> None:
        super().__init__(f"{missing} is missing: run `{command}` first")
