"""What kind of sample stands behind the figures, in one sentence for the first screen and the card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .facts import Facts

__all__ = ["sample_sentence", "simulated_words", "source_of"]

_SOURCES = {
    "sample": "from the small sample that ships with the project",
    "simulate": "made by the project's own generator",
    "doi": "from the published record",
    "folder": "from files that the user brought along",
}


def source_of(source: str) -> str:
    """Return where data come from, in words."""
    return _SOURCES.get(source, source)


def sample_sentence(facts: Facts) -> str:
    """Return how many examples the figures are of, and what these are; nothing of a graph that wasn't measured here."""
    test, data = facts.metrics.get("test_set"), facts.data
    if not test:
        return ""
    what, learned = facts.signature.inputs[0].axes[0], facts.training.get("examples")
    size = f"Measured on {test['examples']:,} {what} of the test split"
    size += f" (trained on {learned:,})" if learned and facts.elsewhere is None else ""
    doi = f", [doi:{data.doi}](https://doi.org/{data.doi})" if data.doi else ""
    made = simulated_words(data.simulated)
    known = f": {made}" if made else "" if data.doi else "; how they were made isn't known here"
    return f"{size}, {source_of(facts.metrics['source'])}{doi}{known}."


def simulated_words(made: Mapping[str, Any]) -> str:
    """Return how data were simulated: generator, shower, level and detector, pile-up; nothing if that isn't known.

    Examples
    --------
    >>> simulated_words({"generator": {"pythia8mc": "8.3"}, "level": "particle", "pileup_mean": 0.0})
    'simulated with pythia8mc 8.3; particle; no pile-up'
    """
    if not made:
        return ""
    programs = " and ".join(f"{name} {version}" for name, version in made["generator"].items())
    shower = made.get("simulation", {}).get("shower", "default")
    pileup = made.get("pileup_mean", 0.0)
    parts = [f"simulated with {programs}" + (f" (shower: {shower})" if shower != "default" else "")]
    if "level" in made:
        parts.append(str(made["level"]).removesuffix("; GeV"))
    if "detector" in made:
        parts.append(f"detector {made['detector']}")
    granularity = made.get("simulation", {}).get("granularity")
    if granularity and made["simulation"].get("level") == "detector":
        parts.append(f"{granularity} cells")
    parts.append(f"{pileup:g} pile-up interactions on average" if pileup else "no pile-up")
    return "; ".join(parts)
