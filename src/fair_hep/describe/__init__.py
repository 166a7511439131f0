"""How the project describes itself: the facts are written once, and rendered in every format.

`gather` collects the facts, one module writes each format, and `write_all` renders all of them where they belong.
"""

from .citation import citation_cff
from .codemeta import codemeta
from .crate import ro_crate
from .croissant import croissant
from .datacite import datacite
from .facts import Facts, gather
from .fair4ml import fair4ml
from .front_matter import front_matter
from .graph_properties import graph_properties
from .inveniordm import inveniordm
from .people import authors
from .terms import vocabulary
from .write import describe, refresh, write_all
from .zenodo_json import zenodo_json

__all__ = [
    "Facts",
    "authors",
    "citation_cff",
    "codemeta",
    "croissant",
    "datacite",
    "describe",
    "fair4ml",
    "front_matter",
    "gather",
    "graph_properties",
    "inveniordm",
    "refresh",
    "ro_crate",
    "vocabulary",
    "write_all",
    "zenodo_json",
]
