"""The stored answers of a bundle, and how an answer is compared with them: numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import BundleError
from .folder import read_arrays
from .signature import EXAMPLES, Examples, Signature, read_examples, read_signature

__all__ = ["OWN", "RELEVANCE", "Arrays", "Comparison", "Stored", "compare", "complaint", "table"]

Arrays = Mapping[str, np.ndarray]

#: Name of the stored relevances among the outputs.
RELEVANCE = "relevance"
#: The face that every user of a bundle has.
OWN = "ONNX Runtime"


@dataclass(frozen=True)
class Comparison:
    """What one face gave for one output, beside what is stored.

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
    reason
        Why there is nothing to compare.
    answered
        Whether the face gave anything at all.
    """

    face: str
    output: str
    answers: int
    largest: float | None
    tolerance: float
    flipped: int
    passed: bool
    reason: str = ""
    answered: bool = True

    def __str__(self) -> str:
        if not self.answered:
            return f"{self.face} gave no answer: {self.reason}"
        verdict = "the same as stored" if self.passed else "DIFFERS from what is stored"
        return (
            f"{self.face}: {self.output} {verdict}: {self.answers} answers, largest difference {_number(self.largest)},"
            f" tolerance {self.tolerance:g}"
        )


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
        """Read it from a bundle.

        Raises
        ------
        MissingStepError
            If there is no bundle.
        BundleError
            If it can't be read, or holds another number of examples than it says.
        """
        examples = read_examples(folder)
        answers = read_arrays(folder / "examples/outputs.npz")
        if examples.relevance is not None:
            answers |= read_arrays(folder / "examples/relevance.npz")
        inputs = read_arrays(folder / "examples/inputs.npz")
        for name, values in {**inputs, **answers}.items():
            if not values.ndim or len(values) != examples.count:
                got = len(values) if values.ndim else "no"
                raise BundleError(f"{folder.name}: {name} has {got} examples, {EXAMPLES} says {examples.count}")
        if not inputs:
            raise BundleError(f"{folder.name}: examples/inputs.npz holds no arrays")
        return cls(folder, read_signature(folder), examples, inputs, answers)

    @property
    def explains(self) -> bool:
        """Whether there are stored relevances, and a graph that gives them."""
        return self.signature.explained is not None and self.examples.relevance is not None

    def tolerance(self, output: str) -> float:
        """Return what is allowed for an output."""
        if output == RELEVANCE and self.examples.relevance is not None:
            return self.examples.relevance.tolerance
        return self.examples.tolerance

    def near_ties(self, output: str) -> np.ndarray:
        """Say for every answer whether it hangs on a near-tie.

        A relevance is compared example by example, as it may flow through any answer of the example.
        """
        for_elements = self.signature.padded and all(spec.set_axis for spec in self.signature.outputs)
        elements = next(iter(self.inputs.values())).shape[1:2] if for_elements else ()
        near = np.zeros((self.examples.count, *elements), dtype=bool)
        near.flat[[number for number in self.examples.near_ties if 0 <= number < near.size]] = True
        if output != RELEVANCE:
            return near
        unsteady = np.isin(np.arange(len(near)), self.examples.unsteady)
        return np.asarray(near.reshape(len(near), -1).any(1) | unsteady)


def compare(face: str, given: Arrays, stored: Stored) -> list[Comparison]:
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
            reason = "missing, of another shape than stored, or not finite"
            checks.append(Comparison(face, name, near.size, None, tolerance, 0, passed=False, reason=reason))
            continue
        flipped = near & (difference > tolerance)
        largest = float(difference[~flipped].max(initial=0.0))
        passed = largest <= tolerance
        checks.append(Comparison(face, name, near.size, largest, tolerance, int(flipped.sum()), passed=passed))
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


def complaint(checks: Sequence[Comparison]) -> str:
    """Return one line about the check that failed worst; empty if none did."""
    failed = [check for check in checks if not check.passed]
    if not failed:
        return ""
    # Answers that can't be compared are worse than any difference, and no answer says the least of the model.
    worst = max(failed, key=lambda check: (check.answered, np.inf if check.largest is None else check.largest))
    if not worst.answered:
        return str(worst)
    if worst.largest is None:
        return f"{worst.face}: {worst.output} can't be compared: {worst.reason}"
    return (
        f"{worst.face}: {worst.output} differs from the stored answers by {_number(worst.largest)}, "
        f"expected at most {worst.tolerance:g}"
    )


def table(checks: Sequence[Comparison]) -> list[str]:
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
    return "none" if value is None else f"{value:.1e}"


def _verdict(check: Comparison) -> str:
    if not check.answered:
        return "NO ANSWER"
    return "same" if check.passed else "DIFFERS"
