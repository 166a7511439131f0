"""Awkward arrays become the elements of examples, one after the other, and remember how examples lie in events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bundle.columnar import Column, Lists
from ..bundle.columns import Columns
from ..bundle.elements import Sets, elements_of
from ..bundle.errors import DataError
from ..bundle.mapped import names_of, parts_of
from ..bundle.quantities import KNOWN
from ..bundle.signature import Signature

__all__ = ["Nested", "columns_for", "nested", "take"]

#: Names of four-momenta, by what they are: the first way of which all are there is taken.
_USUAL: tuple[Mapping[str, tuple[str, ...]], ...] = (
    {"pt": ("pt",), "eta": ("eta",), "phi": ("phi",), "m": ("mass", "m")},
    {"pt": ("pt",), "eta": ("eta",), "phi": ("phi",), "E": ("energy", "e")},
    {"px": ("px",), "py": ("py",), "pz": ("pz",), "E": ("energy", "e")},
    {"px": ("px",), "py": ("py",), "pz": ("pz",), "m": ("mass", "m")},
    {"px": ("x",), "py": ("y",), "pz": ("z",), "E": ("t",)},
)
_SHOWN = 30


@dataclass(frozen=True)
class Nested:
    """Examples of an array, one after the other.

    Parameters
    ----------
    inputs
        By the name of the input, the elements of all examples.
    outer
        How many entries each list above the examples has, the outermost first: none where the array is a list of
        examples, the numbers of jets where it is a list of events with jets.
    """

    inputs: Mapping[str, Sets]
    outer: tuple[np.ndarray, ...]

    @property
    def first(self) -> Sets:
        """The elements of the first input."""
        return next(iter(self.inputs.values()))

    def __len__(self) -> int:
        return len(self.first.counts)

    def lists(self, values: Any) -> Any:
        """Put an Awkward array with an entry for each example into the lists that the examples came in."""
        import awkward

        for counts in reversed(self.outer):
            values = awkward.unflatten(values, counts)
        return values


def columns_for(signature: Signature, fields: Sequence[str]) -> Columns:
    """Return which fields of records are what: those of the model's own names, or four-momenta in a usual way.

    Raises
    ------
    DataError
        If the fields don't give what the model takes.
    """
    lower = {name.lower(): name for name in reversed(fields)}
    elements: dict[str, str | float] = {}
    for spec in signature.inputs:
        own = {name: name for name in spec.columns if name in fields}
        if len(own) < len(spec.columns):
            ways = [{of: next((lower[n] for n in names if n in lower), "") for of, names in w.items()} for w in _USUAL]
            usual = next((way for way in ways if all(way.values())), {})
            own = {name: field for name, field in own.items() if name not in KNOWN} | usual
        elements |= own
    needed = [name for spec in signature.inputs for name in spec.columns]
    known = set(elements) | (KNOWN if KNOWN & set(elements) else set())
    if absent := [name for name in needed if name not in known]:
        raise DataError(
            f"inputs: got the fields {_listed(fields)}, which don't give {', '.join(absent)}; expected "
            f"{', '.join(needed)}, of four-momenta also pt, eta, phi and mass: `columns` says which fields are what"
        )
    return Columns(elements=elements)


def take(signature: Signature, columns: Columns, array: Any) -> dict[str, Any]:
    """Return the columns of an array that the model needs, and touch no other.

    ``Collection_name`` is also found as the field ``name`` of ``Collection``, and ``nCollection`` as its length: so
    coffea's schema for NanoAOD puts them together.

    Raises
    ------
    ConfigError
        If the map doesn't give what the model takes.
    DataError
        If a column isn't there.
    """
    for spec in signature.inputs:
        if not spec.set_axis or len(spec.axes) != 3 or not spec.columns:
            raise DataError(
                f"inputs: the model takes {spec.name} ({', '.join(spec.axes)}), which is no list of elements with "
                "named columns: use `load` and its arrays"
            )
    return {name: _column(array, name) for name in names_of(parts_of(signature, columns), columns)}


def _column(array: Any, name: str) -> Any:
    import awkward

    fields = awkward.fields(array)
    if name in fields:
        return array[name]
    collection, _, inner = name.partition("_")
    if inner and collection in fields and inner in awkward.fields(array[collection]):
        return array[collection][inner]
    if name.startswith("n") and name[1:] in fields and array[name[1:]].ndim > 1:
        return awkward.num(array[name[1:]], axis=1)
    raise DataError(f"inputs: missing column {name}; found {_listed(fields)}")


def nested(signature: Signature, columns: Columns, taken: Mapping[str, Any]) -> Nested:
    """Return the examples of an array.

    Parameters
    ----------
    signature, columns
        What the model takes, and which columns are what.
    taken
        What `take` gave.

    Raises
    ------
    DataError
        If the columns don't fit each other, or hold what no example can have.
    """
    flat = {name: _flat(name, values) for name, values in taken.items()}
    chunk = {name: column for name, (_, column) in flat.items()}
    (first, (outer, _)), *others = flat.items()
    for name, (own, _) in others:
        if len(own) != len(outer) or not all(map(np.array_equal, own, outer)):
            raise DataError(f"inputs: {name} and {first} are in lists of different lengths, expected the same")
    if columns.group is not None and outer:
        raise DataError(f"inputs: column {first}: got lists of lists, expected one list of numbers for each row")
    sets = {spec.name: elements_of(spec, part, "inputs", chunk) for spec, part in parts_of(signature, columns)}
    if columns.groups is not None:
        outer = (np.asarray(chunk[columns.groups], np.int64),)
    return Nested(sets, outer)


def _flat(name: str, values: Any) -> tuple[tuple[np.ndarray, ...], Column]:
    """Return how the lists of a column lie in others, and the lists; of a column of numbers these."""
    import awkward

    depth = values.ndim
    if awkward.fields(values) or values.layout.purelist_parameter("__array__") is not None:
        raise DataError(f"inputs: column {name}: got {_kind(values)}, expected numbers in lists")
    outer: list[np.ndarray] = []
    for axis in range(depth - 1):
        if awkward.any(awkward.is_none(values, axis=axis), axis=None):
            raise DataError(f"inputs: column {name}: got missing lists, expected a list everywhere")
    while values.ndim > 2:
        outer.append(_counts(values))
        values = awkward.flatten(values, axis=1)
    counts = _counts(values) if depth > 1 else None
    try:
        numbers = awkward.to_numpy(awkward.flatten(values, axis=1) if depth > 1 else values, allow_missing=False)
    except ValueError as error:
        raise DataError(f"inputs: column {name}: got missing values, expected a number everywhere") from error
    if numbers.dtype.kind not in "fiub":
        raise DataError(f"inputs: column {name}: got type {numbers.dtype}, expected numbers")
    return tuple(outer), numbers if counts is None else Lists(numbers, counts)


def _counts(values: Any) -> np.ndarray:
    """Return how long lists are, none of which is missing, whatever their type allows."""
    import awkward

    return np.asarray(awkward.to_numpy(awkward.num(values, axis=1), allow_missing=False))


def _kind(values: Any) -> str:
    return str(values.type)[:80].replace("\n", " ")


def _listed(fields: Sequence[str]) -> str:
    return ", ".join(fields[:_SHOWN]) or "none"
