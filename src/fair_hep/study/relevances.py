"""Explain sets batch after batch, and keep their relevances in one HDF5 file, whatever the network.

`layout` says what the file holds, and so do its own attributes. An interrupted explanation goes on where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.errors import ExplainError
from ..bundle.files import new_file
from ..models.contract import Model
from .relevance_file import append, padded, widened
from .resume import KEY, collect, fingerprint, forget, is_finished

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset

    from ..provenance.configuration import ExplainConfig

__all__ = ["FILE", "Work", "explain_sets", "layout", "non_empty", "read_relevances", "write_relevances"]

FILE = "relevances.h5"
#: Examples that are loaded and written together, and those of one pass.
BLOCK, BATCH = 256, 32
_WHOLE = ("example/", "ledger/")


def layout(model: Model) -> dict[str, str]:
    """Return the meaning of every data set of the file; elements are those of all examples, one after the other."""
    columns, features = ", ".join(model.inputs[0].columns), ", ".join(model.features.columns)
    return {
        "example/index": "[examples] position in the test split",
        "example/label": "[examples] class",
        "example/elements": "[examples] number of real elements: each has a row in element/* and edge*/*",
        "example/outputs": f"[examples, outputs] raw outputs of the network: {', '.join(model.outputs[0].columns)}",
        "example/explained": "[examples] what is explained, f",
        "ledger/inputs": "[examples] sum of the relevance of all elements and features",
        "ledger/bias": "[examples] relevance that biases took",
        "ledger/epsilon": "[examples] relevance that the stabiliser took",
        "ledger/lost": "[examples] relevance that empty denominators dropped",
        "ledger/error": "[examples] |f - inputs - bias - epsilon - lost| / (|f| + sum |R_input| + sum |R_bias terms|)",
        "element/input": f"[elements, columns] raw input: {columns}",
        "element/relevance": f"[elements, features] relevance, in the unit of f: {features}",
        "edge{place}/neighbour": "[elements, k] the other end of each edge, as position in its example; -1: no edge",
        "edge{place}/share": "[elements, k] sum over channels of |R|, divided by its sum over the example and place",
        "edge{place}/relevance": "[elements, k] sum over channels of R, in the unit of f",
    }


def non_empty(model: Model, dataset: Dataset[Any], indices: Sequence[int]) -> tuple[list[int], int]:
    """Return the examples that have an element, and the number of those without: nothing can be explained there."""
    kept: list[int] = []
    for part in _blocks(indices):
        real = (_load(dataset, part)[model.inputs[0].name] != 0).any(-1).any(1).tolist()
        kept += [index for index, some in zip(part, real, strict=True) if some]
    return kept, len(indices) - len(kept)


@dataclass(frozen=True)
class Work:
    """Everything that explaining takes.

    Parameters
    ----------
    model, network
        The network in evaluation mode, and what is known of it.
    dataset, indices
        Which examples; each must have an element.
    target
        Weights of the explained combination of outputs.
    settings
        Composite, biases, epsilon, batch size and precision.
    """

    model: Model
    network: Any
    dataset: Any
    indices: Sequence[int]
    target: Sequence[float]
    settings: ExplainConfig


def explain_sets(work: Work, *, done: int = 0) -> Iterator[dict[str, np.ndarray]]:
    """Explain examples in blocks of `BLOCK`: arrays as `layout` names them, elements padded.

    Parameters
    ----------
    work
        What is explained and how.
    done
        Blocks to leave out at the start.
    """
    import copy

    import torch
    from tqdm import tqdm

    from ..lrp import Explainer
    from ..lrp.composites import bounds
    from ..lrp.edges import edge_sums

    model, settings = work.model, work.settings
    dtype = getattr(torch, settings.precision)
    network = work.network if dtype == torch.float32 else copy.deepcopy(work.network).to(dtype)
    known = bounds(model.features.ranges)
    explainer = Explainer(
        network.body,
        settings.composite,
        bias=settings.bias,
        epsilon=settings.epsilon,
        places=dict.fromkeys(model.edges(network), edge_sums),
        bounds=None if known is None else (known[0].to(dtype), known[1].to(dtype)),
    )
    total = len(work.indices)
    bar = tqdm(total=total, initial=min(done * BLOCK, total), desc="explain", file=sys.stderr, disable=None)
    with explainer, bar:
        for block in list(_blocks(work.indices))[done:]:
            batch = _load(work.dataset, block)
            found = []
            for rows in torch.arange(len(block)).split(settings.batch_size or BATCH):
                inputs = {spec.name: batch[spec.name][rows].to(dtype) for spec in model.inputs if spec.name in batch}
                found.append(_explain_batch(replace(work, network=network), explainer, inputs))
                bar.update(len(rows))
            whole = {"example/index": np.asarray(block, np.int64), "example/label": batch["label"].numpy()}
            yield {**whole, **_joined(found)}


def write_relevances(folder: Path, work: Work, attributes: Mapping[str, Any]) -> Path:
    """Explain examples and write one file; if it is there already and made from the same things, keep it."""
    import h5py

    path = folder / FILE
    chosen = work.settings.model_dump(mode="json", include={"composite", "bias", "epsilon", "precision"})
    batches = (_load(work.dataset, part) for part in _blocks(work.indices))
    examples = (values.numpy() for batch in batches for _, values in sorted(batch.items()))
    key = fingerprint(work.network, examples, [list(work.indices), chosen, list(work.target), BLOCK])
    if not is_finished(path, key):
        blocks = collect(folder, key, lambda done: explain_sets(work, done=done))
        meanings = layout(work.model)
        with new_file(path) as name, h5py.File(name, "w") as file:
            file.attrs.update({**attributes, KEY: key})
            for values in blocks:
                mask = _mask(values["example/elements"], values["element/relevance"].shape[1])
                for dataset_name, rows in values.items():
                    meaning = meanings.get(dataset_name) or meanings["edge{place}/" + dataset_name.split("/")[1]]
                    append(file, dataset_name, rows if dataset_name.startswith(_WHOLE) else rows[mask], meaning)
    forget(folder)
    return path


def read_relevances(path: Path, chunk: int = 1024) -> Iterator[dict[str, np.ndarray]]:
    """Read the file back, some examples at a time, elements padded to ``[examples, elements, ...]``."""
    import h5py

    with h5py.File(path, "r") as file:
        counts = file["example/elements"][:].astype(np.int64)
        ends = np.concatenate([[0], np.cumsum(counts)])
        names = [f"{group}/{name}" for group in file for name in file[group]]
        for start in range(0, len(counts), chunk):
            part = counts[start : start + chunk]
            first, last = int(ends[start]), int(ends[start + len(part)])
            mask = _mask(part, int(part.max()))
            yield {
                name: file[name][start : start + len(part)]
                if name.startswith(_WHOLE)
                else padded(file[name][first:last], mask, _filler(name))
                for name in names
            }


def _explain_batch(work: Work, explainer: Any, inputs: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Explain some examples, given their raw inputs."""
    import torch

    from ..lrp.edges import graphs_found, share

    model, network = work.model, work.network
    name = model.inputs[0].name
    mask = (inputs[name] != 0).any(-1)
    # Padding behind the largest example costs time for nothing.
    longest = int(mask.any(0).nonzero().amax()) + 1
    mask, sets = mask[:, :longest], {spec.name for spec in model.inputs if spec.set_axis}
    cut = {key: values[:, :longest] if key in sets else values for key, values in inputs.items()}
    with torch.no_grad():
        values = network.features(**cut)
    values = values if isinstance(values, tuple) else (values,)
    if values[0].shape[:2] != mask.shape:
        raise ExplainError(
            f"features: got shape {tuple(values[0].shape)}, expected {(*mask.shape, len(model.features.columns))}: "
            "an element in, an element out"
        )
    places = model.edges(network)
    with graphs_found(network.body, places) as graphs:
        found = explainer(*values, target=work.target)
    ledger = {f"ledger/{n}": getattr(found.ledger, n).numpy() for n in ("inputs", "bias", "epsilon", "lost", "error")}
    result = {
        "example/elements": mask.sum(1).numpy().astype(np.int32),
        "example/outputs": found.outputs.numpy(),
        "example/explained": found.explained.numpy(),
        **ledger,
        "element/input": cut[name].numpy(),
        "element/relevance": found.relevance.numpy(),
    }
    for number, place in enumerate(places):
        graph = graphs[place]
        total, signed = found.places[place].reshape(2, *graph.shape)
        result[f"edge{number}/neighbour"] = graph.numpy().astype(np.int32)
        result[f"edge{number}/share"] = share(total).float().numpy()
        result[f"edge{number}/relevance"] = signed.float().numpy()
    return result


def _load(dataset: Any, indices: Sequence[int]) -> dict[str, Tensor]:
    batch: dict[str, Tensor] = dataset.__getitems__(list(indices))
    return batch


def _blocks(indices: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(indices), BLOCK):
        yield list(indices[start : start + BLOCK])


def _joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Put batches of different widths together."""
    width = max(part["element/relevance"].shape[1] for part in parts)
    return {
        name: np.concatenate(
            [part[name] if name.startswith(_WHOLE) else widened(part[name], width, _filler(name)) for part in parts]
        )
        for name in parts[0]
    }


def _mask(counts: np.ndarray, width: int) -> np.ndarray:
    mask: np.ndarray = np.arange(width)[None] < counts[:, None]
    return mask


def _filler(name: str) -> int:
    return -1 if name.endswith("/neighbour") else 0
