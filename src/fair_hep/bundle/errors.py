"""The errors that a user can meet: one line each, saying what, got, expected and what to do."""

from __future__ import annotations

import re

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

#: Control characters, ends of lines of all kinds, and halves of characters.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class ProjectError(Exception):
    r"""Base of every error that the user can mend; the command line prints it as one line and exits with 1.

    Names and values in it may come from anybody: what would end the line, move the cursor or be no text is escaped.

    Examples
    --------
    >>> from fair_hep import ProjectError, load
    >>> try:
    ...     load("nowhere")
    ... except ProjectError as error:
    ...     print(error)
    nowhere/signature.json is missing: run `export` first
    >>> print(ProjectError("got the column 'a\nb\x1b[2J', expected 'ab'"))
    got the column 'a\nb\x1b[2J', expected 'ab'
    """

    def __str__(self) -> str:
        return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), super().__str__())


class ConfigError(ProjectError):
    """A configuration or ``project.yaml`` that doesn't validate.

    Examples
    --------
    >>> from fair_hep import LossOptions, validate
    >>> validate(LossOptions, {"label_smoothin": 0.1}, "train.loss")
    Traceback (most recent call last):
    fair_hep.bundle.errors.ConfigError: train.loss: unknown key 'label_smoothin', did you mean 'label_smoothing'?
    """


class DataError(ProjectError):
    """Data that can't be fetched, read or trusted.

    Examples
    --------
    >>> from fair_hep import load
    >>> load("bundle").predict([[[1.0, 2.0]]])
    Traceback (most recent call last):
    fair_hep.bundle.errors.DataError: particles[0]: got shape [1, 2], expected [constituents, 4]: E, px, py, pz in GeV
    """


class ModelError(ProjectError):
    """A model that breaks its contract, or weights that don't fit it.

    Examples
    --------
    >>> from fair_hep import element_features
    >>> from fair_hep.models.synthetic import synthetic
    >>> synthetic(element_features(("charge",)), classes=2, size=4, seed=1)
    Traceback (most recent call last):
    fair_hep.bundle.errors.ModelError: features: no synthetic values for charge; give the model an `example`
    """


class ExplainError(ProjectError):
    """An explanation that can't be given: no rule for a module, no such output, values that aren't finite.

    Examples
    --------
    >>> import torch
    >>> from fair_hep import explain
    >>> explain(torch.nn.Linear(2, 1).eval(), torch.ones(1, 2), target=3)
    Traceback (most recent call last):
    fair_hep.bundle.errors.ExplainError: output 3 doesn't exist: expected 0 to 0
    """


class BundleError(ProjectError):
    """A bundle that is incomplete, changed, or doesn't reproduce its stored outputs.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fair_hep import load
    >>> Path("new").mkdir()
    >>> _ = Path("new/signature.json").write_text('{"bundle_format": 2}')
    >>> load("new")
    Traceback (most recent call last):
    fair_hep.bundle.errors.BundleError: new/signature.json: bundle_format is 2, expected 1: use a version that reads it
    """


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
        Whether the command can go on from there; None if it will, by itself.
    """

    def __init__(self, text: str, *, code: int, resumable: bool | None) -> None:
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
