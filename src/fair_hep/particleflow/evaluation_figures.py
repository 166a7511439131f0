"""Figures of the evaluation: the network and rule-based particle flow side by side, from the same events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..bundle.files import new_file
from ..pages.figures import COLOURS, figure
from .columns import CLASSES
from .comparison import NETWORK, RULES, Comparison
from .event_measures import JETS, missing_momentum
from .labels import CLASS_LABELS
from .measures import multiplicities, response

__all__ = ["draw"]

#: What the two flows are called.
Labels: TypeAlias = Mapping[str, str]

#: The rules' markers are the larger ones and lie below: where both say the same, both are seen.
STYLES: dict[str, dict[str, Any]] = {
    NETWORK: {"color": COLOURS["blue"], "marker": "o", "markersize": 3.5, "zorder": 3},
    RULES: {"color": COLOURS["orange"], "marker": "s", "markersize": 7, "zorder": 2},
}
#: Axes of efficiencies and fake rates, with the edges of the bins; GeV.
AXES = {
    "pt": ("$p_T$ [GeV]", np.geomspace(0.5, 100, 13)),
    "energy": ("E [GeV]", np.geomspace(1, 300, 13)),
    "eta": (r"$\eta$", np.linspace(-5, 5, 21)),
}
#: Quantities of the responses: label, half the range.
RESPONSES = {"pt": ("$p_T$", 1.0), "energy": ("E", 1.0), "eta": (r"$\eta$", 0.1), "phi": (r"$\phi$", 0.1)}
#: A bin with fewer elements isn't drawn; where most bins have fewer, they are joined.
FEWEST = 10
#: A class is drawn if so many bins are filled.
BINS = 3


def draw(found: Comparison, jets: Mapping[str, Mapping[str, np.ndarray]], folder: Path, title: str) -> list[str]:
    """Draw all figures; return their names. The network is called by the title of its model."""
    labels = {NETWORK: title, RULES: "rule-based"}
    _draw_confusion(found, labels, folder / "confusion.png")
    _draw_efficiencies(found, labels, folder / "efficiencies.png")
    _draw_responses(found, labels, folder / "responses.png")
    _draw_multiplicities(found, labels, folder / "multiplicities.png")
    _draw_events(found, jets, labels, folder / "events.png")
    return ["confusion.png", "efficiencies.png", "responses.png", "multiplicities.png", "events.png"]


def _draw_confusion(found: Comparison, labels: Labels, path: Path) -> None:
    with new_file(path) as name, figure(2, width=5.6, height=5.2) as (picture, axes):
        for panel, flow in zip(axes, labels, strict=True):
            counts = found.confusions(flow).sum(0)
            share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
            panel.imshow(share, cmap="Blues", vmin=0, vmax=1)
            for row, column in np.ndindex(*share.shape):
                colour = "white" if share[row, column] > 0.5 else "black"
                text = f"{share[row, column]:.2f}" if counts[row].sum() else ""
                panel.text(column, row, text, ha="center", va="center", color=colour, fontsize=10)
            ticks = range(len(CLASSES))
            panel.set_xticks(ticks, CLASS_LABELS, rotation=40, ha="right")
            panel.set_yticks(ticks, CLASS_LABELS)
            panel.tick_params(which="both", length=0)
            panel.minorticks_off()
            panel.set(xlabel=f"{labels[flow]} class", ylabel="Generated class", title=labels[flow])
        picture.savefig(name)


def _draw_efficiencies(found: Comparison, labels: Labels, path: Path) -> None:
    """Efficiency against the generated momentum, fake rate against the reconstructed one."""
    binned = {kind: _binned(found, kind) for kind in range(1, len(CLASSES))}
    kinds = [kind for kind, edges in binned.items() if edges] or [1]
    with new_file(path) as name, figure(3, len(kinds), width=4.6, height=3.2) as (picture, axes):
        for row, kind in zip(np.atleast_2d(axes), kinds, strict=True):
            for panel, (quantity, (label, axis)) in zip(row, AXES.items(), strict=True):
                edges = binned[kind].get(quantity, axis)
                for flow, particles in found.flows.items():
                    is_it, got_it = found.truth.pid == kind, particles.pid == kind
                    style = STYLES[flow]
                    solid = {**style, "label": labels[flow]}
                    _points(panel, getattr(found.truth, quantity)[is_it], got_it[is_it], edges, solid)
                    hollow = {**style, "markerfacecolor": "white", "linestyle": "--"}
                    _points(panel, getattr(particles, quantity)[got_it], ~is_it[got_it], edges, hollow)
                panel.set(xlabel=label, ylim=(-0.03, 1.06), xscale="linear" if quantity == "eta" else "log")
                panel.set(xlim=(axis[0], axis[-1]))
                if not panel.containers:
                    panel.text(0.5, 0.5, f"fewer than {FEWEST} in every bin", transform=panel.transAxes, ha="center")
            row[0].set_ylabel(f"{CLASS_LABELS[kind]}\nshare of elements")
        first = np.atleast_2d(axes)[0, 0]
        first.plot([], [], color="black", label="efficiency")
        first.plot([], [], color="black", linestyle="--", label="fake rate")
        first.legend(loc="center left", fontsize=9)
        picture.savefig(name)


def _binned(found: Comparison, kind: int) -> dict[str, np.ndarray]:
    """Return the edges of bins by quantity in which a class can be drawn: finer ones joined until most are filled.

    Nothing if some axis has fewer than `BINS` filled bins.
    """
    is_it, result = found.truth.pid == kind, {}
    for quantity, (_, axis) in AXES.items():
        values = getattr(found.truth, quantity)[is_it]
        for joined in (size for size in range(1, len(axis)) if (len(axis) - 1) % size == 0):
            edges = axis[::joined]
            counts = np.histogram(values, edges)[0]
            filled = counts >= FEWEST
            if filled[counts > 0].mean() >= 0.5 and filled.sum() >= BINS:
                result[quantity] = edges
                break
        else:
            return {}
    return result


def _points(panel: Any, values: np.ndarray, passed: np.ndarray, edges: np.ndarray, style: Any) -> None:
    """Draw the share of elements that pass, bin by bin, with Wilson's interval (Wilson, JASA 22 (1927) 209)."""
    total, good = np.histogram(values, edges)[0], np.histogram(values[passed], edges)[0]
    seen = total >= FEWEST
    if not seen.any():
        return
    n, p = total[seen], good[seen] / total[seen]
    centre, half = (p + 0.5 / n) / (1 + 1 / n), np.sqrt(p * (1 - p) / n + 0.25 / n**2) / (1 + 1 / n)
    middle = (edges[:-1] + edges[1:])[seen] / 2
    error = np.clip([p - (centre - half), centre + half - p], 0, None)
    panel.errorbar(middle, p, yerr=error, linewidth=1.2, **style)


def _draw_responses(found: Comparison, labels: Labels, path: Path) -> None:
    kinds = (1, 2, 3)
    with new_file(path) as name, figure(len(RESPONSES), len(kinds), width=4.2, height=3.2) as (picture, axes):
        for row, kind in zip(axes, kinds, strict=True):
            chosen = found.agreed(kind)
            for panel, (quantity, (label, reach)) in zip(row, RESPONSES.items(), strict=True):
                edges = np.linspace(-reach, reach, 61)
                for flow, particles in found.flows.items():
                    values = response(particles[chosen], found.truth[chosen], quantity)
                    values = values[np.isfinite(values)]
                    text = rf"{labels[flow]}: $\sigma$ = {values.std():.3f}" if len(values) else labels[flow]
                    panel.hist(values, edges, histtype="step", color=STYLES[flow]["color"], label=text, linewidth=1.5)
                relative = quantity in ("pt", "energy")
                what = f"({label} $-$ gen.) / gen." if relative else f"{label} $-$ gen."
                what += " [rad]" if quantity == "phi" else ""
                panel.set(xlabel=what, yscale="log" if len(chosen) else "linear")
                low, high = panel.get_ylim()
                panel.set_ylim(low, high * (high / low) ** 0.45 if len(chosen) else high)  # room for the legend
                panel.legend(fontsize=9, loc="upper center", ncols=2)
            row[0].set_ylabel(f"{CLASS_LABELS[kind]}s\nelements per bin")
        picture.savefig(name)


def _draw_multiplicities(found: Comparison, labels: Labels, path: Path) -> None:
    kinds = (1, 2, 3)
    with new_file(path) as name, figure(len(kinds), width=4.8, height=4.4) as (picture, axes):
        for panel, kind in zip(axes, kinds, strict=True):
            truth = multiplicities(found.truth.pid, [kind], found.event, found.events)
            for flow, particles in found.flows.items():
                number = multiplicities(particles.pid, [kind], found.event, found.events)
                style = {**STYLES[flow], "linestyle": "none", "alpha": 0.6}
                panel.plot(truth, number, label=labels[flow], **style)
            top = max(1, truth.max(initial=0)) * 1.1
            panel.plot([0, top], [0, top], color=COLOURS["grey"], linewidth=1)
            panel.set(xlabel=f"generated {CLASS_LABELS[kind]}s", ylabel="reconstructed", xlim=(0, top), ylim=(0, None))
            panel.legend(fontsize=9)
        picture.savefig(name)


def _draw_events(found: Comparison, jets: Mapping[str, Mapping[str, np.ndarray]], labels: Labels, path: Path) -> None:
    """Missing transverse momentum, and jets against generated jets."""
    truth = missing_momentum(found.truth, found.event, found.events)
    apart = {f: (missing_momentum(p, found.event, found.events) - truth).ravel() for f, p in found.flows.items()}
    reach = max(1.0, *(float(np.quantile(np.abs(values), 0.99)) for values in apart.values() if len(values)))
    with new_file(path) as name, figure(3, width=4.8, height=4.2) as (picture, axes):
        for flow in found.flows:
            style = {"histtype": "step", "color": STYLES[flow]["color"], "linewidth": 1.5}
            text = rf"{labels[flow]}: $\sigma$ = {apart[flow].std():.1f} GeV"
            axes[0].hist(apart[flow], np.linspace(-reach, reach, 41), label=text, **style)
            answer, pt = jets[flow]["response"], jets[flow]["pt"]
            real = answer[np.isfinite(answer)]
            text = rf"{labels[flow]}: $\sigma$ = {real.std():.3f}" if len(real) else labels[flow]
            axes[1].hist(real, np.linspace(-1, 1, 41), label=text, **style)
            edges = np.geomspace(JETS["pt_min"], 200, 8)
            _points(axes[2], pt, np.isfinite(answer), edges, {**STYLES[flow], "label": labels[flow]})
        axes[0].set(xlabel="missing $p_x$, $p_y$ $-$ gen. [GeV]", ylabel="components per bin")
        axes[1].set(xlabel="(jet $p_T$ $-$ gen.) / gen.", ylabel="jets per bin")
        axes[2].set(xlabel="generated jet $p_T$ [GeV]", ylabel="share of jets found", ylim=(0, 1.05))
        for panel in axes:
            panel.set_ylim(0, 1.3 * panel.get_ylim()[1])  # room for the legend
            if panel.get_legend_handles_labels()[0]:
                panel.legend(fontsize=9, loc="upper center", ncols=2)
        picture.savefig(name)
