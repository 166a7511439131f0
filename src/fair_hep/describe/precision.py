"""What a bundle of low precision says of itself: how far it is from the same network in single precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..bundle.symbols import plain
from ..pages.document import Block, Items, Paragraph

__all__ = ["precision_blocks", "precision_lines"]

_SINGLE = "float32"


def precision_lines(record: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Say in lines for a human what an export found out about its precision; none for single precision.

    Parameters
    ----------
    record
        ``precision`` of ``metrics.json``, if it is there.
    """
    if not record:
        return ()
    return tuple(line for line in (_decisive(record), _flipped(record), _explained(record), _bytes(record)) if line)


def precision_blocks(metrics: Mapping[str, Any]) -> tuple[Block, ...]:
    """Say in a card at which precision the network was published, if not in float32, and what that changed."""
    found = metrics.get("precision")
    if not found:
        return ()
    trust = " What is said of trust in explanations was measured in float32." * ("explanation" in metrics)
    measured = "Figures and pictures are of the graph that is published."
    return (Paragraph(f"{_how(found)} {measured}{trust}"), Items(precision_lines(found)))


def _how(record: Mapping[str, Any]) -> str:
    """Say in a few sentences what was done to the network."""
    if record["weights"] == "float16":
        return (
            "The weights of linear maps are rounded to float16 and stored so; both graphs compute in float32 with "
            "them, and give the answers of the network with rounded weights."
        )
    maps, left = record["quantised"], record["float32_maps"]
    tolerance = record["tolerance"]
    kept = (
        f" {len(left)} others compute in float32: a search for neighbours reads them, they map a whole set, or "
        "rounding them would move answers too far."
        if left
        else ""
    )
    return (
        f"{len(maps)} linear maps of `model.onnx` multiply integers of eight bits (weights of seven), over ranges that "
        f"validation examples gave; what lies beyond is clipped.{kept} Features and `model_explained.onnx` are in "
        "float32: it explains the network with the weights that the integers stand for, whose answers differ from "
        f"those of `model.onnx` by up to {tolerance['largest_difference']:.2g} on {tolerance['tried_on']} validation "
        f"examples that gave no range. {tolerance['margin']:g} times that is the tolerance of the stored answers."
    )


def _decisive(record: Mapping[str, Any]) -> str:
    values = [
        f"{record[key]:.4f}" + (f" +- {error:.4f}" if (error := record[f"{key}_error"]) is not None else "")
        for key in ("value", _SINGLE)
    ]
    name = plain(record["decisive"])
    return f"weights in {record['weights']}: {name} {values[0]}, in {_SINGLE} {values[1]}; it {record['paired']}"


def _flipped(record: Mapping[str, Any]) -> str:
    if "flipped" not in record:
        return ""
    return (
        f"{record['flipped']:.2%} +- {record['flipped_error']:.2%} of {record['answers']:,} answers have another most "
        "probable class"
    )


def _explained(record: Mapping[str, Any]) -> str:
    apart = record["explanations"]
    if not apart:
        return ""
    return (
        f"relevances of {apart['examples']} examples differ from those in {_SINGLE} by up to {apart['largest']:.1%} of "
        f"the largest (median {apart['median']:.1%}); rank correlation {apart['rank_correlation']:.4f} +- "
        f"{apart['rank_correlation_error']:.4f}"
    )


def _bytes(record: Mapping[str, Any]) -> str:
    sizes = record.get("bytes", {})
    told = [f"{name} {one['now'] / 1024:,.0f} KiB ({one['now'] / one[_SINGLE]:.0%})" for name, one in sizes.items()]
    return f"sizes, and as a part of those in {_SINGLE}: {', '.join(told)}" if told else ""
