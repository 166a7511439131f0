"""One look for all figures: size, fonts and colours, without a display and without touching global settings.

Examples
--------
>>> from fair_hep import COLOURS
>>> COLOURS["blue"]
'#0072B2'
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "figure", "logit", "undrawn"]

#: Colours that stay apart for colour-blind readers (Okabe and Ito, 2008).
COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#666666",
}

_DRAWN = ContextVar("_DRAWN", default=True)


@contextlib.contextmanager
def undrawn() -> Iterator[None]:
    """Let figures be empty files inside the block: who wants an evaluation's numbers only needn't wait for them."""
    before = _DRAWN.set(False)
    try:
        yield
    finally:
        _DRAWN.reset(before)


@contextlib.contextmanager
def figure(columns: int = 1, rows: int = 1, *, width: float = 6.4, height: float = 4.8) -> Iterator[tuple[Figure, Any]]:
    """Give a figure and its axes (an array of them if there are several) in the style of the field.

    Parameters
    ----------
    columns, rows
        Number of panels.
    width, height
        Size of one panel in inches.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fair_hep import figure, new_file
    >>> with new_file(Path("masses.png")) as name, figure() as (picture, axes):
    ...     _ = axes.hist([172.5, 80.4, 91.2], bins=10)
    ...     _ = axes.set(xlabel="Mass [GeV]", ylabel="Jets")
    ...     picture.savefig(name)
    >>> Path("masses.png").is_file()
    True
    """
    import matplotlib as mpl
    import mplhep
    from cycler import cycler
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = {
        key: value
        for key, value in mplhep.style.ROOT.items()
        if not key.startswith(("font.", "mathtext.", "figure.", "savefig."))
    }
    ours: Any = {
        "font.size": 12,
        "axes.labelsize": 13,
        "xtick.labelsize": 11,
        "ytick.labelsize": 11,
        "legend.fontsize": 11,
        "axes.prop_cycle": cycler(color=list(COLOURS.values())),
        "lines.linewidth": 1.8,
        "lines.markersize": 5,
    }
    with mpl.rc_context({**style, **ours}):
        picture = Figure(figsize=(width * columns, height * rows), layout="constrained", dpi=150)
        FigureCanvasAgg(picture)
        if not _DRAWN.get():
            picture.savefig = lambda file, **_: Path(file).touch()  # type: ignore[method-assign]
        axes = picture.subplots(rows, columns)
        yield picture, axes


def logit(name: str) -> str:
    r"""Return the logit of a class as a formula.

    Examples
    --------
    >>> logit("top")
    'z_\\mathrm{top}'
    """
    escaped = name.replace("_", r"\_")
    return rf"z_\mathrm{{{escaped}}}"
