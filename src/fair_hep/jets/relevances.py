"""Explain jets batch after batch, and keep their relevances in one HDF5 file.

The file lies next to what else ``explain`` makes; `LAYOUT` says what it holds, and so do its own attributes. An
interrupted explanation goes on where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.files import new_file
from ..data.parallel import in_processes, keep_freed_memory
from ..study.relevance_file import append, padded, widened
from ..study.resume import KEY, collect, fingerprint, forget, is_finished
from .features import CLIP, FEATURES
from .subjets import NONE, subjets_of_jets

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.data import Dataset

    from ..provenance.configuration import ExplainConfig

__all__ = [
    "FILE",
    "LAYOUT",
    "JetRelevances",
    "explain_jets",
    "non_empty",
    "read_relevances",
    "relevance_key",
    "write_relevances",
]

FILE = "relevances.h5"
#: Jets that are loaded, sorted by size and written together.
BLOCK = 256
#: Bounds of the features, for rules that need them: the two angles (a jet of radius 0.8), then clipped values.
BOUNDS = ([-1.0, -1.0] + [-CLIP] * (len(FEATURES) - 2), [1.0, 1.0] + [CLIP] * (len(FEATURES) - 2))

#: Meaning of every data set of the file; "constituents" counts the real constituents of all jets, jet after jet.
LAYOUT: Mapping[str, str] = {
    "jet/index": "[jets] position in the test split",
    "jet/label": "[jets] 1 top, 0 QCD",
    "jet/constituents": "[jets] number of real constituents: each has a row in constituent/* and edge*/*",
    "jet/axis": "[jets, 4] four-momentum of the jet: E, px, py, pz in GeV",
    "jet/logits": "[jets, 2] raw outputs of the network: QCD, top",
    "jet/explained": "[jets] what is explained, f",
    "ledger/inputs": "[jets] sum of the relevance of all constituents and features",
    "ledger/bias": "[jets] relevance that biases took",
    "ledger/epsilon": "[jets] relevance that the stabiliser took",
    "ledger/lost": "[jets] relevance that empty denominators dropped",
    "ledger/error": "[jets] |f - inputs - bias - epsilon - lost| / (|f| + sum |R_input| + sum |R_bias terms|)",
    "constituent/momentum": "[constituents, 4] E, px, py, pz in GeV",
    "constituent/angles": "[constituents, 2] delta eta (times the sign of the jet's eta) and delta phi to the axis",
    "constituent/subjet": "[constituents] exclusive Cambridge/Aachen subjet by falling pT: 0, 1, 2; -1: there are none",
    "constituent/relevance": "[constituents, 7] relevance of the standardised features, in the unit of f",
    "edge{block}/neighbour": "[constituents, k] the other end of each edge, as position in its jet; -1: no edge",
    "edge{block}/share": "[constituents, k] sum over channels of |R|, divided by its sum over the jet and block",
    "edge{block}/relevance": "[constituents, k] sum over channels of R, in the unit of f",
}


@dataclass
class JetRelevances:
    """Relevances of some jets: what `LAYOUT` describes, by the same names, but padded to ``[jets, constituents]``."""

    values: dict[str, np.ndarray]

    @property
    def mask(self) -> np.ndarray:
        """Real constituents ``[jets, constituents]``."""
        counts = self.values["jet/constituents"]
        mask: np.ndarray = np.arange(self.values["constituent/subjet"].shape[1])[None] < counts[:, None]
        return mask

    @property
    def blocks(self) -> int:
        """Number of EdgeConv blocks."""
        return sum(name.endswith("/share") for name in self.values)

    def __len__(self) -> int:
        return len(self.values["jet/index"])

    def edges(self, block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (neighbour, share, relevance) of a block, each ``[jets, constituents, k]``."""
        neighbour, share, relevance = (self.values[f"edge{block}/{n}"] for n in ("neighbour", "share", "relevance"))
        return neighbour, share, relevance


def non_empty(dataset: Dataset[Any], indices: Sequence[int]) -> tuple[list[int], int]:
    """Return the jets that have a constituent, and the number of those without: nothing can be explained there."""
    kept: list[int] = []
    for start in range(0, len(indices), BLOCK):
        part = list(indices[start : start + BLOCK])
        real = (_load(dataset, part)["particles"][..., 0] > 0).any(1).tolist()
        kept += [index for index, some in zip(part, real, strict=True) if some]
    return kept, len(indices) - len(kept)


def explain_jets(
    network: nn.Module,
    dataset: Dataset[Any],
    indices: Sequence[int],
    target: Sequence[float],
    settings: ExplainConfig,
    *,
    progress: str | None = None,
    done: int = 0,
    processes: int = 1,
) -> Iterator[JetRelevances]:
    """Explain jets in blocks, in the order of ``indices``.

    Parameters
    ----------
    network
        ParticleNet in evaluation mode.
    dataset, indices
        Which jets; each must have a constituent.
    target
        Weights of the explained combination of logits.
    settings
        Composite, biases, epsilon, batch size and precision.
    progress
        Text before a progress bar on standard error; None: no bar.
    done
        Blocks to leave out at the start.
    processes
        Processes that share the blocks, with one thread each: explanations are bound by memory traffic, where threads
        help little.
    """
    from tqdm import tqdm

    work = _Work(network, dataset, tuple(target), settings)
    blocks = [list(indices[start : start + BLOCK]) for start in range(done * BLOCK, len(indices), BLOCK)]
    hidden = True if progress is None else None
    bar = tqdm(total=len(indices), initial=done * BLOCK, desc=progress, unit="jet", file=sys.stderr, disable=hidden)
    with bar:
        if processes == 1:
            for block in blocks:
                yield JetRelevances(work.explain(block, bar.update))
            return
        tasks = ((work, block) for block in blocks)
        with in_processes(_work_on, tasks, min(processes, len(blocks)), _use_one_thread) as results:
            for block, values in zip(blocks, results, strict=True):
                bar.update(len(block))
                yield JetRelevances(values)


def write_relevances(
    folder: Path,
    blocks: Callable[[int], Iterator[JetRelevances]],
    key: str,
    attributes: Mapping[str, Any],
) -> Path:
    """Write blocks of relevances as they come, then all of them into one file; if it is there already, keep it.

    Parameters
    ----------
    folder
        Where the file goes. Finished blocks wait there too: an interrupted call leaves them to the next.
    blocks
        Function of the number of blocks that are done already; gives those that follow.
    key
        What the relevances depend on, see `relevance_key`.
    attributes
        Attributes of the file.
    """
    import h5py

    path = folder / FILE
    if not is_finished(path, key):
        parts = collect(folder, key, lambda done: (block.values for block in blocks(done)))
        with new_file(path) as name, h5py.File(name, "w") as file:
            file.attrs.update({**attributes, KEY: key})
            for values in parts:
                _append_all(file, JetRelevances(values))
    forget(folder)
    return path


def read_relevances(path: Path, chunk: int = 1024) -> Iterator[JetRelevances]:
    """Read the file back, some jets at a time."""
    import h5py

    with h5py.File(path, "r") as file:
        counts = file["jet/constituents"][:].astype(np.int64)
        ends = np.cumsum(counts)
        names = [f"{group}/{name}" for group in file for name in file[group]]
        for start in range(0, len(counts), chunk):
            stop = min(start + chunk, len(counts))
            first, last = (int(ends[start - 1]) if start else 0), int(ends[stop - 1])
            mask = np.arange(counts[start:stop].max())[None] < counts[start:stop, None]
            values = {}
            for name in names:
                if name.startswith(("jet/", "ledger/")):
                    values[name] = file[name][start:stop]
                else:
                    values[name] = padded(file[name][first:last], mask, _filler(name))
            yield JetRelevances(values)


def relevance_key(
    network: nn.Module, dataset: Dataset[Any], indices: Sequence[int], settings: ExplainConfig, target: Sequence[float]
) -> str:
    """Return a checksum of everything that relevances depend on: weights, jets, settings."""
    chosen = settings.model_dump(mode="json", include={"composite", "bias", "epsilon", "precision"})

    def arrays() -> Iterator[np.ndarray]:
        yield np.asarray(indices, np.int64)
        for start in range(0, len(indices), BLOCK):
            batch = _load(dataset, list(indices[start : start + BLOCK]))
            yield from (batch[name].numpy() for name in ("particles", "axis", "label"))

    return fingerprint(network, arrays(), [chosen, list(target), BLOCK])


# -- one batch ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Work:
    """Everything that explaining a block of jets takes; it can be sent to another process."""

    network: Any
    dataset: Any
    target: tuple[float, ...]
    settings: ExplainConfig

    def explain(self, indices: list[int], tell: Callable[[int], object]) -> dict[str, np.ndarray]:
        """Explain a block of jets batch by batch, jets of like size together; ``tell`` hears how many are done."""
        import torch

        from ..lrp import Explainer
        from ..lrp.edges import edge_sums

        dtype = getattr(torch, self.settings.precision)
        network: Any = self.network if dtype == torch.float32 else _converted(self.network, dtype)
        explainer = Explainer(
            network.body,
            self.settings.composite,
            bias=self.settings.bias,
            epsilon=self.settings.epsilon,
            places=dict.fromkeys(network.body.edges(), edge_sums),
            bounds=(torch.tensor(BOUNDS[0], dtype=dtype), torch.tensor(BOUNDS[1], dtype=dtype)),
        )
        batch = _load(self.dataset, indices)
        counts = (batch["particles"][..., 0] > 0).sum(1)
        order = counts.argsort(stable=True)
        parts = []
        with explainer:
            for rows in torch.split(order, self.settings.batch_size or _batch_size(network.body)):
                momenta = (batch["particles"][rows].to(dtype), batch["axis"][rows].to(dtype))
                found = _explain_batch(network, explainer, momenta, self.target)
                parts.append({"jet/label": batch["label"][rows].numpy().astype(np.int8), **found})
                tell(len(rows))
        joined = _joined(parts, np.argsort(order.numpy()), int(counts.max()))
        return {"jet/index": np.asarray(indices, np.int64), **joined}


def _work_on(task: tuple[_Work, list[int]]) -> dict[str, np.ndarray]:
    work, indices = task
    return work.explain(indices, lambda _: None)


def _use_one_thread() -> None:
    """Prepare a process: one thread, and memory that is freed stays with it."""
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()


def _explain_batch(
    network: Any, explainer: Any, momenta: tuple[Tensor, Tensor], target: Sequence[float]
) -> dict[str, np.ndarray]:
    """Explain jets, given their constituents and axes."""
    import torch

    from ..lrp.edges import graphs_found, share

    particles, axis = momenta
    # Padding behind the largest jet costs time for nothing.
    particles = particles[:, : int((particles[..., 0] > 0).any(0).nonzero().amax()) + 1]
    with torch.no_grad():
        features, points, mask = network.features(particles, axis)
    places = network.body.edges()
    with graphs_found(network.body, places) as graphs:
        found = explainer(features, points, mask, target=target)
    ledger = {f"ledger/{n}": getattr(found.ledger, n).numpy() for n in ("inputs", "bias", "epsilon", "lost", "error")}
    values: dict[str, np.ndarray] = {
        "jet/constituents": mask.sum(1).numpy().astype(np.int32),
        "jet/axis": axis.numpy(),
        "jet/logits": found.outputs.numpy(),
        "jet/explained": found.explained.numpy(),
        **ledger,
        "constituent/momentum": particles.numpy(),
        "constituent/angles": points.numpy(),
        "constituent/subjet": subjets_of_jets(particles.double().numpy()),
        "constituent/relevance": found.relevance.numpy(),
    }
    for number, place in enumerate(places):
        graph = graphs[place]
        total, signed = found.places[place].reshape(2, *graph.shape)
        values[f"edge{number}/neighbour"] = graph.numpy().astype(np.int16)
        values[f"edge{number}/share"] = share(total).float().numpy()
        values[f"edge{number}/relevance"] = signed.float().numpy()
    return values


def _batch_size(body: Any) -> int:
    """Return a batch whose widest edge tensors stay near the caches: explanations are bound by memory traffic."""
    widest: int = max(
        graph.k * block.shortcut.out_features for graph, block in zip(body.graphs, body.blocks, strict=True)
    )
    return max(4, 3 * 2**13 // widest)


def _converted(network: nn.Module, dtype: Any) -> nn.Module:
    import copy

    return copy.deepcopy(network).to(dtype)


def _load(dataset: Any, indices: list[int]) -> dict[str, Tensor]:
    batch: dict[str, Tensor] = dataset.__getitems__(indices)
    if "axis" not in batch:
        batch = {**batch, "axis": batch["particles"].sum(1)}
    return batch


# -- arrays ------------------------------------------------------------------------------------------------------------
def _joined(parts: Sequence[Mapping[str, np.ndarray]], order: np.ndarray, width: int) -> dict[str, np.ndarray]:
    """Put batches of different widths together, and bring the jets into their own order."""
    result = {}
    for name in parts[0]:
        pieces = [part[name] for part in parts]
        if not name.startswith(("jet/", "ledger/")):
            pieces = [widened(piece, width, _filler(name)) for piece in pieces]
        result[name] = np.concatenate(pieces)[order]
    return result


def _filler(name: str) -> int:
    return NONE if name.endswith(("/subjet", "/neighbour")) else 0


def _meaning(name: str) -> str:
    return LAYOUT.get(name) or LAYOUT["edge{block}" + name[name.index("/") :]]


def _append_all(file: Any, part: JetRelevances) -> None:
    mask = part.mask
    for name, values in part.values.items():
        append(file, name, values if name.startswith(("jet/", "ledger/")) else values[mask], _meaning(name))
