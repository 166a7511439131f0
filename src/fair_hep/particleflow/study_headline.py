"""What a study found, in lines for a human."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..study.removal_table import recommendation
from .columns import CLASSES
from .labels import CLASS_LABELS, FeatureNames
from .relevances import EXPLAINED
from .rmap_averages import SHARE

if TYPE_CHECKING:
    from ..provenance.configuration import ExplainConfig

__all__ = ["headline"]


def headline(
    found: Mapping[str, Any], settings: ExplainConfig, features: FeatureNames, truth: Sequence[str]
) -> list[str]:
    """Return the lines, given what was found, the settings, the features, and which of them come from the generator."""
    classes = found["outputs"]["class"]
    lines = [
        f"explained {found['elements']['explained']} elements of {found['events']['explained']} events, "
        f"{len(EXPLAINED)} outputs each, by {settings.composite}: largest ledger error "
        f"{found['ledger']['largest_error']:.1e} in {settings.precision}"
    ]
    if found["corrections"]:
        lines.append("of momenta, the corrections are explained: what differs from the element's own measurement")
    known = {
        label: classes[kind]["correct"]
        for kind, label in zip(CLASSES, CLASS_LABELS, strict=True)
        if classes[kind]["correct"]["elements"]
    }
    shares = [f"{_percent(cell['neighbours_share'])} ({kind})" for kind, cell in known.items()]
    if shares:
        lines.append(f"neighbours' share of |R| of the class, correctly classified: {', '.join(shares)}")
        counts = [f"{cell['relevant_elements']['mean']:.1f} ({kind})" for kind, cell in known.items()]
        lines.append(f"elements that carry {100 * SHARE:.0f} % of |R|: {', '.join(counts)}")
    places = [features.names.index(name) for name in truth]
    shares_of_truth = [
        f"{100 * sum(row[place] for row in cell['r_map']['mean'] for place in places):.1f} % ({kind})"
        for kind, cell in known.items()
        if kind in ("electron", "muon")
    ]
    if places and shares_of_truth:
        named = " and ".join(features.plain[place] for place in places)
        lines.append(f"share of {named}, which come from the generator: {', '.join(shares_of_truth)}")
    trust = found["trust"]
    if "removal" in trust:
        rows = sorted(trust["removal"].items(), key=lambda item: -item[1]["area"])
        areas = ", ".join(f"{name} {row['area']:.2f} ± {row['area_error']:.2f}" for name, row in rows)
        lines.append(
            f"insertion minus deletion area on {trust['elements']} validation elements: {areas}; "
            + recommendation(trust, str(settings.composite))
        )
    if "randomised" in trust:
        last = trust["randomised"][-1]["correlation"]
        shown = "undefined" if last is None else f"{last:+.2f}"
        lines.append(f"all weights random: rank correlation {shown} with the trained network's relevances")
    return lines


def _percent(value: Mapping[str, Any]) -> str:
    error = "" if value["error"] is None else f" ± {100 * value['error']:.1f}"
    return f"{100 * value['mean']:.1f}{error} %"
