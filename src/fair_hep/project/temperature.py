"""The temperature of a tagger at export: none, a number, or the one that fits the validation split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import provenance
from ..bundle.errors import ConfigError
from ..provenance.configuration import Config
from ..provenance.project import Project
from .data import store_folder

if TYPE_CHECKING:
    from torch import nn

    from ..models.contract import Model

__all__ = ["Temperature", "find_temperature"]


@dataclass(frozen=True)
class Temperature:
    """What logits are divided by, and what is recorded of it.

    Parameters
    ----------
    value
        1: as trained.
    record
        For ``metrics.json`` and the card; empty where nothing was asked for.
    lines
        For a human.
    """

    value: float = 1.0
    record: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()


def find_temperature(project: Project, config: Config, model: Model, network: nn.Module) -> Temperature:
    """Return the temperature that ``export.temperature`` asks for, with the calibration error before and after.

    It is fitted on the validation split, and the calibration errors are of the test split, from what `evaluate` stored.

    Raises
    ------
    ConfigError
        If the model isn't a tagger: one output of logits for each example, and a label.
    DataError
        If no temperature fits.
    """
    import numpy as np

    from ..data.store import Store
    from ..tagging.applied import apply
    from ..tagging.calibration import calibration, fit_temperature, stated

    wanted = config.export.temperature
    if wanted == "none":
        return Temperature()
    spec = model.outputs[0]
    if (
        len(model.outputs) > 1
        or spec.set_axis
        or spec.name != "logits"
        or "label" not in {s.name for s in model.targets}
    ):
        raise ConfigError(
            f"export.temperature: got {wanted}, expected none: {model.title} isn't a tagger with one output of logits"
        )
    record: dict[str, Any] = {}
    if wanted == "fit":
        folder = store_folder(project, config) / "val"
        provenance.require(folder, "data", project.root)
        dataset: Any = model.dataset(Store(folder), **config.data.options)
        outputs, targets = apply(model, network, dataset, config.evaluate.batch_size)
        value, error = fit_temperature(outputs[spec.name], targets["label"])
        record = {"error": error, "validation_examples": len(targets["label"])}
    else:
        value = float(wanted)
    with np.load(project.run(config.name, "evaluate") / "outputs.npz") as archive:
        logits, labels = archive[spec.name], archive["label"]
    before, after = (calibration(*stated(logits / by, labels)) for by in (1.0, value))
    record = {"value": value, **record, "before": before.metrics(), "after": after.metrics()}
    how = (
        f" +- {record['error']:.3f}, fitted on {record['validation_examples']} validation examples"
        if "error" in record
        else ""
    )
    line = (
        f"temperature {value:.3f}{how}: expected calibration error on the test split "
        f"{before.error:.4f} +- {before.spread:.4f} before, {after.error:.4f} +- {after.spread:.4f} after"
    )
    return Temperature(value, record, (line,))
