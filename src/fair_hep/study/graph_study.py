"""What the edges of a graph network carry: pictures of jets, and how much relevance crosses between constituents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.files import new_file
from ..data.quantities import derive
from ..pages.figures import COLOURS, figure
from .edge_figure import draw_edges
from .relevances import FILE, read_relevances

if TYPE_CHECKING:
    from ..models.contract import Model
    from ..provenance.configuration import Config

__all__ = ["draw_jet", "loops", "study_edges"]


def study_edges(model: Model, found: Mapping[str, Any], config: Config, folder: Path) -> dict[str, Any]:
    """Add to a study what its edges carry, and draw some jets of each class.

    Parameters
    ----------
    model, config
        What was explained, and how.
    found
        The study; its relevances lie in ``folder``.
    folder
        Where figures go.
    """
    path, classes = folder / FILE, model.outputs[0].columns
    loop = [loops(np.concatenate(rows)) for rows in zip(*_loop_shares(path), strict=True)]
    suffix = config.explain.options.get("format", "png")
    left = dict.fromkeys(classes, config.explain.figures)
    for part in read_relevances(path):
        for number, label in enumerate(part["example/label"]):
            kind = classes[int(label)]
            if left[kind]:
                left[kind] -= 1
                jet = {name: values[number] for name, values in part.items()}
                index = int(jet["example/index"])
                draw_jet(jet, model.inputs[0].columns, folder / f"edges_{kind}_{index}.{suffix}", f"{kind} jet {index}")
        if not any(left.values()):
            break
    lines = [
        f"layer {number + 1}: {1 - row['mean']:.3f} ± {row['error']:.3f} of its edges' |R| crosses between "
        "constituents, the rest stays at one"
        for number, row in enumerate(loop)
    ]
    return {**found, "edges": {"loops": loop}, "headline": [*found.get("headline", []), *lines]}


def _loop_shares(path: Path) -> Iterator[list[np.ndarray]]:
    """Give for every chunk, and every layer in it, the share of |R| of every jet's edges that lies on loops."""
    for part in read_relevances(path):
        shares = []
        for number in range(sum(name.endswith("/neighbour") for name in part)):
            neighbour, share = part[f"edge{number}/neighbour"], part[f"edge{number}/share"].astype(np.float64)
            own = neighbour == np.arange(neighbour.shape[1])[None, :, None]
            shares.append((share * own).sum((1, 2)) / np.maximum(share.sum((1, 2)), 1e-300))
        yield shares


def loops(shares: np.ndarray) -> dict[str, float]:
    """Return the mean of shares ``[jets]`` and its error."""
    error = shares.std() / np.sqrt(len(shares)) if len(shares) > 1 else 0.0
    return {"mean": float(shares.mean()), "error": float(error)}


def draw_jet(jet: Mapping[str, np.ndarray], columns: tuple[str, ...], path: Path, title: str) -> None:
    """Draw one jet in (delta eta, delta phi), one panel for each layer.

    Parameters
    ----------
    jet
        Arrays of one example, as the file of relevances holds them.
    columns
        Columns of the input.
    path
        File to write; its suffix chooses the format.
    title
        Which jet it is.
    """
    count = int(jet["example/elements"])
    have = {name: jet["element/input"][:count, number].astype(np.float64) for number, name in enumerate(columns)}
    px, py, pz = (derive(name, have) for name in ("px", "py", "pz"))
    pt = np.hypot(px, py)
    eta, axis = np.arcsinh(pz / np.maximum(pt, 1e-8)), np.array([px.sum(), py.sum()])
    around = np.arctan2(axis[0] * py - axis[1] * px, axis[0] * px + axis[1] * py)
    angles = np.stack([eta - np.arcsinh(pz.sum() / max(np.hypot(*axis), 1e-8)), around], 1)
    relevance = jet["element/relevance"][:count].sum(1)
    reach = max(0.4, 1.08 * float(np.abs(angles).max()))
    layers = sum(name.endswith("/neighbour") for name in jet)
    with new_file(path) as name, figure(layers, width=4.6, height=5.0) as (picture, axes):
        for number, panel in enumerate(np.atleast_1d(axes)):
            draw_edges(panel, angles, jet[f"edge{number}/neighbour"][:count], jet[f"edge{number}/share"][:count])
            for sign, colour in ((1, COLOURS["red"]), (-1, COLOURS["blue"])):
                chosen = relevance * sign > 0
                disc = {"color": colour, "alpha": 0.85, "edgecolors": "white", "linewidths": 0.4, "zorder": 2}
                label = f"{'for' if sign > 0 else 'against'}: R = {relevance[chosen].sum():+.2f}"
                panel.scatter(*angles[chosen].T, s=(8 + 700 * pt / pt.sum())[chosen], label=label, **disc)
            panel.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel=r"$\Delta\eta$", aspect="equal")
            panel.set_title(f"Layer {number + 1}", fontsize=13)
        first = np.atleast_1d(axes)[0]
        first.set_ylabel(r"$\Delta\phi$ [rad]")
        first.legend(fontsize=10)
        taken = ", ".join(f"{part} {float(jet[f'ledger/{part}']):+.2g}" for part in ("bias", "epsilon", "lost"))
        explained, inputs = float(jet["example/explained"]), float(jet["ledger/inputs"])
        picture.supxlabel(
            rf"{title}, {count} constituents: f = {explained:+.3f} = $\Sigma R$ {inputs:+.3f} ({taken})", fontsize=11
        )
        picture.savefig(name)
