"""What the card says of measurements: performance, explanations, pruning, and how the graphs were checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from .. import bundle
from ..bundle.files import read_json
from ..models.contract import Model
from ..pages.document import Block, Items, Paragraph, Picture, Section, Table
from ..tagging.cuts import cuts_table
from .facts import Facts
from .precision import precision_blocks
from .sample import source_of

__all__ = ["analyses"]

_SHOWN = (".png", ".svg")


def _pictures(folder: Path, model: Model, verb: str, found: Mapping[str, str] | None = None) -> tuple[Picture, ...]:
    """Return the figures that a verb left in a bundle, each with what it shows, and what was found besides."""
    paths = sorted(path for path in (folder / "figures" / verb).rglob("*") if path.suffix in _SHOWN)
    return tuple(Picture(path.relative_to(folder).as_posix(), _caption(path, model, found or {})) for path in paths)


def _caption(path: Path, model: Model, found: Mapping[str, str]) -> str:
    """Return what the recipe says of a figure, and what the study counted; the first pattern that fits counts."""
    said, counted = (
        next((text for pattern, text in texts.items() if fnmatch(path.stem, pattern)), "")
        for texts in (model.captions, found)
    )
    return ". ".join(text for text in (said or path.stem.replace("_", " "), counted) if text)


def analyses(facts: Facts, model: Model) -> tuple[Section, ...]:
    """Return a section for each kind of measurement."""
    folder, metrics = facts.folder, facts.metrics
    explained = metrics.get("explanation")
    tests = f"{metrics['test_set']['examples']} test examples, {source_of(metrics['source'])}."
    performance = Section(
        "Performance",
        (
            Paragraph(f"On {tests}"),
            Items(tuple(metrics["headline"])),
            *precision_blocks(metrics),
            *_temperature(metrics),
            *([cuts_table(metrics["working_points"])] if metrics.get("working_points") else []),
            *_seeds(metrics),
            *(Table.of(table) for table in metrics.get("tables", [])),
            *_pictures(folder, model, "evaluate"),
        ),
    )
    explanation = [_explanation(folder, explained, model)] if explained else []
    pruning = [_pruning(folder, metrics["pruning"])] if "pruning" in metrics else []
    return (performance, *explanation, *pruning, _checked(folder))


def _seeds(metrics: Mapping[str, Any]) -> tuple[Table, ...]:
    """Return how far apart several trainings lie, if there were several: of the measures of the whole test split."""
    found = metrics.get("seeds")
    if not found:
        return ()
    rows = tuple(
        (name, f"{one['values'][0]:.4g}", f"{one['mean']:.4g} ± {one['error']:.1g}", f"{one['spread']:.2g}")
        for name, one in found["metrics"].items()
        if not re.search(r"_bin\d+$", name)
    )
    title = (
        f"{len(found['runs'])} trainings that differ by their seed; the first is this model, the spread is the "
        "standard deviation of a single training"
    )
    return (Table(title, ("metric", "this model", "mean and its error", "spread"), rows),)


def _temperature(metrics: Mapping[str, Any]) -> tuple[Block, ...]:
    """Say what the published logits were divided by, if they were."""
    found = metrics.get("temperature")
    if not found:
        return ()
    fitted = (
        f" ± {found['error']:.3f}, fitted on {found['validation_examples']} validation examples"
        if "error" in found
        else ", chosen by the authors"
    )
    errors = [
        f"{found[when]['calibration_error']:.4f} ± {found[when]['calibration_error_error']:.4f} {when} it"
        for when in ("before", "after")
    ]
    return (
        Paragraph(
            f"The graphs divide the network's logits by the temperature {found['value']:.4g}{fitted}. The expected "
            f"calibration error of the test split is {' and '.join(errors)}. Figures above and pictures are of the "
            "logits as trained; with two classes the order of the scores, and so areas and rejections, is the same. "
            "Cuts in the table of working points are those on the divided logits. These are explained too: relevances "
            "and their account are smaller by the same factor, and their shares are the same."
        ),
    )


def _explanation(folder: Path, explained: Mapping[str, Any], model: Model) -> Section:
    how = explained.get("explained", {})
    rules = ", ".join(f"{key} {value}" for key, value in how.items() if isinstance(value, str | float))
    own = f" The model's own rules: {model.composite_reason}." if how.get("composite") == model.composite else ""
    return Section(
        "How it explains, and how far that can be trusted",
        (
            Paragraph(
                "Layer-wise relevance propagation gives every feature of every element its part of an answer. The "
                "parts, and what biases and the stabiliser take, sum to what is explained; that is checked for every "
                f"example. Settings: {rules}.{own}"
            ),
            Items(tuple(explained["headline"])),
            *(Table.of(table) for table in explained.get("tables", [])),
            Paragraph(
                "A relevance says what this network used, not what causes the answer in nature. Where relevances "
                "barely change when weights are made random, they show the inputs more than the network."
            ),
            *_pictures(folder, model, "explain", explained.get("captions")),
        ),
    )


def _checked(folder: Path) -> Section:
    parity, examples = read_json(folder / "parity.json"), bundle.read_examples(folder)
    plain = [row for row in parity if not str(row["case"]).startswith("explained") and row.get("asked", True)]
    flipped = sum(int(row["flipped"]) for row in plain)
    largest = max(float(row["largest"]) for row in plain)
    lines = (
        f"ONNX Runtime and PyTorch agree within {largest:.1g} at {len(plain)} shapes (`parity.json`); {flipped} of "
        f"{sum(int(row['answers']) for row in plain)} answers hang on another choice of two neighbours that are "
        "equally near, and were left out of this figure.",
        f"`examples/` holds {examples.count} inputs with their outputs. A correct runtime reproduces them within "
        f"{examples.tolerance:g}; {len(examples.near_ties)} of these answers hang on a near-tie and may differ by more "
        "elsewhere. The command `verify` tries it, and compares every file with its checksum.",
    )
    return Section("How it was checked", (Items(lines),))


def _pruning(folder: Path, found: Mapping[str, Any]) -> Section:
    """Return what a study of smaller networks found, if there was one."""
    captions = {
        "prune_metric": "How good networks are that were made smaller by several criteria, by what they cost",
        "prune_explanations": "How far their explanations order elements like those of the network before",
    }
    pictures = [
        Picture(f"figures/prune/{name}.png", caption)
        for name, caption in captions.items()
        if (folder / "figures" / "prune" / f"{name}.png").is_file()
    ]
    return Section("How small it could be", (Items(tuple(found["headline"])), *pictures))
