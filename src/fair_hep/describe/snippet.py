"""The lines of a card that run: how a stranger who has nothing but the record gets from it to an answer."""

from __future__ import annotations

from collections.abc import Sequence

from .. import bundle
from ..pages.document import Block, Code, Paragraph
from .facts import Facts
from .software import SOFTWARE, carried

__all__ = ["snippet"]

_LIBRARY = "https://github.com/FAIR4HEP/cookiecutter-fair-hep"


def snippet(facts: Facts, lines: Sequence[str]) -> tuple[Block, ...]:
    """Return how to install the library from the bundle's own wheel, and a program of given lines on a ``model``.

    The program works in the folder of the bundle, wherever that came from.
    """
    wheel, doi = carried(facts.folder), facts.project.doi
    code = "\n".join([
        "from fair_hep import load\n",
        'model = load(".")  # the folder of this card' + (f'; load("{doi}") fetches it' if doi else ""),
        *lines,
    ]) + "\n"  # fmt: skip
    needs = "It needs NumPy and ONNX Runtime but no training framework, and runs nothing of the bundle but its graphs"
    if wheel is None:
        return (Paragraph(f"With the library [fair-hep]({_LIBRARY}). {needs}:"), Code(code, "python"))
    shell = [f"sha256sum --check --quiet {bundle.SUMS}", f"pip install {SOFTWARE}/{wheel.name}", "fair-hep show ."]
    return (
        Paragraph(f"With the library fair-hep, whose wheel lies in the bundle. {needs}. In the bundle's folder:"),
        Code("\n".join(shell), "bash"),
        Code(code, "python"),
    )
