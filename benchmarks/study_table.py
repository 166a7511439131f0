"""The study of ParticleNet beside the published one, as a table in Markdown, from finished runs.

Usage: ``python benchmarks/study_table.py NAME=runs/<configuration>/explain ...`` in a project's folder; the table goes
to standard output. Published values: Mokhtar, Kansal and Duarte, arXiv:2211.09912 (Delphes, 1.2 M jets).
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: What edges may join, by the names of `study.json`.
SIDES = {"subjets": "C/A subjets", "prongs": "groomed prongs", "quarks": "quarks"}
#: Number of the most relevant edges of a jet.
EDGES = 5


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER", help="finished runs of `explain`")
    runs = dict(text.split("=", 1) for text in parser.parse_args().runs)
    studies = {name: json.loads((Path(folder) / "study.json").read_text()) for name, folder in runs.items()}
    print(table(studies))


def table(studies: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table: a row for each quantity, a column for each run, the published values first."""
    columns = {name: column(found) for name, found in studies.items()}
    # In the order of the run with the most rows: another network may have fewer blocks.
    names = list(dict.fromkeys(key for values in sorted(columns.values(), key=len, reverse=True) for key in values))
    lines = ["| quantity | published | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 2)]
    for name in names:
        cells = [values.get(name, "none") for values in columns.values()]
        lines.append(f"| {name} | {_PUBLISHED.get(name, '')} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def column(found: Mapping[str, Any]) -> dict[str, str]:
    """Return what one study found, by the names of the rows."""
    network, result = found["network"], {}
    result["network"] = " ".join(str(network[key]) for key in ("model", "preset") if key in network)
    result["jets in training, epochs"] = f"{network.get('examples', '?'):,}, {network.get('epochs', '?')}"
    if "metrics" in network:
        result["AUC"] = f"{network['metrics']['auc']:.4f}"
    result["rules, jets explained"] = f"{found['explained']['composite']}, {found['examples']['explained']:,}"
    for kind, one in (("trained", found), ("untrained", found.get("untrained"))):
        if one is None:
            continue
        for sides, blocks in one["fractions"].items():
            for number, block in enumerate(blocks):
                place = f"block {number + 1}" if number + 1 < len(blocks) else "last block"
                result[f"{kind}, {place}, between {SIDES[sides]}"] = fractions(block)
        for name, shown in (("delta_r", "Delta R"), ("mass", "m_ij")):
            area = one["areas"][name][-1]
            result[f"{kind}, last block, AUC of {shown}"] = _measured(area["auc"], area["error"])
        if "picking" in one:
            row = one["picking"]["elements"]["relevance"]
            result[f"{kind}, constituents of the decay picked"] = _measured(row["mean"], row["error"])
    return result


def fractions(block: Mapping[str, Any]) -> str:
    """Return the fractions at five edges of top and of QCD jets, and their ratio, with errors in quadrature."""
    (top, top_error), (qcd, qcd_error) = (_at(block[name]) for name in ("top", "QCD"))
    both = f"{_measured(top, top_error)} / {_measured(qcd, qcd_error)}"
    if top is None or not qcd:
        return both
    value = top / qcd
    return f"{both} = {value:.2f} ± {math.hypot(top_error / qcd, value * qcd_error / qcd):.2f}"


def _at(row: Mapping[str, Sequence[Any]]) -> tuple[Any, Any]:
    place = min(EDGES, len(row["mean"])) - 1
    return row["mean"][place], row["error"][place]


def _measured(mean: float | None, error: float | None) -> str:
    return "undefined" if mean is None else f"{mean:.3f}" + ("" if error is None else f" ± {error:.3f}")


#: Published values, by the rows of the table.
_PUBLISHED = {
    "jets in training, epochs": "1,200,000",
    f"trained, last block, between {SIDES['subjets']}": ".417 / .098 = 4.3",
    f"untrained, last block, between {SIDES['subjets']}": ".577 / about the same",
    "trained, last block, AUC of Delta R": ".785",
    "untrained, last block, AUC of Delta R": ".501",
}


if __name__ == "__main__":
    main()
