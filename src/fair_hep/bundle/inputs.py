"""What people have becomes padded arrays: lists of different lengths, Awkward arrays, records; checked on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .errors import DataError
from .signature import TensorSpec

__all__ = ["ELEMENTS", "Weights", "cut", "cuts", "examples", "one_example", "pad"]

#: Elements in one pass, if it has more than one example: the values of a layer stay in the caches, and the pairs that a
#: graph network compares stay few. ParticleNet's passes of 400 elements take 0.7 of the time of those of 800.
ELEMENTS = 400

#: Columns that can be worked out from other coordinates.
FOUR_MOMENTUM = ("E", "px", "py", "pz")


def examples(spec: TensorSpec, values: Any) -> Sequence[Any]:
    """Return values as one array for each example; records are taken apart, a single example is wrapped."""
    if _is_awkward(values):
        values = _from_awkward(spec, values)
    if isinstance(values, np.ndarray):
        values = _columns(spec, values)
        if values.ndim == len(spec.axes) - 1:
            return [values]
        if values.ndim != len(spec.axes) and values.dtype != object:
            raise DataError(f"{spec.name}: got {values.ndim} axes, expected {len(spec.axes)}: {', '.join(spec.axes)}")
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        raise DataError(f"{spec.name}: got {type(values).__name__}, expected a list of {spec.axes[0]}")
    if isinstance(values, list):
        return [_columns(spec, example) for example in values]
    found: Sequence[Any] = values
    return found


def _is_awkward(values: Any) -> bool:
    return hasattr(values, "layout") and hasattr(values, "to_list")


def _columns(spec: TensorSpec, values: Any) -> Any:
    """Turn records (structured numpy arrays, such as vector's, or Awkward ones) into columns; leave others alone."""
    if isinstance(values, np.ndarray) and values.dtype.names:
        return np.stack(_in_order(spec, values, values.dtype.names), axis=-1)
    if _is_awkward(values):
        import awkward

        if awkward.fields(values):
            return np.stack([awkward.to_numpy(c) for c in _in_order(spec, values, awkward.fields(values))], axis=-1)
    return values


def _from_awkward(spec: TensorSpec, values: Any) -> list[np.ndarray]:
    """Turn an Awkward array of records or of plain numbers into one array for each example.

    Records may lie in lists, or lists in records, as ``tree.arrays()`` gives them.
    """
    import awkward

    if fields := awkward.fields(values):
        try:
            columns = [column[..., np.newaxis] for column in _in_order(spec, values, fields)]
            if columns[0].ndim == len(spec.axes) - 1:  # one example by itself
                columns = [column[np.newaxis] for column in columns]
            values = awkward.concatenate(columns, axis=-1)
        except ValueError as error:
            raise DataError(
                f"{spec.name}: fields have different numbers of {spec.axes[1]}, expected the same in each example"
            ) from error
    width = spec.sizes[spec.axes[-1]]
    return [np.asarray(awkward.to_numpy(example), dtype=spec.dtype).reshape(-1, width) for example in values]


def _in_order(spec: TensorSpec, records: Any, fields: Sequence[str]) -> list[Any]:
    """Return the columns of the signature from records; four-momenta are worked out from other coordinates."""
    found = _four_momenta(records, fields) if tuple(spec.columns) == FOUR_MOMENTUM else {}
    found |= {name: records[name] for name in spec.columns if name in fields}
    absent = [column for column in spec.columns if column not in found]
    if absent:
        raise DataError(f"{spec.name}: fields {', '.join(absent)} missing; found {', '.join(fields)}")
    return [found[column] for column in spec.columns]


def _four_momenta(records: Any, fields: Sequence[str]) -> dict[str, Any]:
    """Return E, px, py, pz of records with pt, eta, phi and a mass or an energy, under any of their usual names."""
    names = {name.lower(): name for name in reversed(fields)}

    def field(*known: str) -> Any:
        return next((records[names[name]] for name in known if name in names), None)

    found = {"px": field("px", "x"), "py": field("py", "y"), "pz": field("pz", "z")}
    pt, eta, phi = field("pt", "rho"), field("eta"), field("phi")
    if pt is not None and eta is not None and phi is not None:
        found = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta)}
    energy, mass = field("e", "energy", "t"), field("m", "mass", "tau")
    known = {name: momentum for name, momentum in found.items() if momentum is not None}
    if energy is None and mass is not None and len(known) == len(found):
        energy = np.sqrt(mass**2 + sum(momentum**2 for momentum in found.values()))
    return {**known, **({"E": energy} if energy is not None else {})}


def pad(spec: TensorSpec, values: Sequence[Any], numbers: Sequence[int] | None = None, *, least: int = 0) -> np.ndarray:
    """Pad examples with zeros to one array.

    Parameters
    ----------
    spec
        Input that they are for.
    values
        One array for each example, of any length along the dynamic axis.
    numbers
        Number of every example, for messages; by default they count from 0.
    least
        Fewest elements of the sets in the array: with 1 it has a row, of zeros, also if all sets are empty.

    Raises
    ------
    DataError
        If an example isn't numbers, has another shape, or holds values that aren't finite.
    """
    numbers = range(len(values)) if numbers is None else numbers
    rows = [one_example(spec, example, number) for number, example in zip(numbers, values, strict=True)]
    shape = [max((row.shape[axis] for row in rows), default=0) for axis in range(len(spec.axes) - 1)]
    if spec.set_axis:
        shape[0] = max(shape[0], least)
    padded = np.zeros((len(rows), *shape), dtype=spec.dtype)
    for place, row in enumerate(rows):
        where: tuple[Any, ...] = (place, *(slice(length) for length in row.shape))
        padded[where] = row
    return padded


def cuts(sizes: Sequence[int], batch: int, elements: int = ELEMENTS) -> Iterator[tuple[int, int]]:
    """Cut examples of given sizes into passes of at most ``batch`` examples and, with padding, so many elements."""
    start, longest = 0, 0
    for number, size in enumerate(sizes):
        longest = max(longest, size)
        count = number + 1 - start
        if count > 1 and (count > batch or count * longest > elements):
            yield start, number
            start, longest = number, size
    if start < len(sizes):
        yield start, len(sizes)


def cut(spec: TensorSpec, values: np.ndarray) -> np.ndarray:
    """Leave out the padding at the end of one example."""
    if len(spec.axes) < 3 or spec.axes[1] not in spec.dynamic:
        return values
    real = np.flatnonzero((values.reshape(len(values), -1) != 0).any(axis=1))
    return values[: int(real[-1]) + 1 if len(real) else 0]


def one_example(spec: TensorSpec, values: Any, number: int) -> np.ndarray:
    """Return one example as an array, checked: its number stands in messages; the errors are those of `pad`."""
    where = f"{spec.name}[{number}]"
    try:
        with np.errstate(over="ignore"):
            row = np.asarray(values, dtype=spec.dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{where}: got something else than numbers, or rows of different lengths; expected {_shape(spec)}"
        ) from error
    if row.dtype.kind in "iub" and not np.array_equal(row, np.asarray(values)):
        raise DataError(f"{where}: got numbers that {spec.dtype} can't hold, expected {_shape(spec)} of {spec.dtype}")
    inner = spec.axes[1:]
    if row.size == 0 and row.ndim <= len(inner):
        shape = [0 if axis in spec.dynamic else spec.sizes[axis] for axis in inner]
        row = row.reshape(shape) if 0 in shape else row
    fits = row.ndim == len(inner) and all(
        axis in spec.dynamic or length == spec.sizes[axis] for axis, length in zip(inner, row.shape, strict=True)
    )
    if not fits:
        raise DataError(f"{where}: got shape {list(row.shape)}, expected {_shape(spec)}")
    for axis, length in zip(inner, row.shape, strict=True):
        if length > spec.limits.get(axis, length):
            raise DataError(f"{where}: got {length} {axis}, expected at most {spec.limits[axis]}")
    if not np.isfinite(row).all():
        place = [int(index) for index in np.argwhere(~np.isfinite(row))[0]]
        raise DataError(f"{where}{_place(spec, place)}: got {row[tuple(place)]}, expected a finite number")
    _check_positive(spec, row, where)
    _check_codes(spec, row, where)
    return row


def _check_positive(spec: TensorSpec, row: np.ndarray, where: str) -> None:
    """Refuse what can't be: a particle without energy would silently count as padding."""
    for name in spec.positive:
        column = spec.columns.index(name)
        wrong = (row != 0).any(axis=-1) & (row[..., column] <= 0)
        if wrong.any():
            place = [int(index) for index in np.argwhere(wrong)[0]] + [column]
            raise DataError(f"{where}{_place(spec, place)}: got {row[tuple(place)]}, expected more than 0 {spec.unit}")


def _check_codes(spec: TensorSpec, row: np.ndarray, where: str) -> None:
    for name, allowed in spec.allowed.items():
        column = spec.columns.index(name)
        wrong = (row != 0).any(axis=-1) & ~np.isin(row[..., column], allowed)
        if wrong.any():
            place = [int(index) for index in np.argwhere(wrong)[0]] + [column]
            known = " or ".join(f"{value:g}" for value in allowed)
            raise DataError(f"{where}{_place(spec, place)}: got {row[tuple(place)]:g}, expected {known}")


def _place(spec: TensorSpec, place: list[int]) -> str:
    return f"{place} ({spec.columns[place[-1]]})" if spec.columns else str(place)


def _shape(spec: TensorSpec) -> str:
    lengths = ", ".join(axis if axis in spec.dynamic else str(spec.sizes[axis]) for axis in spec.axes[1:])
    return f"[{lengths}]" + (f": {', '.join(spec.columns)} in {spec.unit}" if spec.columns else "")


class Weights:
    """What is explained, for every example.

    Parameters
    ----------
    spec
        The input for weights.
    default
        Weights of what is explained by default.
    target
        What somebody wants explained; None: the default.
    """

    def __init__(self, spec: TensorSpec, default: Sequence[float], target: Any) -> None:
        self.spec, self.width = spec, len(default)
        self.each = isinstance(target, list) and bool(target) and np.ndim(target[0]) > 0
        self.target = target if target is not None else default

    def __call__(self, numbers: Sequence[int], lengths: Sequence[int], shape: Sequence[int]) -> np.ndarray:
        """Return weights for examples with these numbers, padded as they are: ``[examples, ..., outputs]``."""
        inner = (shape[1], self.width) if self.spec.set_axis else (self.width,)
        weights = np.zeros((len(lengths), *inner), dtype=self.spec.dtype)
        for row, (number, length) in enumerate(zip(numbers, lengths, strict=True)):
            wanted = self._wanted(number, length)
            if self.spec.set_axis:
                weights[row, :length] = wanted
            else:
                weights[row] = wanted
        return weights

    def _wanted(self, number: int, length: int) -> np.ndarray:
        if self.each and number >= len(self.target):
            raise DataError(f"target: got {len(self.target)} targets, expected one for each example")
        given = self.target[number] if self.each else self.target
        try:
            wanted = np.asarray(given, dtype=self.spec.dtype)
        except (TypeError, ValueError) as error:
            raise DataError(f"target[{number}]: got something else than numbers") from error
        shapes = [(self.width,), (length, self.width)] if self.spec.set_axis else [(self.width,)]
        if wanted.shape not in shapes or not np.isfinite(wanted).all():
            got = f"shape {list(wanted.shape)}" if wanted.shape not in shapes else "weights that aren't finite"
            columns = ", ".join(self.spec.columns)
            raise DataError(f"target[{number}]: got {got}, expected weights of {columns}")
        return wanted
