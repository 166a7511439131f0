"""Relevances of chosen elements of many events, in one file of relevances: a map for every explained element.

Of every chosen element the logit of its true class and all components of its momentum are explained. `layout` says what
the file holds beside what all such files have; ``read_relevances`` of `study.relevances` reads it by events or, with
``rows="example/maps"``, map by map. An interrupted explanation goes on where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.blocks import Blocks
from ..study.fingerprint import fingerprint
from ..study.relevances import NOTHING, Column, read_relevances
from .choices import Choice, load_event
from .columns import CLASSES, KINDS, MOMENTA, OUTPUTS, kinds_of

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

__all__ = [
    "EXPLAINED",
    "MAPS",
    "SEEN",
    "ElementRelevance",
    "blocks_of",
    "explain_events",
    "layout",
    "read_maps",
    "relevance_key",
]

#: What is explained of every chosen element.
EXPLAINED = ("class", *MOMENTA)
#: What counts the maps of every event, and the elements on every map.
MAPS, SEEN = "example/maps", "map/seen"


def layout(features: Sequence[str]) -> dict[str, Column]:
    """Return every data set of the file, given the names of the features in order."""
    classes = ", ".join(f"{number} {name}" for number, name in enumerate(CLASSES))
    count = len(EXPLAINED)
    return {
        "example/index": Column("[events] position in the test split"),
        "example/elements": Column("[events] number of elements of the event"),
        MAPS: Column("[events] number of its elements that are explained: each has a row in map/* and ledger/*"),
        "map/row": Column("[maps] which element of its event is explained", MAPS),
        "map/class": Column(f"[maps] its true class: {classes}", MAPS),
        "map/predicted": Column("[maps] class with the largest logit", MAPS),
        "map/explained": Column(
            f"[maps, {count}] what is explained, f: logit of the true class, then {', '.join(MOMENTA)} "
            "(of a network that corrects what was measured: the corrections, in units of the resolution)",
            MAPS,
        ),
        SEEN: Column("[maps] number of elements that it sees, itself included: each has a row in seen/*", MAPS),
        "ledger/inputs": Column(f"[maps, {count}] sum of the relevance of all elements and features", MAPS),
        "ledger/bias": Column(f"[maps, {count}] relevance that biases took", MAPS),
        "ledger/epsilon": Column(f"[maps, {count}] relevance that the stabiliser took", MAPS),
        "ledger/lost": Column(f"[maps, {count}] relevance that empty denominators dropped", MAPS),
        "ledger/error": Column(
            f"[maps, {count}] |f - inputs - bias - epsilon - lost| / (|f| + sum |R_input| + sum |R_bias terms|)", MAPS
        ),
        "seen/row": Column("[seen] an element of the same event that the explained one sees", SEEN, NOTHING),
        "seen/kind": Column(
            f"[seen] what it is: {', '.join(f'{n} {kind}' for n, kind in enumerate(KINDS))}", SEEN, NOTHING
        ),
        "seen/relevance": Column(
            f"[seen, {count}, features] relevance of its features, in the unit of f: {', '.join(features)}", SEEN
        ),
    }


@dataclass(frozen=True)
class ElementRelevance:
    """Relevance map of one element, as read from the file.

    Parameters
    ----------
    true, predicted
        Classes.
    own
        Position of the element itself on the map.
    kind
        What the elements seen are ``[n]``, as positions in `KINDS`.
    relevance
        ``[n, 7, features]``: elements seen, what is explained, features.
    error
        Errors of the ledger ``[7]``.
    """

    true: int
    predicted: int
    own: int
    kind: np.ndarray
    relevance: np.ndarray
    error: np.ndarray


def explain_events(
    network: Any,
    dataset: Dataset[Any],
    choices: Sequence[Choice],
    epsilon: float,
    *,
    progress: bool = False,
) -> Iterator[dict[str, np.ndarray]]:
    """Explain the chosen elements of one event after the other; give rows by the names of `layout`."""
    import torch
    from tqdm import tqdm

    from .rmaps import RelevanceFlow

    dtype = next(network.parameters()).dtype
    eye = torch.eye(len(OUTPUTS), dtype=dtype)
    checked = False
    for choice in tqdm(choices, desc="explain", unit="event", file=sys.stderr, disable=None if progress else True):
        event = load_event(dataset, choice.index)
        with torch.no_grad():
            features, mask = network.features(event["elements"].to(dtype))
        flow = RelevanceFlow(network.body, features, mask, epsilon=epsilon)
        if not checked:
            with torch.no_grad():
                flow.check(network.body(features, mask))
            checked = True
        fields = flow.fields(torch.from_numpy(choice.rows))
        targets = [eye[torch.from_numpy(choice.true)], *(eye[len(CLASSES) + n] for n in range(len(MOMENTA)))]
        maps = [flow.maps(target, fields) for target in targets]
        ledgers = [part.ledger for part in maps]
        yield {
            "example/index": np.array([choice.index]),
            "example/elements": np.array([mask.shape[1]], np.int32),
            MAPS: np.array([len(choice.rows)], np.int32),
            "map/row": choice.rows.astype(np.int32),
            "map/class": choice.true.astype(np.int8),
            "map/predicted": choice.predicted.astype(np.int8),
            "map/explained": torch.stack([ledger.explained for ledger in ledgers], 1).numpy(),
            **{
                f"ledger/{name}": torch.stack([getattr(ledger, name) for ledger in ledgers], 1).numpy()
                for name in ("inputs", "bias", "epsilon", "lost", "error")
            },
            SEEN: np.diff(maps[0].offsets.numpy()).astype(np.int32),
            "seen/row": maps[0].element.numpy().astype(np.int32),
            "seen/kind": kinds_of(event["elements"][0].numpy())[maps[0].element.numpy()],
            "seen/relevance": torch.stack([part.relevance for part in maps], 1).numpy().astype(np.float32),
        }


def blocks_of(network: Any, dataset: Dataset[Any], choices: Sequence[Choice], epsilon: float) -> Blocks:
    """Return the same explanations as blocks, an event each, which may be computed anywhere."""

    def some(numbers: range) -> Iterator[dict[str, np.ndarray]]:
        return explain_events(network, dataset, [choices[number] for number in numbers], epsilon, progress=True)

    return Blocks(relevance_key(network, dataset, choices, epsilon), len(choices), some)


def relevance_key(network: nn.Module, dataset: Dataset[Any], choices: Sequence[Choice], epsilon: float) -> str:
    """Return a checksum of everything that relevances depend on: weights, elements, settings."""

    def arrays() -> Iterator[np.ndarray]:
        for choice in choices:
            event = load_event(dataset, choice.index)
            yield from (event["elements"].numpy(), choice.rows, choice.true)

    return fingerprint(network, arrays(), [[choice.index for choice in choices], epsilon, sorted(layout(()))])


def read_maps(path: Path, chunk: int = 256) -> Iterator[ElementRelevance]:
    """Read the file back map by map; memory holds ``chunk`` of them."""
    for maps in read_relevances(path, chunk, rows=MAPS):
        for number, count in enumerate(maps[SEEN]):
            own = int(np.flatnonzero(maps["seen/row"][number, :count] == maps["map/row"][number])[0])
            yield ElementRelevance(
                int(maps["map/class"][number]),
                int(maps["map/predicted"][number]),
                own,
                maps["seen/kind"][number, :count],
                maps["seen/relevance"][number, :count],
                maps["ledger/error"][number],
            )
