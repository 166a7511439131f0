"""Which examples lie outside of what a model knows, and in what: said in one line for every call, nothing is refused.

Three things are asked, in this order; of an example that fails one, the later ones mean nothing:

- units: values beyond the range that the signature tells, a sign of MeV in the place of GeV;
- what can't be: no element at all, E below the momentum, columns in another order, (pt, eta, phi, m) taken for a
  four-momentum;
- the domain: a quantity beyond its range in the training data. Two jets given as one are seen here.

What numbers can't tell stays unseen: px and py interchanged are a jet in another direction, and a jet of another
detector or generator may lie inside in every quantity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .derived import MOMENTUM, Elements, derivable, derived_values
from .domain import Trained
from .signature import Signature, TensorSpec

__all__ = ["Judge"]

#: Rows that are judged together: a look at every pass would cost more than the look.
ROWS = 2**15
#: Numbers of examples that a line names.
_NAMED = 5
#: Rounding of files: parts of |p|, and GeV.
_RELATIVE, _ABSOLUTE = 1e-3, 1e-2
#: Least momentum of elements together, as a part of their energy.
_LIGHT = 0.9
#: Largest pseudorapidity of a detector, and half a turn.
_ETA, _HALF_TURN = 6.5, np.pi + 1e-3


@dataclass(frozen=True)
class _Finding:
    """One thing that is wrong with some examples of a block: what, their places, values if there are any, and why."""

    what: str
    places: np.ndarray
    why: str
    lowest: np.ndarray | None = None
    highest: np.ndarray | None = None
    unit: str = ""


@dataclass
class _Kind:
    """All findings of one kind of a call."""

    numbers: list[int] = field(default_factory=list)
    lowest: float = np.inf
    highest: float = -np.inf
    unit: str = ""

    def add(self, number: int, lowest: float | None, highest: float | None) -> None:
        self.numbers.append(number)
        if lowest is not None and highest is not None:
            self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)

    def values(self) -> str:
        return _values(self.lowest, self.highest, self.unit) if self.lowest <= self.highest else ""


class Judge:
    """Looks at the inputs of one call, however many passes it takes, and says what is outside.

    Parameters
    ----------
    signature
        Of the model that is asked: what its inputs are, and where it was trained.
    """

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self._counted = signature.inputs[0].axes[0]
        self._known = _by_input(signature)
        self._kinds: dict[tuple[str, str], _Kind] = {}
        self._texts: dict[int, list[str]] = {}
        self._waiting: list[tuple[Mapping[str, np.ndarray], Sequence[int]]] = []
        self._rows = 0
        #: Examples seen, and those of them that lie outside.
        self.seen = self.bad = 0

    def add(self, piece: Mapping[str, np.ndarray], numbers: Sequence[int]) -> None:
        """Take the padded inputs of a pass, with the numbers of its examples."""
        self.seen += len(numbers)
        first = next(iter(piece.values()))
        self._waiting.append((piece, numbers))
        self._rows += int(np.prod(first.shape[:2]))
        if self._rows > ROWS:
            self._flush()

    @property
    def outside(self) -> Mapping[int, list[str]]:
        """What is wrong with the examples that lie outside, by their numbers."""
        self._flush()
        return self._texts

    def of(self, number: int) -> list[str]:
        """Return what is wrong with one example: one text for each thing; nothing if it lies inside."""
        return self.outside.get(number, [])

    @property
    def line(self) -> str:
        """What is outside, in one line; empty if nothing is."""
        self._flush()
        if not self.bad:
            return ""
        told = [
            f"{what}{kind.values()}, {why} ({self._named(kind.numbers)})" for (what, why), kind in self._kinds.items()
        ]
        return f"{self.bad} of {self.seen} {self._counted} outside of what the model knows: {'; '.join(told)}"

    @property
    def reasons(self) -> Mapping[int, list[str]]:
        """What the examples that lie outside are outside in, by their numbers: without values, to be counted."""
        self._flush()
        found: dict[int, list[str]] = {}
        for (what, why), kind in self._kinds.items():
            for number in kind.numbers:
                found.setdefault(number, []).append(f"{what}, {why}")
        return found

    def forget(self) -> None:
        """Drop what `of` tells of single examples, and keep what `line` tells: a long file has many."""
        self._flush()
        self._texts = {}

    def _named(self, numbers: Sequence[int]) -> str:
        ordered = sorted(numbers)
        rest = len(ordered) - _NAMED
        shown = ", ".join(map(str, ordered[:_NAMED]))
        return f"{self._counted} {shown}" + (f" and {rest} more" if rest > 0 else "")

    def _flush(self) -> None:
        waiting, self._waiting, self._rows = self._waiting, [], 0
        if not waiting:
            return
        numbers = np.concatenate([some for _, some in waiting])
        bad = np.zeros(len(numbers), bool)
        for spec in self.signature.inputs:
            for finding in _other_units(spec, [piece[spec.name] for piece, _ in waiting]):
                self._note(finding, numbers, bad)
        for spec in self.signature.inputs:
            elements = _together(spec, [piece[spec.name] for piece, _ in waiting])
            if elements is None:
                continue
            fine = ~bad
            for finding in _impossible(elements):
                self._note(finding, numbers, bad, only=fine)
            fine = ~bad
            for known in self._known.get(spec.name, ()):
                if (beyond := _beyond(known, elements)) is not None:
                    self._note(beyond, numbers, bad, only=fine)
        self.bad += int(bad.sum())

    def _note(self, finding: _Finding, numbers: np.ndarray, bad: np.ndarray, *, only: np.ndarray | None = None) -> None:
        """Keep a finding; ``bad`` learns which examples it is of, and only those in ``only`` count."""
        for row, place in enumerate(finding.places):
            if only is not None and not only[place]:
                continue
            bad[place] = True
            number = int(numbers[place])
            kind = self._kinds.setdefault((finding.what, finding.why), _Kind(unit=finding.unit))
            low = None if finding.lowest is None else float(finding.lowest[row])
            high = None if finding.highest is None else float(finding.highest[row])
            kind.add(number, low, high)
            values = "" if low is None or high is None else _values(low, high, finding.unit)
            self._texts.setdefault(number, []).append(f"{finding.what}{values}, {finding.why}")


def _values(lowest: float, highest: float, unit: str) -> str:
    ends = f"{lowest:.4g}", f"{highest:.4g}"
    return f" {ends[0]}{unit}" if ends[0] == ends[1] else f" from {ends[0]} to {ends[1]}{unit}"


def _by_input(signature: Signature) -> dict[str, list[Trained]]:
    specs = {spec.name: spec for spec in signature.inputs}
    found: dict[str, list[Trained]] = {}
    for known in signature.domain:
        if known.input in specs and derivable(known, specs[known.input]):
            found.setdefault(known.input, []).append(known)
    return found


def _together(spec: TensorSpec, pieces: Sequence[np.ndarray]) -> Elements | None:
    """Return the elements of several passes; None of an input that isn't rows of columns."""
    if len(spec.axes) not in (2, 3) or not spec.columns:
        return None
    parts = [Elements(spec, piece) for piece in pieces]
    whole = parts[0]
    if len(parts) > 1:
        whole.rows = np.concatenate([part.rows for part in parts])
        whole.counts = np.concatenate([part.counts for part in parts])
    return whole


def _other_units(spec: TensorSpec, pieces: Sequence[np.ndarray]) -> Iterator[_Finding]:
    """Find values beyond the ranges of the signature, the first column only: it says enough."""
    if not spec.ranges and spec.range == (None, None):
        return
    ranges = spec.ranges or (spec.range,)
    ends = []
    for piece in pieces:
        flat = piece.reshape(len(piece), piece[:1].size // len(ranges), len(ranges))
        ends.append(np.stack([flat.min(1), flat.max(1)]) if flat.size else np.zeros((2, len(piece), len(ranges))))
    lowest, highest = np.concatenate(ends, 1)
    found = np.zeros(lowest.shape[0], bool)
    for column, (low, high) in enumerate(ranges):
        least, most = -np.inf if low is None else low, np.inf if high is None else high
        # Angles that were rounded are no other unit.
        wrong = ((lowest[:, column] < least - 1e-3) | (highest[:, column] > most + 1e-3)) & ~found
        if wrong.any():
            found |= wrong
            name = f"{spec.name} ({spec.columns[column]})" if spec.ranges else spec.name
            unit = spec.unit_of(spec.columns[column]) if spec.ranges else spec.unit
            why = f"expected {least:g} to {most:g} (unit {unit}): another unit?"
            places = np.flatnonzero(wrong)
            yield _Finding(f"{name}: values", places, why, lowest[places, column], highest[places, column])


def _impossible(elements: Elements) -> Iterator[_Finding]:
    """Find what no example can be."""
    spec = elements.spec
    if spec.set_axis:
        empty = np.flatnonzero(elements.counts == 0)
        if len(empty):
            yield _Finding(f"no {spec.set_axis}", empty, "there is nothing to judge by")
    if set(spec.columns) == set(MOMENTUM) and len(elements.rows):
        yield from _impossible_momenta(elements)


def _impossible_momenta(elements: Elements) -> Iterator[_Finding]:
    """Find E below |p|, and say what the columns look like instead."""
    e, px, py, pz = (elements.columns[name] for name in MOMENTUM)
    squares = elements.rows**2
    whole = squares.sum(1)
    momentum = np.sqrt(np.maximum(whole - e**2, 0.0))
    below = elements.highest(momentum * (1 - _RELATIVE) - _ABSOLUTE - e) > 0
    sums = elements.sums
    still = (sums["E"] > 2 * np.sqrt(sums["px"] ** 2 + sums["py"] ** 2 + sums["pz"] ** 2))[elements.filled]
    if not (below | still).any():
        return
    # E, px and py would be pt, eta and phi; what follows is a mass or an energy, never negative.
    angles = (np.abs(px) <= _ETA) & (np.abs(py) <= _HALF_TURN) & (pz >= -_ABSOLUTE)
    like_angles = (elements.lowest(angles.astype(np.int8)) > 0) & (below | still)
    expected = f"expected {', '.join(elements.spec.columns)}"
    places = elements.filled
    if like_angles.any():
        yield _Finding("columns that look like pt, eta, phi and m or E", places[like_angles], expected)
    left = below & ~like_angles
    for number, name in enumerate(elements.spec.columns):
        if name == "E" or not left.any():
            continue
        others = np.sqrt(np.maximum(whole - squares[:, number], 0.0))
        column = elements.rows[:, number]
        fits = elements.lowest(column - others * (1 - _RELATIVE) + _ABSOLUTE) >= 0
        # An energy is no more than bounds the momentum: elements of jets are light.
        fits &= np.add.reduceat(others, elements.starts) > _LIGHT * np.add.reduceat(column, elements.starts)
        if (fits & left).any():
            what = f"columns in another order (number {number + 1} is an energy)"
            yield _Finding(what, places[fits & left], expected)
            left &= ~fits
    if left.any():
        yield _Finding("E below |p|", places[left], "which no particle has")


def _beyond(known: Trained, elements: Elements) -> _Finding | None:
    """Find examples with a quantity beyond its range in training."""
    values = derived_values(known, elements)
    wrong = (values < known.edges[0]) | (values > known.edges[1])
    if not wrong.any():
        return None
    places = np.flatnonzero(wrong)
    lowest = highest = values[places]
    if not known.single:
        # Of an example with some elements outside, what is told is how far these go.
        ends = elements.lowest(np.where(wrong, values, np.inf)), elements.highest(np.where(wrong, values, -np.inf))
        some = np.isfinite(ends[0])
        places, lowest, highest = elements.filled[some], ends[0][some], ends[1][some]
    return _Finding(known.title, places, f"trained on {known.range_text()}", lowest, highest, known.unit_text)
