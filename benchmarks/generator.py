"""MLPF's generator: events per second, and its physics beside the published numbers.

``python benchmarks/generator.py [--pileup 0 40 200] [--events 40] [--figure docs/mlpf-generator.png]`` prints JSON
lines: for each mean pile-up the events that one process makes in a second (Pythia 8 and the detector, without
writing), the elements of an event, the shares of tracks and of the classes, and efficiency, fake rate and resolution of
rule-based particle flow; then the published numbers (QCD events at pile-up 200: Pata et al., arXiv:2101.08578). The
figure shows the spectra at every pile-up.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from fair_hep.data.delphes import TRACK, Event
from fair_hep.pages.figures import COLOURS, figure
from fair_hep.particleflow.columns import CLASSES
from fair_hep.particleflow.measures import (
    Measure,
    confusions,
    efficiency,
    fake_rate,
    jackknife,
    multiplicities,
    response,
)
from fair_hep.particleflow.particles import Particles, by_event, read_rows
from fair_hep.simulation.detector import detect
from fair_hep.simulation.event_generator import Collider

#: Rule-based particle flow on QCD events at pile-up 200, arXiv:2101.08578 (figures) and its code's notebook.
PUBLISHED: dict[str, Any] = {
    "elements": "5,000 to 6,000",
    "efficiency": dict(zip(CLASSES, (0.96, 0.953, 0.883, 0.99, 0.74, 1.00), strict=True)),
    "fake_rate": {"charged_hadron": 0.000, "neutral_hadron": 0.071},
    "multiplicity": {"charged_hadron": -0.047, "neutral_hadron": -0.049},
    "resolution": {"charged_hadron pt": 0.21, "neutral_hadron energy": 0.35, "charged_hadron eta": 0.24},
}
#: Sizes that events are padded to in the same paper, by pile-up.
PADDED = {40: 1280, 80: 2560, 200: 6400}


def make(pileup: float, count: int, seed: int) -> tuple[list[Event], float]:
    """Make QCD events in this process; return them and the seconds that it took, without setting Pythia up."""
    collider, random = Collider("qcd", pileup), np.random.default_rng(seed)
    collider.seed(seed, seed + 1)
    detect(collider.event(random), random)
    started = time.perf_counter()
    events = [detect(collider.event(random), random) for _ in range(count)]
    return events, time.perf_counter() - started


def joined(events: list[Event]) -> tuple[np.ndarray, Particles, Particles, np.ndarray]:
    """Return elements, truth, candidates and the event of every element."""
    offsets = np.cumsum([0, *(len(event.elements) for event in events)])
    columns = [np.concatenate([getattr(event, name) for event in events]) for name in ("elements", "gen", "cand")]
    return columns[0], read_rows(columns[1]), read_rows(columns[2]), by_event(offsets)


def rules(truth: Particles, cand: Particles, event: np.ndarray, count: int) -> dict[str, Any]:
    """Measure rule-based particle flow by the published definitions."""
    counted = confusions(truth.pid, cand.pid, event, count)
    every = np.arange(count)
    found: dict[str, Any] = {"efficiency": {}, "fake_rate": {}, "multiplicity": {}, "resolution": {}}
    for number, kind in enumerate(CLASSES):
        for name, share in (("efficiency", efficiency), ("fake_rate", fake_rate)):
            found[name][kind] = told(jackknife(lambda c: share(counted[c].sum(0))[number], every, count))  # noqa: B023
        made = multiplicities(truth.pid, [number], event, count)
        if number and (made > 0).all():
            relative = multiplicities(cand.pid, [number], event, count) / made - 1
            found["multiplicity"][kind] = told(Measure(relative.mean(), relative.std() / np.sqrt(count)))
    for kind, quantity in (("charged_hadron", "pt"), ("neutral_hadron", "energy"), ("charged_hadron", "eta")):
        number = CLASSES.index(kind)
        chosen = (truth.pid == number) & (cand.pid == number) & truth.known & cand.known
        if quantity == "eta":
            values = (cand.eta[chosen] - truth.eta[chosen]) / truth.eta[chosen]
        else:
            values = response(cand[chosen], truth[chosen], quantity)
        values = np.clip(values[np.isfinite(values)], -10, 10)
        at = event[chosen]
        found["resolution"][f"{kind} {quantity}"] = told(
            jackknife(lambda c: values[c].std(), at, count)  # noqa: B023
        )
    return found


def told(measure: Measure | None) -> str:
    """Return a measure as text."""
    return "-" if measure is None else measure.text()


def draw(made: dict[float, list[Event]], path: Path) -> None:
    """Draw spectra of tracks, towers and all elements, and the number of elements against pile-up."""
    colours = list(COLOURS.values())
    with figure(2, 2, width=5.2, height=3.9) as (picture, panels):
        axes = panels.ravel()
        for colour, (pileup, events) in zip(colours, made.items(), strict=False):
            elements = joined(events)[0]
            track = elements[:, 0] == TRACK
            label = f"pile-up {pileup:g}, {len(events)} events"
            options: dict[str, Any] = {"histtype": "step", "color": colour, "weights": None}
            for panel, values, edges in (
                (axes[0], elements[track, 1], np.geomspace(0.1, 100, 31)),
                (axes[1], elements[~track, 5], np.geomspace(0.5, 1000, 31)),
                (axes[2], elements[:, 2], np.linspace(-5, 5, 41)),
            ):
                options["weights"] = np.full(len(values), 1 / len(events))
                panel.hist(values, edges, label=label, **options)
            count = np.array([len(event.elements) for event in events])
            axes[3].errorbar(pileup, count.mean(), count.std(), color=colour, marker="o", capsize=3)
        labels = ("Track $p_T$ [GeV]", "Tower E [GeV]", r"Element $\eta$", "Mean pile-up")
        for panel, label in zip(axes, labels, strict=True):
            panel.set_xlabel(label)
            panel.set_ylabel("Elements / event")
        for panel in axes[:2]:
            panel.set_xscale("log")
        for panel in axes[:3]:
            panel.set_yscale("log")
        axes[3].plot(*zip(*PADDED.items(), strict=True), "kx", label="padded to (arXiv:2101.08578)")
        axes[3].legend(loc="upper left")
        handles, names = axes[0].get_legend_handles_labels()
        picture.legend(handles, names, loc="outside upper center", ncols=len(made))
        picture.savefig(path)


def main() -> None:
    """Print the numbers, and draw the figure if it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pileup", type=float, nargs="+", default=[0.0, 40.0, 200.0])
    parser.add_argument("--events", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    kept = {}
    for pileup in options.pileup:
        # Small events cost nothing: more of them give smaller errors.
        count = options.events * (10 if pileup < 1 else 1)
        events, seconds = make(pileup, count, options.seed)
        kept[pileup] = events
        elements, truth, cand, event = joined(events)
        sizes = np.bincount(event, minlength=count)
        shares = np.bincount(truth.pid, minlength=len(CLASSES)) / len(truth)
        print(
            json.dumps(
                {
                    "pileup": pileup,
                    "events": count,
                    "events_per_second": round(count / seconds, 2),
                    "elements": told(Measure(sizes.mean(), sizes.std() / np.sqrt(count))),
                    "tracks": round(float((elements[:, 0] == TRACK).mean()), 3),
                    "classes": {kind: round(float(share), 4) for kind, share in zip(CLASSES, shares, strict=True)},
                    "rules": rules(truth, cand, event, count),
                }
            ),
            flush=True,
        )
    print(json.dumps({"published": PUBLISHED}))
    if options.figure:
        draw(kept, options.figure)


if __name__ == "__main__":
    main()
