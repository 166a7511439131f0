"""What is exported at low precision: the network, what its graph measures of itself, and how closely it is repeated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import bundle
from .evidence import Source, warmed
from .precision import SINGLE, evaluated, validation_batches

__all__ = ["judged", "lowered", "sized"]


def lowered(source: Source) -> Source:
    """Return the source with its network at the precision that is asked for.

    Raises
    ------
    ModelError, BundleError
        If the network can't be had at this precision.
    """
    from ..export.integers import to_int8
    from ..export.precision import How, to_float16

    config = source.config
    how = How(config.export.opset, config.seed, source.temperature.value)
    if config.export.precision == "int8":
        examples = validation_batches(source.project, config, source.model)
        found = to_int8(source.model, source.network, examples, how)
    else:
        found = to_float16(source.model, source.network, source.arrays, how)
    return replace(source, network=found.network, lowered=found, trained=source.network)


def judged(source: Source, signature: bundle.Signature, how: bundle.Relevance, folder: Path) -> Source:
    """Return the source with what its graph measures, how far that is from float32, and the tolerance that fits."""
    from ..export.integers import MARGIN, tolerance
    from ..export.precision import explanations_apart

    made, warm = source.lowered, source.temperature.value
    assert made is not None and source.trained is not None  # else there is nothing to judge
    allowed, told = source.tolerance, {}
    if made.precision == "int8":
        allowed = tolerance(made.largest, source.tolerance)
        told = {"largest_difference": made.largest, "margin": MARGIN, "tried_on": made.tried_on}
    result, apart = evaluated(source.project, source.config, made, folder, warm)
    known: dict[str, Any] = {
        name: source.metrics[name] for name in ("test_set", "explanation", "cost", "pruning") if name in source.metrics
    }
    record = {
        "weights": made.precision,
        **({"quantised": list(made.maps), "float32_maps": list(made.left)} if made.precision == "int8" else {}),
        **apart,
        "tolerance": {"value": allowed, **told},
        "explanations": explanations_apart((source.trained, source.network), signature, source.arrays, how),
    }
    metrics = {**warmed({**result, **known}, source.temperature), "precision": record}
    return replace(source, metrics=metrics, tolerance=allowed)


def sized(source: Source, folder: Path, explained: int) -> Source:
    """Return the source with the bytes of its files beside those in float32, of which ``explained`` is known."""
    assert source.lowered is not None  # else nothing differs
    # What the graph says about itself isn't in the protos.
    said = (folder / bundle.MODEL).stat().st_size - source.lowered.graph.ByteSize()
    before = {
        bundle.MODEL: source.lowered.before.ByteSize() + said,
        bundle.EXPLAINED: explained,
        bundle.WEIGHTS: (source.folder("train") / bundle.WEIGHTS).stat().st_size,
    }
    sizes = {name: {"now": (folder / name).stat().st_size, SINGLE: size} for name, size in before.items()}
    record = {**source.metrics["precision"], "bytes": sizes}
    return replace(source, metrics={**source.metrics, "precision": record})
