"""The study of MLPF beside the published one, as a table in Markdown, from finished runs.

Usage: ``python benchmarks/mlpf_study_table.py NAME=runs/<configuration>/explain ...`` in a project's folder; the table
goes to standard output. Published values: R-maps of class scores, Mokhtar et al., arXiv:2111.12840 (Delphes, ttbar and
QCD events with 200 pile-up interactions), correctly classified elements, sine and cosine of phi together. The published
code loses one element of every map and counts the own one twice, so a few per cent of the published shares are its.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: Columns of an R-map as published: name, and ours that it joins.
FEATURES = {
    "track or tower": (0,),
    "pT or ET": (1,),
    "eta": (2,),
    "phi": (3, 4),
    "p or E": (5,),
    "outer eta or E in the ECAL": (6,),
    "outer phi or E in the HCAL": (7, 8),
    "charge": (9,),
    "is a muon": (10,),
    "is an electron": (11,),
}
#: Sums of the element's own row and of the three others that matter most, and its own row by feature.
PUBLISHED: Mapping[str, tuple[Sequence[float], Sequence[float]]] = {
    "charged_hadron": (
        (0.800, 0.0514, 0.0321, 0.0223),
        (0.15011, 0.16918, 0.05771, 0.06515, 0.10837, 0.08239, 0.05341, 0.11376, 0.0, 0.0),
    ),
    "neutral_hadron": (
        (0.985, 0.0074, 0.0042, 0.0016),
        (0.03347, 0.21732, 0.0111, 0.0067, 0.55483, 0.0, 0.16154, 0.0, 0.0, 0.0),
    ),
}
#: Features that are told in order.
FIRST = 4
_FLAGS = {"electron": "is an electron", "muon": "is a muon"}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER", help="finished runs of `explain`")
    runs = dict(text.split("=", 1) for text in parser.parse_args().runs)
    print(table({name: json.loads((Path(folder) / "study.json").read_text()) for name, folder in runs.items()}))


def table(studies: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table: a row for each quantity, a column for each run, the published values first."""
    columns = {"published": published(), **{name: column(found) for name, found in studies.items()}}
    names = list(dict.fromkeys(key for values in reversed(columns.values()) for key in values))
    lines = [f"| quantity | {' | '.join(columns)} |", "|" + "---|" * (len(columns) + 1)]
    lines += [f"| {name} | {' | '.join(values.get(name, '') for values in columns.values())} |" for name in names]
    return "\n".join(lines)


def published() -> dict[str, str]:
    """Return the published values by the names of the rows."""
    result = {}
    for kind, (sums, own) in PUBLISHED.items():
        label = kind.replace("_", " ")
        result[f"{label}s: neighbours' share of abs(R)"] = f"{100 * (1 - sums[0]):.1f} %"
        for number, value in enumerate(sums[1:], start=1):
            result[f"{label}s: other number {number}"] = f"{100 * value:.1f} %"
        result[f"{label}s: own features in order"] = _order(own)
        result[f"{label}s: own charge"] = f"{100 * own[list(FEATURES).index('charge')]:.1f} %"
    return result


def column(found: Mapping[str, Any]) -> dict[str, str]:
    """Return what one study found, by the names of the rows."""
    network, explained = found["network"], found["explained"]
    result = {
        "network": " ".join(str(network[key]) for key in ("model", "preset") if key in network),
        "events in training, epochs": f"{network.get('examples', '?'):,}, {network.get('epochs', '?')}",
        "rules, elements explained": f"{explained['composite']}, {found['elements']['explained']:,}",
    }
    if "decisive" in network:
        result["mean F1 of the classes"] = f"{network['metrics'][network['decisive']]:.3f}"
    classes = found["outputs"]["class"]
    for kind, outcomes in classes.items():
        cell, label = outcomes["correct"], kind.replace("_", " ")
        if kind == "none" or not cell["elements"]:
            continue
        share = cell["neighbours_share"]
        error = "" if share["error"] is None else f" ± {100 * share['error']:.1f}"
        result[f"{label}s: neighbours' share of abs(R)"] = f"{100 * share['mean']:.1f}{error} %"
        rows = [merged(row) for row in cell["r_map"]["mean"]]
        if kind in PUBLISHED:
            for number, (row, kinds) in enumerate(zip(rows[1:4], cell["others"], strict=False), start=1):
                what = max(kinds, key=kinds.__getitem__)
                share_of_kind = kinds[what] / max(1, sum(kinds.values()))
                text = f"{100 * sum(row):.1f} % ({100 * share_of_kind:.0f} % {what})"
                result[f"{label}s: other number {number}"] = text
            result[f"{label}s: own features in order"] = _order(rows[0])
            result[f"{label}s: own charge"] = f"{100 * rows[0][list(FEATURES).index('charge')]:.1f} %"
        if kind in _FLAGS:
            place = list(FEATURES).index(_FLAGS[kind])
            result[f"{label}s: flag of the generator, all rows"] = f"{100 * sum(row[place] for row in rows):.1f} %"
    return result


def merged(row: Sequence[float]) -> list[float]:
    """Return a row of an R-map ``[12]`` in the published columns ``[10]``."""
    return [sum(row[place] for place in places) for places in FEATURES.values()]


def _order(own: Sequence[float]) -> str:
    """Name the first features of the own row with their shares."""
    ranked = sorted(zip(own, FEATURES, strict=True), reverse=True)[:FIRST]
    return ", ".join(f"{name} {100 * value:.0f} %" for value, name in ranked)


if __name__ == "__main__":
    main()
