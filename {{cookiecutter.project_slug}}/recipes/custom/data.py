"""The data set: which files, which columns of them, and what a batch holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fair_hep import Columns, DataOptions, validate

if TYPE_CHECKING:
    from fair_hep.data.store import Store
    from torch.utils.data import Dataset

__all__ = ["COLUMNS", "GLOBS", "Options", "dataset"]

#: Which files of a folder or of the DOI's record are of which split, by their names in lower case.
GLOBS = {"train": ("*train*",), "val": ("*val*",), "test": ("*test*",)}
#: Which columns of a ROOT, Parquet, HDF5 or .npz file are what; here the names of JetClass.
COLUMNS = Columns(
    elements={"px": "part_px", "py": "part_py", "pz": "part_pz", "E": "part_energy"},
    label={"QCD": "label_QCD", "top": "label_Tbqq"},
    unit="GeV",
)


class Options(DataOptions):
    """What may be chosen about the data: ``data.options`` in a configuration. Add your own here."""


def dataset(store: Store, **options: Any) -> Dataset[Any]:
    """Return the jets of a store: batches of ``particles`` and ``label``, cut to the hardest constituents."""
    from fair_hep.tagging.set_dataset import SetDataset

    chosen = validate(Options, options, "data.options")
    return SetDataset(store, max_constituents=chosen.max_constituents)
