"""The verb ``verify``: check that the bundle is whole, and that every face of it gives the stored answers."""

from __future__ import annotations

import importlib.util
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import bundle, models
from .bundle import Examples, Signature
from .config import Config
from .errors import BundleError, ProjectError
from .project import Project

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FACES", "RELEVANCE", "Check", "Stored", "check_face", "load_network", "run"]

Arrays = Mapping[str, np.ndarray]

#: Name of the stored relevances among the outputs.
RELEVANCE = "relevance"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Check:
    """What one face gave for one output.

    Parameters
    ----------
    face
        Who answered.
    output
        Name of the output.
    answers
        Number of answers compared: examples, or their elements where there is an answer for each.
    largest
        Largest difference from the stored answers, as a fraction of an answer's largest value if that is above 1 (for
        relevances always); answers with a near-tie that differ are left out. None if there is nothing to compare.
    tolerance
        What is allowed.
    flipped
        Answers with a near-tie that differ by more than the tolerance.
    passed
        The verdict.
    """

    face: str
    output: str
    answers: int
    largest: float | None
    tolerance: float
    flipped: int
    passed: bool


@dataclass(frozen=True)
class Stored:
    """What a bundle says about itself: its stored inputs and answers."""

    folder: Path
    signature: Signature
    examples: Examples
    inputs: Arrays
    answers: Arrays

    @classmethod
    def read(cls, folder: Path) -> Stored:
        """Read it from a bundle."""
        examples = bundle.read_examples(folder)
        answers = bundle.read_arrays(folder / "examples/outputs.npz")
        if examples.relevance is not None:
            answers |= bundle.read_arrays(folder / "examples/relevance.npz")
        inputs = bundle.read_arrays(folder / "examples/inputs.npz")
        return cls(folder, bundle.read_signature(folder), examples, inputs, answers)

    def tolerance(self, output: str) -> float:
        """Return what is allowed for an output."""
        if output == RELEVANCE and self.examples.relevance is not None:
            return self.examples.relevance.tolerance
        return self.examples.tolerance

    def near_ties(self, output: str) -> np.ndarray:
        """Say for every answer whether it hangs on a near-tie.

        A relevance is compared example by example, as it may flow through any answer of the example.
        """
        for_elements = all(spec.set_axis for spec in self.signature.outputs)
        elements = next(iter(self.inputs.values())).shape[1:2] if for_elements else ()
        near = np.zeros((self.examples.count, *elements), dtype=bool)
        near.flat[[number for number in self.examples.near_ties if 0 <= number < near.size]] = True
        if output != RELEVANCE:
            return near
        unsteady = np.isin(np.arange(len(near)), self.examples.unsteady)
        return np.asarray(near.reshape(len(near), -1).any(1) | unsteady)


Answer = Callable[[Stored], Arrays]


def run(project: Project, config: Config | None = None) -> dict[str, Any]:
    """Check every file of the bundle against its checksum, and every face against the stored answers.

    Nothing in the bundle is changed. What a failing face produced is kept in ``runs/verify/``.

    Raises
    ------
    BundleError
        If a file is changed, missing or not listed, or a face gives other answers; all faces are tried first.
    """
    files = bundle.check_files(project.bundle)
    stored = Stored.read(project.bundle)
    kept = project.root / "runs" / "verify"
    shutil.rmtree(kept, ignore_errors=True)
    checks: list[Check] = []
    absent: list[str] = []
    for face, (library, answer) in FACES.items():
        if importlib.util.find_spec(library) is None:
            absent.append(face)
            continue
        checks += _tried(face, answer, stored, kept)
    missing = [f"{face}: not installed, not tried" for face in absent]
    lines = [f"{files} files have their checksums", *_table(checks), *missing]
    failed = [check for check in checks if not check.passed]
    if failed:
        for line in lines:
            log.error("%s", line)
        worst = max(failed, key=lambda check: np.inf if check.largest is None else check.largest)
        raise BundleError(
            f"{worst.face}: {worst.output} differs from the stored answers by {_number(worst.largest)}, "
            f"expected at most {worst.tolerance:g}; what it gave is in {kept.relative_to(project.root)}"
        )
    return {"headline": lines, "files": files, "checks": [asdict(check) for check in checks], "not_installed": absent}


def _tried(face: str, answer: Answer, stored: Stored, kept: Path) -> list[Check]:
    """Ask one face; an error of its own is a failed check, so that the other faces are tried too."""
    try:
        given = answer(stored)
    except ProjectError as error:
        log.error("%s: %s", face, error)
        return [Check(face, "everything", stored.examples.count, None, stored.examples.tolerance, 0, passed=False)]
    checks = check_face(face, given, stored)
    if not all(check.passed for check in checks):
        bundle.write_arrays(kept / f"{face.lower().replace(' ', '-')}.npz", given)
    return checks


def check_face(face: str, given: Arrays, stored: Stored) -> list[Check]:
    """Compare what a face gave with the stored answers, one check for each output.

    An answer with a near-tie may choose another neighbour on another machine: if it differs by more than the
    tolerance, it is counted. Everything else must agree; a value that isn't finite never does. A face that doesn't
    explain is not asked for relevances, but every output must be there.
    """
    checks = []
    for name, answer in stored.answers.items():
        if name == RELEVANCE and name not in given:
            continue
        near = stored.near_ties(name)
        difference = _difference(given.get(name), answer, near.shape, relative=name == RELEVANCE)
        tolerance = stored.tolerance(name)
        if difference is None:
            checks.append(Check(face, name, near.size, None, tolerance, 0, passed=False))
            continue
        flipped = near & (difference > tolerance)
        largest = float(difference[~flipped].max(initial=0.0))
        checks.append(Check(face, name, near.size, largest, tolerance, int(flipped.sum()), passed=largest <= tolerance))
    return checks


def _difference(
    given: np.ndarray | None, stored: np.ndarray, answers: tuple[int, ...], *, relative: bool
) -> np.ndarray | None:
    """Return the largest difference of every answer; None where nothing can be compared."""
    if given is None or given.shape != stored.shape or stored.shape[: len(answers)] != answers:
        return None
    if not np.isfinite(given).all():
        return None
    difference = np.abs(given.astype(np.float64) - stored).reshape(*answers, -1).max(axis=-1)
    size = np.abs(stored).reshape(*answers, -1).max(axis=-1)
    # Outputs are compared as `parity.difference` does; relevances have no unit, so that only their ratio counts.
    return np.asarray(difference / (np.where(size > 0, size, 1.0) if relative else np.maximum(size, 1.0)))


def load_network(folder: Path, signature: Signature) -> nn.Module:
    """Build the network of a bundle again from its weights, in evaluation mode.

    Raises
    ------
    BundleError
        If the weights don't fit.
    """
    from safetensors.torch import load_file

    network = models.get(signature.model).build(**signature.hyperparameters)
    try:
        network.load_state_dict(load_file(folder / bundle.WEIGHTS))
    except RuntimeError as error:
        line = " ".join(str(error).split())[:200]
        raise BundleError(f"{bundle.WEIGHTS}: doesn't fit {signature.model}: {line}") from error
    return network.eval()


def _pytorch(stored: Stored) -> Arrays:
    from .export.graph import Published
    from .export.parity import forward
    from .export.relevance import relevances

    network = load_network(stored.folder, stored.signature)
    outputs, _ = forward(Published(models.get(stored.signature.model), network).eval(), stored.inputs)
    given = {spec.name: value for spec, value in zip(stored.signature.outputs, outputs, strict=True)}
    if stored.examples.relevance is not None:
        given[RELEVANCE], _ = relevances(network, stored.signature, stored.inputs, stored.examples.relevance)
    return given


def _onnxruntime(stored: Stored) -> Arrays:
    from .runtime import load

    model = load(stored.folder)
    given = dict(model.run(stored.inputs))
    if model.signature.explained is not None and stored.examples.relevance is not None:
        explained = model.explain(stored.inputs)
        given[RELEVANCE] = np.stack([padded(one[RELEVANCE], stored.inputs) for one in explained])
    return given


def padded(relevance: np.ndarray, inputs: Arrays) -> np.ndarray:
    """Give the relevances of an example as many rows as the stored inputs have."""
    if relevance.ndim < 2:
        return relevance
    missing = next(iter(inputs.values())).shape[1] - len(relevance)
    return np.pad(relevance, [(0, missing), *[(0, 0)] * (relevance.ndim - 1)])


#: Every face with the library that it needs.
FACES: dict[str, tuple[str, Answer]] = {
    "PyTorch": ("torch", _pytorch),
    "ONNX Runtime": ("onnxruntime", _onnxruntime),
}


def _table(checks: list[Check]) -> list[str]:
    """Return one line for each check, in columns."""
    head = ("face", "output", "answers", "largest difference", "tolerance", "near-ties", "verdict")
    rows = [
        (c.face, c.output, str(c.answers), _number(c.largest), f"{c.tolerance:g}", str(c.flipped), _verdict(c))
        for c in checks
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    return [line.rstrip() for line in lines]


def _number(value: float | None) -> str:
    return "no number" if value is None else f"{value:.1e}"


def _verdict(check: Check) -> str:
    return "same" if check.passed else "DIFFERS"
