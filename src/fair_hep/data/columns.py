"""Which columns of a file are what: the map by which ROOT, Parquet, HDF5 and .npz files are read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..bundle.strict import Strict

__all__ = ["Columns"]


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
        "label", description="one column with a number for the class, or for every class its columns of 0 and 1"
    )
    values: dict[str, int] = Field({}, description="number of every class in that one column; by default in order")
    unit: Literal["GeV", "MeV"] = Field("GeV", description="unit of energies and momenta in the file")
    tree: str | None = Field(None, description="name of the tree, for ROOT files with more than one")

    def names(self) -> list[str]:
        """Return the columns of the elements in the file."""
        return [column for column in self.elements.values() if isinstance(column, str)]

    def labels(self) -> list[str]:
        """Return the columns of the label in the file."""
        if isinstance(self.label, str):
            return [self.label]
        groups = (group if isinstance(group, list) else [group] for group in self.label.values())
        return [column for group in groups for column in group]
