"""Relevances of chosen elements of many events, kept sparse in one HDF5 file.

Of every chosen element the logit of its true class and all components of its momentum are explained. The file lies next
to what else ``explain`` makes; `LAYOUT` says what it holds, and so do its own attributes. An interrupted explanation
goes on where it stopped.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.errors import ExplainError
from ..bundle.files import new_file
from ..study.resume import KEY, collect, fingerprint, forget, is_finished
from .features import COLUMNS
from .particles import CLASSES, MOMENTA

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.data import Dataset

    from ..provenance.configuration import ExplainConfig

__all__ = [
    "EXPLAINED",
    "FILE",
    "LAYOUT",
    "Choice",
    "ElementRelevance",
    "check_settings",
    "choose",
    "converted",
    "explain_events",
    "load_event",
    "read_relevances",
    "relevance_key",
    "write_relevances",
]

FILE = "relevances.h5"
#: What is explained of every chosen element.
EXPLAINED = ("class", *MOMENTA)

#: Meaning of every data set of the file.
LAYOUT: Mapping[str, str] = {
    "event/index": "[events] position in the test split",
    "event/elements": "[events] number of elements of the event",
    "element/event": "[elements] position among event/*",
    "element/row": "[elements] which element of its event was explained",
    "element/class": "[elements] its true class: " + ", ".join(f"{n} {name}" for n, name in enumerate(CLASSES)),
    "element/predicted": "[elements] class with the largest logit",
    "element/start": "[elements + 1] where the map of each element starts among pair/*",
    "element/explained": "[elements, 7] what is explained, f: logit of the true class, then " + ", ".join(MOMENTA),
    "element/bias": "[elements, 7] relevance that biases took",
    "element/epsilon": "[elements, 7] relevance that the stabiliser took",
    "element/error": "[elements, 7] |f - sum R - bias - epsilon| / (|f| + sum |R_input| + sum |R_bias terms|)",
    "pair/row": "[pairs] an element of the same event that the explained one sees, itself included",
    "pair/relevance": "[pairs, 7, 12] relevance of that element's features, in the unit of f",
}


@dataclass(frozen=True)
class Choice:
    """Elements of one event to explain.

    Parameters
    ----------
    index
        Position of the event in the split.
    rows, true, predicted
        Which elements ``[n]``, with their classes.
    """

    index: int
    rows: np.ndarray
    true: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class ElementRelevance:
    """Relevance map of one element, as read from the file.

    Parameters
    ----------
    true, predicted
        Classes.
    own
        Position of the element itself on the map.
    relevance
        ``[n, 7, 12]``: elements seen, what is explained, features.
    error
        Errors of the ledger ``[7]``.
    """

    true: int
    predicted: int
    own: int
    relevance: np.ndarray
    error: np.ndarray


def check_settings(settings: ExplainConfig) -> float:
    """Return the stabiliser of the rules that are asked for.

    Raises
    ------
    ExplainError
        If maps of whole events can't follow these rules.
    """
    if settings.composite not in ("epsilon", "lrp-0") or settings.bias != "absorb":
        raise ExplainError(
            f"explain.composite {settings.composite!r} with explain.bias {settings.bias!r}: maps of whole events "
            "follow epsilon or lrp-0 with absorb; choose one of them"
        )
    return 0.0 if settings.composite == "lrp-0" else settings.epsilon


def converted(network: nn.Module, precision: str) -> Any:
    """Return the network in a precision; a copy if it has another one."""
    import torch

    dtype = getattr(torch, precision)
    if all(parameter.dtype == dtype for parameter in network.parameters()):
        return network
    return copy.deepcopy(network).to(dtype)


def load_event(dataset: Dataset[Any], index: int) -> dict[str, Tensor]:
    """Return one event ``[1, elements, ...]`` without padding."""
    batch = dataset.__getitems__([index])  # type: ignore[attr-defined]
    real = batch["elements"][0, :, 0] > 0
    return {name: values[:, real] for name, values in batch.items()}


def choose(network: Any, dataset: Dataset[Any], indices: Sequence[int], limit: int, seed: int) -> list[Choice]:
    """Choose elements to explain, of every true class both correctly and incorrectly classified ones.

    Parameters
    ----------
    network
        MLPF in evaluation mode.
    dataset, indices
        Events to choose from; those without elements are left out.
    limit
        Largest number of elements of a class and outcome; drawn from all elements of all events alike.
    seed
        Seed of the draw.
    """
    import torch

    dtype = next(network.parameters()).dtype
    events, trues, predictions, rows = [], [], [], []
    for number, index in enumerate(indices):
        event = load_event(dataset, index)
        if not event["elements"].shape[1]:
            continue
        with torch.inference_mode():
            logits, _ = network(event["elements"].to(dtype))
        true = event["target"][0, :, 0].numpy().astype(np.int64)
        trues.append(true)
        predictions.append(logits[0].argmax(1).numpy())
        events.append(np.full(len(true), number))
        rows.append(np.arange(len(true)))
    if not trues:
        return []
    true, predicted, event_of, row = (np.concatenate(parts) for parts in (trues, predictions, events, rows))
    generator = np.random.default_rng([seed, 2])
    kept = []
    for kind in range(len(CLASSES)):
        for right in (True, False):
            candidates = np.flatnonzero((true == kind) & ((predicted == kind) == right))
            kept.append(generator.permutation(candidates)[:limit])
    chosen = np.sort(np.concatenate(kept))
    found = []
    for number in np.unique(event_of[chosen]):
        here = chosen[event_of[chosen] == number]
        found.append(Choice(int(indices[number]), row[here], true[here], predicted[here]))
    return found


def explain_events(
    network: Any,
    dataset: Dataset[Any],
    choices: Sequence[Choice],
    epsilon: float,
    *,
    progress: bool = False,
    done: int = 0,
) -> Iterator[dict[str, np.ndarray]]:
    """Explain the chosen elements of one event after the other; give arrays by the names of `LAYOUT`.

    ``element/event`` and ``element/start`` count within the event. ``done`` events are left out at the start.
    """
    import torch
    from tqdm import tqdm

    from .rmaps import OUTPUTS, RelevanceFlow

    dtype = next(network.parameters()).dtype
    eye = torch.eye(len(OUTPUTS), dtype=dtype)
    bar = {"total": len(choices), "initial": done, "file": sys.stderr, "disable": None if progress else True}
    for choice in tqdm(choices[done:], desc="explain", unit="event", **bar):
        event = load_event(dataset, choice.index)
        with torch.no_grad():
            features, mask = network.features(event["elements"].to(dtype))
        flow = RelevanceFlow(network.body, features, mask, epsilon=epsilon)
        fields = flow.fields(torch.from_numpy(choice.rows))
        targets = [eye[torch.from_numpy(choice.true)], *(eye[len(CLASSES) + n] for n in range(len(MOMENTA)))]
        maps = [flow.maps(target, fields) for target in targets]
        ledgers = [part.ledger for part in maps]
        count = len(choice.rows)
        yield {
            "event/index": np.array([choice.index]),
            "event/elements": np.array([mask.shape[1]], np.int32),
            "element/event": np.zeros(count, np.int32),
            "element/row": choice.rows.astype(np.int32),
            "element/class": choice.true.astype(np.int8),
            "element/predicted": choice.predicted.astype(np.int8),
            "element/start": maps[0].offsets[:-1].numpy(),
            "element/explained": torch.stack([ledger.explained for ledger in ledgers], 1).numpy(),
            "element/bias": torch.stack([ledger.bias for ledger in ledgers], 1).numpy(),
            "element/epsilon": torch.stack([ledger.epsilon for ledger in ledgers], 1).numpy(),
            "element/error": torch.stack([ledger.error for ledger in ledgers], 1).numpy(),
            "pair/row": maps[0].element.numpy().astype(np.int32),
            "pair/relevance": torch.stack([part.relevance for part in maps], 1).numpy().astype(np.float32),
        }


def relevance_key(network: nn.Module, dataset: Dataset[Any], choices: Sequence[Choice], epsilon: float) -> str:
    """Return a checksum of everything that relevances depend on: weights, elements, settings."""

    def arrays() -> Iterator[np.ndarray]:
        for choice in choices:
            event = load_event(dataset, choice.index)
            yield from (event["elements"].numpy(), choice.rows, choice.true)

    return fingerprint(network, arrays(), [choice.index for choice in choices] + [epsilon])


def write_relevances(
    folder: Path, events: Callable[[int], Iterator[dict[str, np.ndarray]]], key: str, attributes: Mapping[str, Any]
) -> Path:
    """Write relevances event after event into one file, memory holds one event at a time; keep the file if it is there.

    Parameters
    ----------
    folder
        Where the file goes. Finished events wait there too: an interrupted call leaves them to the next.
    events
        Function of the number of events that are done already; gives those that follow.
    key
        What the relevances depend on, see `relevance_key`.
    attributes
        Attributes of the file, beside its layout.
    """
    import h5py

    path = folder / FILE
    if not is_finished(path, key):
        layout = [f"{name}: {meaning}" for name, meaning in LAYOUT.items()]
        with new_file(path) as name, h5py.File(name, "w") as file:
            file.attrs.update({**attributes, "layout": layout, KEY: key})
            done, pairs = 0, 0
            for event in collect(folder, key, events):
                event["element/event"] += done
                event["element/start"] += pairs
                for part, values in event.items():
                    _append(file, part, values)
                done, pairs = done + 1, pairs + len(event["pair/row"])
            if not done:
                raise ExplainError("no element to explain")
            _append(file, "element/start", np.array([pairs]))
    forget(folder)
    return path


def read_relevances(path: Path, chunk: int = 256) -> Iterator[ElementRelevance]:
    """Read the file back element by element; memory holds ``chunk`` of them."""
    import h5py

    with h5py.File(path, "r") as file:
        starts = file["element/start"][:]
        for first in range(0, len(starts) - 1, chunk):
            last = min(first + chunk, len(starts) - 1)
            row, true, predicted, error = (
                file[f"element/{name}"][first:last] for name in ("row", "class", "predicted", "error")
            )
            begin = starts[first]
            there = file["pair/row"][begin : starts[last]]
            relevance = file["pair/relevance"][begin : starts[last]]
            for n in range(last - first):
                part = slice(starts[first + n] - begin, starts[first + n + 1] - begin)
                own = int(np.flatnonzero(there[part] == row[n])[0])
                yield ElementRelevance(int(true[n]), int(predicted[n]), own, relevance[part], error[n])


def _append(file: Any, key: str, values: np.ndarray) -> None:
    if key not in file:
        shape = values.shape[1:]
        packed: dict[str, Any] = {"compression": "gzip", "shuffle": True} if key == "pair/relevance" else {}
        assert key != "pair/relevance" or shape == (len(EXPLAINED), len(COLUMNS))
        made = file.create_dataset(key, data=values, maxshape=(None, *shape), chunks=(1024, *shape), **packed)
        made.attrs["meaning"] = LAYOUT[key]
        return
    old = file[key].shape[0]
    file[key].resize(old + len(values), 0)
    file[key][old:] = values
