"""A published model inside an analysis: Awkward arrays in, Awkward arrays out, on one machine or on a Dask cluster.

In the style of ``coffea.ml_tools``: an `ArrayModel` may be made once, sent to any number of processes and called with
arrays that are read already, that are read when they are needed (virtual), or that are a task graph (dask-awkward).
Only Awkward is needed; dask-awkward is where its arrays come from, and coffea isn't imported.
"""

from .counts import count, per_file
from .model import ArrayModel

__all__ = ["ArrayModel", "count", "per_file"]
