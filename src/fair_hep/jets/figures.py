"""Figures of the explanation: edge graphs of jets, and what the most relevant edges and constituents are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.account import account, probability
from ..bundle.edge_figure import draw_edges
from ..bundle.files import new_file
from ..pages.figures import COLOURS, figure
from ..pages.measured import measured
from ..study.relevances import ELEMENTS, Relevances
from .subjets import NONE
from .tables import SPECTRA

__all__ = ["draw_edge_graph", "draw_fractions", "draw_scores", "draw_spectra"]

_SUBJET_COLOURS = (COLOURS["blue"], COLOURS["red"], COLOURS["green"])
#: Of the classes in turn, from the background on.
_CLASS_COLOURS = tuple(COLOURS.values())
#: Units of the quantities of an edge, behind a number.
_UNITS = {"delta_r": "", "mass": " GeV"}
#: What edges may join, for axes.
_JOINED = {"subjets": "C/A subjets", "prongs": "groomed prongs", "quarks": "quarks"}


def draw_edge_graph(
    jet: Relevances, momenta: np.ndarray, path: Path, about: tuple[str, str, str, str], place: str
) -> None:
    """Draw one jet in (delta eta, delta phi), one panel for each place with edges.

    Constituents are discs whose area grows with pT, coloured by subjet; edges are darker and wider the more relevance
    they carry. The account of relevance is printed below.

    Parameters
    ----------
    jet
        One row of the file of relevances.
    momenta
        Four-momenta of its constituents ``[constituents, 4]``, padded: E, px, py, pz in GeV.
    path
        File to write; its suffix chooses the format.
    about
        Name of the jet, rules that the relevances were made with, name of what is explained, and of the last class.
    place
        What a place with edges is called.
    """
    real = slice(int(jet[ELEMENTS]))
    angles, subjet = jet["element/angles"][real], jet["element/subjet"][real]
    reach = max(0.4, 1.08 * float(np.abs(angles).max()))
    with new_file(path) as name, figure(jet.places, width=4.6, height=5.2) as (picture, axes):
        for number, panel in enumerate(np.atleast_1d(axes)):
            neighbour, share, _ = jet.edges(number)
            draw_edges(panel, angles, neighbour[real], share[real])
            _draw_constituents(panel, angles, momenta[real], subjet)
            panel.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel=r"$\Delta\eta$", aspect="equal")
            panel.set_title(f"{place} {number + 1}", fontsize=13)
        first = np.atleast_1d(axes)[0]
        first.set_ylabel(r"$\Delta\phi$ [rad]")
        handles, labels = first.get_legend_handles_labels()
        legend: dict[str, Any] = {"loc": "outside upper center", "ncols": len(labels), "frameon": False, "fontsize": 11}
        discs: list[Any] = list(picture.legend(handles, labels, **legend).legend_handles)
        for disc in discs:
            disc.set_sizes([60])
        picture.supxlabel(_account(jet, about), fontsize=11)
        picture.savefig(name)


def draw_fractions(kinds: Mapping[str, Any], path: Path, classes: Sequence[str], place: str) -> None:
    """Draw the fraction of the N most relevant edges that join two prongs, trained and untrained.

    There is a row for each kind of prong, a column for each place with edges, and a line for every class.

    Parameters
    ----------
    kinds
        For "trained" (and "untrained") by kind of prong and place, for each class ``{"mean": [N], "error": [N]}``.
    path
        File to write.
    classes
        Names of the classes, from the background on.
    place
        What a place with edges is called.
    """
    tables = kinds["trained"]
    places = len(next(iter(tables.values())))
    with new_file(path) as name, figure(places, len(tables), width=3.9, height=2.7) as (picture, axes):
        grid = np.array(axes).reshape(len(tables), places)
        for row, (sides, panels) in enumerate(zip(tables, grid, strict=True)):
            for number, panel in enumerate(panels):
                for kind, style in (("trained", "-"), ("untrained", "--")):
                    if kind in kinds:
                        _draw_fractions(panel, kinds[kind][sides][number], classes, kind, style)
                most = len(next(iter(tables[sides][number].values()))["mean"])
                panel.set(ylim=(0, None), xlim=(1, max(2, most)), xticks=[1, *range(5, most + 1, 5)])
                if row == 0:
                    panel.set_title(f"{place} {number + 1}", fontsize=12)
            panels[0].set_ylabel(f"Fraction between\n{_JOINED[sides]}", fontsize=11)
        for panel in grid[-1]:
            panel.set_xlabel("N most relevant edges", fontsize=11)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        picture.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=11)
        picture.savefig(name)


def draw_spectra(kinds: Mapping[str, Mapping[str, Any]], path: Path, classes: Sequence[str]) -> None:
    """Draw Delta R and mass of the five most relevant edges, for both classes and kinds of network.

    Parameters
    ----------
    kinds
        For "trained" (and "untrained") the "spectra" ``{"mean", "error"}`` by quantity and class, and the "areas" with
        AUC and error by quantity, the last place last.
    path
        File to write.
    classes
        Names of the classes, from the background on.
    """
    panels = {
        "delta_r": (r"$\Delta R$ of the most relevant edges", "Fraction of edges / 0.05", "linear"),
        "mass": (r"$m_{ij}$ of the most relevant edges [GeV]", "Fraction of edges / 4 GeV", "log"),
    }
    with new_file(path) as name, figure(2) as (picture, axes):
        for panel, (key, (label, density, scale)) in zip(axes, panels.items(), strict=True):
            edges = SPECTRA[key]
            title = []
            for kind, style in (("trained", "-"), ("untrained", "--")):
                if kind not in kinds:
                    continue
                area = kinds[kind]["areas"][key][-1]
                if area["auc"] is not None:
                    title.append(f"AUC {kind}: {measured(area['auc'], area['error'])}")
                for number, label_of in enumerate(classes):
                    row = kinds[kind]["spectra"][key][label_of]
                    mean, error = (np.array(row[part], np.float64) for part in ("mean", "error"))
                    line = {"color": _CLASS_COLOURS[number], "linestyle": style, "lw": 1.6, "baseline": None}
                    panel.stairs(mean, edges, label=f"{label_of}, {kind}", **line)
                    band = {"color": _CLASS_COLOURS[number], "alpha": 0.2, "lw": 0, "fill": True}
                    panel.stairs(mean + error, edges, baseline=np.maximum(mean - error, 1e-9), **band)
            panel.set(xlabel=label, ylabel=density, xlim=(edges[0], _last(kinds, key, edges)), yscale=scale)
            panel.set_ylim(*((2e-4, None) if scale == "log" else (0, None)))
            panel.set_title(", ".join(title), fontsize=11)
        legend: dict[str, Any] = {"loc": "outside upper center", "ncols": 4, "frameon": False, "fontsize": 11}
        picture.legend(*axes[0].get_legend_handles_labels(), **legend)
        words = "last block, by |R|; bands: statistical errors, for untrained networks their spread"
        # Only what is drawn needs to be explained: the axis ends where the last entry lies.
        full = [key for key in panels if _last(kinds, key, SPECTRA[key]) == SPECTRA[key][-1]]
        if full:
            ends = " and ".join(f"{SPECTRA[key][-1]:g}{_UNITS[key]}" for key in full)
            words += f"; what lies above {ends} is counted in the bin below"
        picture.supxlabel(words, fontsize=10)
        picture.savefig(name)


def draw_scores(table: Mapping[str, Any], path: Path, labels: Sequence[str], classes: Sequence[str]) -> None:
    """Draw histograms of R-scores: a feature's signed part of a jet's sum of |R|, for all classes.

    Parameters
    ----------
    table
        "bins", and for each class the counts ``[features, bins]``.
    path
        File to write.
    labels
        Names or formulas of the features.
    classes
        Names of the classes, from the background on.
    """
    edges, rows = np.array(table["bins"]), -(-(len(labels) + 1) // 4)
    filled = np.flatnonzero(sum(np.array(table[kind]).sum(0) for kind in classes))
    reach = float(np.abs(edges[[filled.min(), filled.max() + 1]]).max()) if len(filled) else 1.0
    with new_file(path) as name, figure(4, rows, width=3.8, height=3.2) as (picture, axes):
        panels = axes.ravel()
        for place, (panel, label) in enumerate(zip(panels, labels, strict=False)):
            for number, kind in enumerate(classes):
                counts = np.array(table[kind][place])
                panel.stairs(counts / max(1.0, counts.sum()), edges, color=_CLASS_COLOURS[number], label=kind, lw=1.6)
            panel.axvline(0.0, color=COLOURS["grey"], lw=0.8)
            panel.set(xlabel=f"R-score of {label}", ylabel="Fraction of jets", xlim=(-reach, reach), ylim=(0, None))
        for panel in panels[len(labels) :]:
            panel.axis("off")
        title = f"signed share of a jet's |R|;\nabove 0: speaks for {classes[-1]}"
        panels[-1].legend(*panels[0].get_legend_handles_labels(), loc="center", fontsize=12, title=title)
        picture.savefig(name)


def _last(kinds: Mapping[str, Mapping[str, Any]], key: str, edges: np.ndarray) -> float:
    """Return the end of the last bin in which any spectrum has an edge."""
    rows = [row["mean"] for one in kinds.values() for row in one["spectra"][key].values()]
    filled = np.flatnonzero(np.nan_to_num(np.array(rows, np.float64)).max(0))
    return float(edges[filled.max() + 1] if len(filled) else edges[-1])


def _draw_fractions(panel: Any, rows: Mapping[str, Any], classes: Sequence[str], kind: str, style: str) -> None:
    for number, label in enumerate(classes):
        mean, error = (np.array(rows[label][part], np.float64) for part in ("mean", "error"))
        steps, colour = np.arange(1, len(mean) + 1), _CLASS_COLOURS[number]
        panel.plot(steps, mean, style, color=colour, label=f"{label}, {kind}")
        panel.fill_between(steps, mean - error, mean + error, color=colour, alpha=0.2, lw=0)


def _draw_constituents(panel: Any, angles: np.ndarray, momenta: np.ndarray, subjet: np.ndarray) -> None:
    pt = np.hypot(momenta[:, 1], momenta[:, 2])
    size = 8 + 700 * pt / pt.sum()
    for number, colour in [(NONE, COLOURS["grey"]), *enumerate(_SUBJET_COLOURS)]:
        chosen = subjet == number
        if chosen.any():
            total = float(np.hypot(*momenta[chosen, 1:3].sum(0)))
            label = "not declustered" if number == NONE else f"subjet {number + 1}: $p_T$ = {total:.0f} GeV"
            scatter = {"color": colour, "alpha": 0.85, "edgecolors": "white", "linewidths": 0.4, "zorder": 2}
            panel.scatter(angles[chosen, 0], angles[chosen, 1], s=size[chosen], label=label, **scatter)


def _account(jet: Relevances, about: tuple[str, str, str, str]) -> str:
    title, composite, explained, last = about
    energy, px, py, pz = (float(value) for value in jet["example/axis"])
    pt, mass = np.hypot(px, py), np.sqrt(max(energy**2 - px**2 - py**2 - pz**2, 0.0))
    return (
        f"{title}, $p_T$ = {pt:.0f} GeV, m = {mass:.0f} GeV, {int(jet[ELEMENTS])} constituents; rules: {composite}\n"
        f"{explained} = {account(jet)}; probability of {last} {probability(jet)}\n"
        "lines: edges with the most |R|, darker for more"
    )
