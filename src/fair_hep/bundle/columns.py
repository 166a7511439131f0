"""Which columns of a file are what: the map by which ROOT, Parquet, HDF5 and .npz files are read, and arrays in memory.

Maps for layouts that many people have lie in ``maps/``: data and no code.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import Field, model_validator

from .errors import ConfigError
from .quantities import KNOWN, needed
from .signature import TensorSpec
from .strict import Strict, load_yaml, validate

__all__ = ["OTHER_NAMES", "READY", "Columns", "Map", "find_columns", "require_given"]

_MAPS = Path(__file__).parent / "maps"
#: Names of the maps that ship.
READY = tuple(sorted(path.stem for path in _MAPS.glob("*.yaml")))

#: What to do where a file of examples to score has other names.
OTHER_NAMES = "a map says which columns are what: --columns MAP, in Python `columns`"


class Columns(Strict):
    """Which columns of a file are what.

    Examples
    --------
    A JetClass file, and one with cylindrical components of massless particles in MeV:

    >>> jetclass = Columns(
    ...     elements={"px": "part_px", "py": "part_py", "pz": "part_pz", "E": "part_energy"},
    ...     label={"QCD": "label_QCD", "top": ["label_Tbqq", "label_Tbl"]},
    ... )
    >>> other = Columns(elements={"pt": "jet_pt", "eta": "jet_eta", "phi": "jet_phi", "m": 0.0}, unit="MeV")
    >>> other.label
    'label'
    """

    elements: dict[str, str | float] = Field(
        description="column of every component of the elements, by its name (E, px, py, pz, pt, eta, phi, m, or "
        "that of another column of the input); a number stands for a constant"
    )
    label: str | dict[str, str | list[str]] = Field(
        "label",
        description="one column with a number for the class (`values` says which), or for every class its columns of 0 "
        "and 1, by their names",
    )
    values: dict[str, int] = Field({}, description="number of every class in that one column; by default in order")
    unit: Literal["GeV", "MeV"] = Field("GeV", description="unit of energies and momenta in the file")
    tree: str | None = Field(None, description="name of the tree, for ROOT files with more than one")
    group: str | None = Field(
        None,
        description="where a row holds several examples (the jets of an event): list that says to which of them each "
        "element belongs, counted from 0",
    )
    groups: str | None = Field(None, description="column with the number of examples of a row; needed with `group`")
    index: str | None = Field(
        None, description="with `group`, where its entries refer to elements: list of their places, counted from 0"
    )

    @model_validator(mode="after")
    def _whole(self) -> Columns:
        if (self.group is None) != (self.groups is None) or (self.index and not self.group):
            raise ValueError("group and groups come together, and index only with them")
        return self

    def names(self) -> list[str]:
        """Return the columns of the elements in the file."""
        return [column for column in self.elements.values() if isinstance(column, str)]

    def others(self) -> list[str]:
        """Return the columns in the file that say which elements belong to which example."""
        return [column for column in (self.group, self.groups, self.index) if column is not None]

    def labels(self) -> list[str]:
        """Return the columns of the label in the file."""
        if isinstance(self.label, str):
            return [self.label]
        groups = (group if isinstance(group, list) else [group] for group in self.label.values())
        return [column for group in groups for column in group]

    def only(self, spec: TensorSpec) -> Columns:
        """Return the part of the map that one of several inputs needs."""
        wanted: set[str] = set().union(*(needed(name, self.elements) or () for name in spec.columns))
        kept = {name: column for name, column in self.elements.items() if name in wanted}
        return self.model_copy(update={"elements": kept})


#: What names a map: see `find_columns`.
Map: TypeAlias = str | Path | Mapping[str, Any] | Columns


def find_columns(given: Map) -> Columns:
    """Return a map: by the name of one that ships (`READY`), from a YAML file, or from keys and values.

    Raises
    ------
    ConfigError
        If there is no such map, or it doesn't hold what it should.
    """
    if isinstance(given, Columns):
        return given
    if isinstance(given, Mapping):
        return validate(Columns, given, "columns")
    if str(given) in READY:
        return validate(Columns, load_yaml(_MAPS / f"{given}.yaml"), f"columns {given}")
    path = Path(given)
    if not path.is_file():
        near = difflib.get_close_matches(str(given), READY, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ConfigError(f"columns: got {str(given)!r}, expected a YAML file or one of {', '.join(READY)}{hint}")
    return validate(Columns, load_yaml(path), str(path))


def require_given(columns: Columns, spec: TensorSpec, where: str) -> None:
    """Make sure that a map gives what an input takes.

    Raises
    ------
    ConfigError
        If it doesn't; the line begins with ``where``.
    """
    if not spec.set_axis or len(spec.axes) != 3 or not spec.columns:
        raise ConfigError(f"{where}: {spec.name} isn't a set of named columns: give arrays in an .npz file")
    if not columns.names():
        raise ConfigError(f"{where}: `elements` names no column of a file, expected at least one")
    for name in spec.columns:
        if needed(name, columns.elements) is None:
            raise ConfigError(
                f"{where}: got {', '.join(columns.elements) or 'nothing'} in `elements`, which doesn't give "
                f"{name!r} of the input {spec.name!r} ({', '.join(spec.columns)})"
            )
    unsure = [
        name for name in spec.columns if name in columns.elements and name not in KNOWN and "GeV" in spec.unit_of(name)
    ]
    if columns.unit != "GeV" and unsure:
        raise ConfigError(
            f"{where}: unit {columns.unit} is for four-momenta, and the model takes {', '.join(unsure)} in "
            f"{spec.unit_of(unsure[0])}: bring these columns to its units, and leave `unit` out"
        )
