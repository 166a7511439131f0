"""How the project describes itself: the facts are written once, and rendered in every format.

`gather` collects the facts, one module writes each format, and `write_all` renders all of them where they belong.
"""

from .citation import citation_cff
from .codemeta import codemeta
from .datacite import datacite
from .facts import Facts, gather
from .huggingface import front_matter
from .inveniordm import inveniordm
from .people import authors
from .write import describe, refresh, write_all
from .zenodo import zenodo_json

__all__ = [
    "Facts",
    "authors",
    "citation_cff",
    "codemeta",
    "datacite",
    "describe",
    "front_matter",
    "gather",
    "inveniordm",
    "refresh",
    "write_all",
    "zenodo_json",
]
