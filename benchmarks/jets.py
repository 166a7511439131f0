"""Simulated jets before and after the detector: what it changes, in numbers and in one figure.

``python benchmarks/jets.py [--jets 1000] [--figure docs/explanation/jets.png]`` prints a JSON line for each choice of
level, card and granularity, and for Vincia: jets per CPU second (Pythia, detector, clustering and truth, in one
process), constituents of a jet, median mass and tau_32, shares of the energy by origin; each for top and for QCD.
The figure shows the distributions at particle level and after the ATLAS card, with the cells of both granularities.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from fair_hep.data.toptag import ORIGINS
from fair_hep.jets.nsubjettiness import tau
from fair_hep.pages.figures import COLOURS, figure
from fair_hep.simulation.jet_generator import Jets, generate
from fair_hep.simulation.jet_options import JetOptions

CHOICES: dict[str, dict[str, Any]] = {
    "particle level": {"level": "particle"},
    "ATLAS, fine": {"granularity": "fine"},
    "ATLAS, coarse": {},
    "CMS, fine": {"card": "CMS", "granularity": "fine"},
    "ATLAS, coarse, Vincia": {"shower": "vincia"},
}
#: What the figure shows, with its lines.
SHOWN = {"particle level": ":", "ATLAS, fine": "-", "ATLAS, coarse": "--"}
#: Quantities with their bins and axes.
BINS = {
    "constituents": (np.linspace(0, 140, 36), "constituents of a jet"),
    "pt": (np.geomspace(0.1, 500, 40), r"$p_T$ of a constituent [GeV]"),
    "mass": (np.linspace(0, 300, 41), "jet mass [GeV]"),
    "tau32": (np.linspace(0, 1.1, 34), r"$\tau_3 / \tau_2$"),
}


def quantities(jets: Jets) -> dict[str, np.ndarray]:
    """Return what the figure shows, by name."""
    particles = jets.particles.astype(np.float64)
    real, total = particles[..., 0] > 0, particles.sum(1)
    mass = np.sqrt(np.maximum(total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(1), 0.0))
    second = tau(particles, 2)
    ratio = np.divide(tau(particles, 3), second, out=np.zeros_like(second), where=second > 0)
    pt = np.hypot(particles[..., 1], particles[..., 2])[real]
    return {"constituents": real.sum(1), "pt": pt, "mass": mass, "tau32": ratio}


def numbers(jets: Jets, seconds: float) -> dict[str, Any]:
    """Return the numbers of one choice and kind; means with their statistical errors."""
    found, energy = quantities(jets), jets.particles[..., 0]
    count = found["constituents"]
    shares = {name: energy[jets.origin == code].sum() / energy.sum() for name, code in ORIGINS.items()}
    return {
        "jets_per_cpu_second": round(len(count) / seconds, 1),
        "events_kept": round(len(count) / jets.events, 3),
        "constituents": [round(float(count.mean()), 1), round(float(count.std() / np.sqrt(len(count))), 1)],
        "median_mass_gev": round(float(np.median(found["mass"])), 1),
        "median_tau32": round(float(np.median(found["tau32"])), 3),
        "energy_by_origin": {name: round(float(share), 3) for name, share in shares.items() if share > 0},
    }


def draw(made: dict[tuple[str, str], Jets], path: Path) -> None:
    """Draw all quantities of top and QCD jets before and after the detector."""
    with figure(2, 2, width=4.8, height=3.6) as (drawing, axes):
        for axis, (name, (bins, label)) in zip(np.ravel(axes), BINS.items(), strict=True):
            for (choice, kind), jets in made.items():
                values = np.minimum(quantities(jets)[name], bins[-1])
                colour = COLOURS["red" if kind == "top" else "blue"]
                weights = np.full(len(values), 1 / len(jets.particles))
                axis.hist(
                    values, bins, weights=weights, histtype="step", color=colour, linestyle=SHOWN[choice],
                    label=f"{kind}, {choice}",
                )  # fmt: skip
            axis.set_xlabel(label)
            axis.set_ylabel("constituents per jet and bin" if name == "pt" else "fraction of jets per bin")
            if name == "pt":
                axis.set_xscale("log")
        handles, labels = np.ravel(axes)[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=10)
        drawing.savefig(path, dpi=80)


def main() -> None:
    """Simulate, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jets", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    made = {}
    for choice, options in CHOICES.items():
        for kind in ("top", "qcd"):
            started = time.process_time()
            jets = generate(kind, arguments.jets, arguments.seed, JetOptions(**options))
            print(
                json.dumps({"choice": choice, "kind": kind, **numbers(jets, time.process_time() - started)}), flush=True
            )
            if choice in SHOWN:
                made[choice, "QCD" if kind == "qcd" else kind] = jets
    if arguments.figure:
        draw(made, arguments.figure)


if __name__ == "__main__":
    main()
