"""Draw one explanation: where its elements are and what they say, for any signature and with Matplotlib only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .edge_figure import draw_edges
from .errors import DataError
from .extras import need
from .plot_text import accounted, described
from .signature import Signature, TensorSpec
from .symbols import formula

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["directions", "plot"]

#: Names of a column that says how large an element is drawn, the best one first.
SIZES = ("pt", "pt_or_et", "et", "E", "energy")


def plot(signature: Signature, example: Any, explanation: Mapping[str, np.ndarray], *, top: int = 20) -> Figure:
    """Draw what `LoadedModel.explain` returned for an example.

    Left: the elements in pseudorapidity and azimuth, their area growing with their momentum, their colour the sum of
    their relevances, and the edges of the last block that has some, darker for more relevance; left out where the input
    has no directions. Right: the relevance of every feature of the elements that matter most. Above: what the example
    is, and the account of what is explained.

    Parameters
    ----------
    signature
        Signature of the model.
    example
        The input that was explained: ``[elements, columns]``.
    explanation
        What `LoadedModel.explain` returned for it.
    top
        Largest number of elements on the right.

    Returns
    -------
    figure
        A figure of Matplotlib: ``figure.savefig("why.png")``.

    Raises
    ------
    DataError
        If example and explanation don't belong together, or Matplotlib isn't installed.

    Examples
    --------
    >>> import numpy as np
    >>> from fair_hep import load, plot
    >>> model, jet = load("bundle"), np.load("bundle/examples/inputs.npz")["particles"][0]
    >>> picture = plot(model.signature, jet, model.explain([jet])[0])
    >>> picture.savefig("why.png")
    >>> picture.axes[1].get_ylabel()
    'element, by falling sum of $|R|$ over its features'
    """
    need("plot", ("matplotlib",), "plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    spec = signature.inputs[0]
    numbers, values, relevance = _elements(spec, signature.relevant, example, explanation)
    sums = relevance.sum(1)
    most = np.argsort(-np.abs(relevance).sum(1), kind="stable")[:top]
    where = directions(spec, values)
    panels = 1 if where is None else 2
    picture = Figure(figsize=(6.6 * panels, 5.6), layout="constrained", dpi=150)
    FigureCanvasAgg(picture)
    axes = picture.subplots(1, panels, squeeze=False)[0]
    if where is not None:
        edges = _last_edges(explanation, numbers)
        if edges is not None:
            draw_edges(axes[0], np.stack(where, 1), *edges)
        named = {numbers[row]: row for row in most[:5]}
        _draw_elements(axes[0], spec, values, where=where, sums=sums, named=named, edges=edges is not None)
    _draw_features(axes[-1], signature, relevance, most, numbers[most])
    outside = getattr(explanation, "outside", [])
    picture.suptitle(
        f"{described(signature, spec, values)}\n{accounted(signature, explanation, float(sums.sum()))}"
        + "".join(f"\noutside of what the model knows: {text}" for text in outside),
        fontsize=10 if outside else 11,
    )
    return picture


def directions(spec: TensorSpec, values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return pseudorapidity and azimuth of elements, or None if the columns don't tell them.

    Azimuths are shifted by full turns, so that a narrow group of elements isn't torn apart where the angle starts anew.
    """
    column = {name: values[:, number] for number, name in enumerate(spec.columns)}
    if {"px", "py", "pz"} <= set(column):
        eta = np.arcsinh(column["pz"] / np.maximum(np.hypot(column["px"], column["py"]), 1e-9))
        phi = np.arctan2(column["py"], column["px"])
    elif {"eta", "phi"} <= set(column):
        eta, phi = column["eta"], column["phi"]
    elif {"eta", "sin_phi", "cos_phi"} <= set(column):
        eta, phi = column["eta"], np.arctan2(column["sin_phi"], column["cos_phi"])
    else:
        return None
    middle = np.angle(np.exp(1j * phi).sum())
    beside = np.angle(np.exp(1j * (phi - middle)))
    return eta, middle + beside if np.abs(beside).max(initial=0) < np.pi / 2 else np.angle(np.exp(1j * phi))


def _elements(
    spec: TensorSpec, features: TensorSpec, example: Any, explanation: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the numbers of an example's real elements, their values and their relevances."""
    given = example[spec.name] if isinstance(example, Mapping) else example
    values, relevance = np.asarray(given, dtype=np.float64), np.asarray(explanation["relevance"], dtype=np.float64)
    wanted = (len(relevance), len(spec.columns))
    if values.shape != wanted or relevance.ndim != 2 or relevance.shape[1] != len(features.columns):
        raise DataError(
            f"plot: got an example of shape {list(values.shape)} with relevances of shape {list(relevance.shape)}, "
            f"expected [elements, {len(spec.columns)}] and [elements, {len(features.columns)}] of the same elements"
        )
    real = np.flatnonzero((values != 0).any(1))
    if not len(real):
        raise DataError("plot: got an example without elements, expected at least one")
    return real, values[real], relevance[real]


def _last_edges(explanation: Mapping[str, np.ndarray], numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return neighbours and shares of the last block with edges, as places among the real elements; None: no block."""
    blocks = [name[: -len("_index")] for name in explanation if name.startswith("edge") and name.endswith("_index")]
    if not blocks:
        return None
    index = np.asarray(explanation[f"{blocks[-1]}_index"])
    if len(index) != len(explanation["relevance"]):
        wanted = len(explanation["relevance"])
        raise DataError(f"plot: got edges of {len(index)} elements, expected {wanted}, as many as have relevances")
    share = np.abs(np.asarray(explanation[f"{blocks[-1]}_share"], np.float64))
    place = np.full(len(index) + 1, -1)
    place[numbers] = np.arange(len(numbers))
    return place[index[numbers]], share[numbers]


def _sizes(spec: TensorSpec, values: np.ndarray) -> tuple[str | None, np.ndarray]:
    """Return what the area of an element grows with, and its values."""
    name = next((name for name in SIZES if name in spec.columns), None)
    if name not in SIZES[:3] and {"px", "py"} <= set(spec.columns):
        return "pt", np.hypot(values[:, spec.columns.index("px")], values[:, spec.columns.index("py")])
    return name, np.full(len(values), 1.0) if name is None else np.abs(values[:, spec.columns.index(name)])


def _limit(values: np.ndarray) -> float:
    """Return the end of a colour scale that is symmetric around 0."""
    return float(np.abs(values).max(initial=0)) or 1.0


def _draw_elements(
    axes: Any,
    spec: TensorSpec,
    values: np.ndarray,
    *,
    where: tuple[np.ndarray, np.ndarray],
    sums: np.ndarray,
    named: Mapping[int, int],
    edges: bool,
) -> None:
    name, size = _sizes(spec, values)
    order = np.argsort(np.abs(sums), kind="stable")  # what matters most lies on top
    drawn = axes.scatter(
        where[0][order],
        where[1][order],
        s=12 + 388 * size[order] / _limit(size),
        c=sums[order],
        cmap="RdBu_r",
        vmin=-_limit(sums),
        vmax=_limit(sums),
        edgecolors="0.3",
        linewidths=0.5,
        zorder=2,
    )
    for number, row in named.items():
        place = (where[0][row], where[1][row])
        axes.annotate(str(number), place, xytext=(5, 5), textcoords="offset points", fontsize=9)
    axes.margins(0.1)
    axes.set_xlabel(r"$\eta$")
    axes.set_ylabel(r"$\phi$ [rad]")
    grows = f"; area grows with {formula(name)}" if name else ""
    lines = "\nlines: edges of the last block with the most relevance" if edges else ""
    axes.set_title(f"every element{grows}{lines}", fontsize=11)
    axes.figure.colorbar(drawn, ax=axes, label="sum of the relevances of an element", pad=0.02)


def _draw_features(
    axes: Any, signature: Signature, relevance: np.ndarray, most: np.ndarray, numbers: np.ndarray
) -> None:
    shown = relevance[most]
    drawn = axes.imshow(shown, aspect="auto", cmap="RdBu_r", vmin=-_limit(shown), vmax=_limit(shown))
    axes.set_xticks(
        range(shown.shape[1]),
        [formula(name) for name in signature.relevant.columns],
        rotation=40,
        ha="right",
        fontsize=9,
    )
    axes.set_yticks(range(len(most)), [str(number) for number in numbers], fontsize=9)
    axes.set_ylabel(r"element, by falling sum of $|R|$ over its features")
    axes.set_title(f"the {len(most)} most relevant of {len(relevance)}, feature by feature", fontsize=11)
    axes.figure.colorbar(drawn, ax=axes, label="relevance", pad=0.02)
