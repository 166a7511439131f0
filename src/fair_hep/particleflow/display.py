"""Event displays: all elements of an event in (eta, phi), and what the output of a chosen one owes to the others.

As a figure, and as one HTML file to click on that needs neither a server nor a network.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.errors import ExplainError
from ..bundle.files import new_file, write_text
from ..data.delphes import TRACK
from ..pages.figures import COLOURS, figure
from ..pages.interactive import Widget, widget_page
from .choices import load_event
from .columns import CLASSES
from .labels import CLASS_LABELS
from .rmap_averages import r_map

if TYPE_CHECKING:
    from torch.utils.data import Dataset

__all__ = ["LOWEST", "EventMaps", "draw_display", "event_widget", "explain_event", "packed_event", "write_page"]

#: Rows of an R-map on the page below the element itself.
OTHERS = 8
#: Smallest share of |R| that is drawn in colour.
LOWEST = 1e-4


@dataclass(frozen=True)
class EventMaps:
    """One event with a relevance map of every element: of the logit of its predicted class.

    Parameters
    ----------
    index
        Position in the split.
    elements
        Raw columns ``[elements, 12]``.
    true, predicted
        Classes ``[elements]``.
    explained, error
        What is explained, and the error of its ledger ``[elements]``.
    offsets, seen, relevance
        Where each map starts ``[elements + 1]``; who is on it ``[pairs]``; with which relevance ``[pairs, features]``.
    """

    index: int
    elements: np.ndarray
    true: np.ndarray
    predicted: np.ndarray
    explained: np.ndarray
    error: np.ndarray
    offsets: np.ndarray
    seen: np.ndarray
    relevance: np.ndarray

    @property
    def phi(self) -> np.ndarray:
        """Azimuth of every element, in (-pi, pi]."""
        angle: np.ndarray = np.arctan2(self.elements[:, 3], self.elements[:, 4])
        return angle

    def shares(self) -> np.ndarray:
        """Return every pair's share of its map's sum of |R| ``[pairs]``."""
        size = np.abs(self.relevance.astype(np.float64)).sum(1)
        total = np.add.reduceat(size, self.offsets[:-1])
        return size / np.repeat(np.maximum(total, 1e-300), np.diff(self.offsets))

    def typical(self) -> int:
        """Return the element to show first: the hardest charged hadron that was recognised, or the hardest element."""
        momentum = self.elements[:, 1]
        charged = (self.true == CLASSES.index("charged_hadron")) & (self.predicted == self.true)
        return int(np.where(charged, momentum, -1.0).argmax() if charged.any() else momentum.argmax())


def explain_event(network: Any, dataset: Dataset[Any], index: int, epsilon: float) -> EventMaps:
    """Explain the predicted class of every element of one event.

    Raises
    ------
    ExplainError
        If the event has no element.
    """
    import torch

    from .rmaps import RelevanceFlow

    event = load_event(dataset, index)
    if not event["elements"].shape[1]:
        raise ExplainError(f"event {index} has no element: nothing to display")
    with torch.no_grad():
        features, mask = network.features(event["elements"].to(next(network.parameters()).dtype))
    flow = RelevanceFlow(network.body, features, mask, epsilon=epsilon)
    predicted = flow.outputs[:, : len(CLASSES)].argmax(1)
    maps = flow.maps(torch.eye(flow.outputs.shape[1], dtype=features.dtype)[predicted])
    return EventMaps(
        index,
        event["elements"][0].numpy(),
        event["target"][0, :, 0].numpy().astype(np.int64),
        predicted.numpy(),
        maps.ledger.explained.numpy(),
        maps.ledger.error.numpy(),
        maps.offsets.numpy(),
        maps.element.numpy(),
        maps.relevance.numpy(),
    )


def draw_display(event: EventMaps, chosen: int, path: Path) -> None:
    """Draw an event in (eta, phi): one element, and the relevance of the others for it.

    Parameters
    ----------
    event
        The event with its maps.
    chosen
        The element whose map is shown.
    path
        File to write; its suffix chooses the format.
    """
    from matplotlib.colors import LogNorm

    eta, phi, track = event.elements[:, 2], event.phi, event.elements[:, 0] == TRACK
    part = slice(event.offsets[chosen], event.offsets[chosen + 1])
    seen, share = event.seen[part], event.shares()[part]
    order = np.argsort(share)
    seen, share = seen[order], share[order]
    with new_file(path) as name, figure(width=7.6, height=5.6) as (picture, panel):
        for kind, marker, label in ((track, "o", "tracks"), (~track, "s", "towers")):
            panel.scatter(eta[kind], phi[kind], s=6, marker=marker, color="#b8b8b8", lw=0, label=label, zorder=1)
        for kind, marker in ((track, "o"), (~track, "s")):
            here = kind[seen] & (seen != chosen)
            norm = LogNorm(LOWEST, 1.0)
            values = np.maximum(share[here], LOWEST)
            points: dict[str, Any] = {"c": values, "norm": norm, "cmap": "viridis_r", "marker": marker, "zorder": 2}
            shown = panel.scatter(eta[seen[here]], phi[seen[here]], s=34, lw=0.4, edgecolors="black", **points)
        panel.scatter(
            eta[chosen], phi[chosen], s=170, marker="*", color=COLOURS["red"], lw=0.6, edgecolors="black", zorder=3,
            label="explained element",
        )  # fmt: skip
        picture.colorbar(shown, ax=panel, label="Share of |R| of the explained class")
        own = float(share[seen == chosen].sum())
        panel.set_title(
            f"event {event.index}, {len(eta)} elements; predicted {CLASS_LABELS[event.predicted[chosen]]}, "
            f"true {CLASS_LABELS[event.true[chosen]]}\nlogit {event.explained[chosen]:+.3f}; the element itself "
            f"carries {100 * own:.1f} % of |R|, {len(seen) - 1} others the rest",
            fontsize=11,
        )
        panel.set(xlabel=r"$\eta$", ylabel=r"$\phi$ [rad]", ylim=(-np.pi, np.pi))
        legend = picture.legend(loc="outside lower center", ncols=3, fontsize=10, frameon=False)
        for number, handle in enumerate(legend.legend_handles):
            handle.set_sizes([120 if number == 2 else 40])  # type: ignore[union-attr]
        picture.savefig(name)


def packed_event(event: EventMaps, features: Sequence[str]) -> dict[str, Any]:
    """Return an event with its maps as JSON values that `event_widget` draws, its features by their plain names."""
    rows, maps = _top(event)
    return {
        "index": event.index,
        "chosen": event.typical(),
        "others": OTHERS,
        "lowest": LOWEST,
        "labels": list(features),
        "classes": list(CLASS_LABELS),
        "track": (event.elements[:, 0] == TRACK).astype(int).tolist(),
        "true": event.true.tolist(),
        "predicted": event.predicted.tolist(),
        "eta": _packed(event.elements[:, 2], "<f4"),
        "phi": _packed(event.phi, "<f4"),
        "pt": _packed(event.elements[:, 1], "<f4"),
        "explained": _packed(event.explained, "<f4"),
        "error": _packed(event.error, "<f4"),
        "offsets": _packed(event.offsets, "<i4"),
        "seen": _packed(event.seen, "<i4"),
        "share": _packed(event.shares(), "<f4"),
        "rows": _packed(rows, "<i4"),
        "maps": _packed(maps, "<f4"),
    }


def event_widget(events: Sequence[Mapping[str, Any]]) -> Widget:
    """Return the interactive part of a page that shows packed events."""
    return Widget(
        "What every element owes to the others",
        "Every dot is a track (disc) or a calorimeter tower (square). Click on one, or type its number: the others "
        "are coloured by their share of the absolute relevance |R| for the logit of its predicted class, and its R-map "
        "shows which features carry it.",
        {"events": list(events)},
        (Path(__file__).parent / "display.js").read_text(encoding="utf-8"),
    )


def write_page(event: EventMaps, features: Sequence[str], path: Path) -> None:
    """Write the event as one HTML file where a click on an element shows its R-map; ``#17`` opens element 17.

    Raises
    ------
    ProjectError
        If plotly isn't installed.
    """
    write_text(path, widget_page(f"Event {event.index}", [event_widget([packed_event(event, features)])]))


def _top(event: EventMaps) -> tuple[np.ndarray, np.ndarray]:
    """Return for every element who is on the rows of its R-map ``[elements, 1 + OTHERS]`` (-1: nobody), and the map."""
    count = len(event.elements)
    rows = np.full((count, 1 + OTHERS), -1)
    maps = np.zeros((count, 1 + OTHERS, event.relevance.shape[1]), np.float32)
    for element in range(count):
        part = slice(event.offsets[element], event.offsets[element + 1])
        seen, relevance = event.seen[part], event.relevance[part]
        own = int(np.searchsorted(seen, element))
        maps[element] = r_map(relevance, own, OTHERS)
        others = np.delete(seen, own)
        size = np.delete(np.abs(relevance.astype(np.float64)).sum(1), own)
        order = np.argsort(-size, kind="stable")[:OTHERS]
        rows[element, : 1 + len(order)] = [element, *others[order]]
    return rows, maps


def _packed(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode("ascii")
