"""The data set: which files, and which columns of them. Batches hold ``particles`` and ``label``."""

from __future__ import annotations

from fair_hep import Columns

#: Which files of a folder or of the DOI's record are of which split, by their names in lower case.
GLOBS = {"train": ("*train*",), "val": ("*val*",), "test": ("*test*",)}
#: Which columns of a ROOT, Parquet, HDF5 or .npz file are what; here the names of JetClass.
COLUMNS = Columns(
    elements={"E": "part_energy", "px": "part_px", "py": "part_py", "pz": "part_pz"},
    label={"QCD": "label_QCD", "top": "label_Tbqq"},
)
