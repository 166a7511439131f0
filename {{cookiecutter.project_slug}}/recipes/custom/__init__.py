"""A network of your own: five files with one marked place each, put together here; nothing here needs to be changed.

``inputs.py``, ``network.py``, ``dataset.py``, ``loss.py`` and ``figures.py`` hold the places (``# Change 1 of 5`` …);
`Classifier` does the rest. ``check`` tries every promise of the contract while you write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fair_hep.bundle.strict import validate
from fair_hep.tagging.classifier import Classifier

from .dataset import COLUMNS, GLOBS, Options
from .figures import CAPTIONS
from .inputs import CITATION, ELEMENT_FEATURES, FACTORS, INPUTS, LIMITS, OUTPUTS, SUMMARY, TARGETS, TITLE
from .loss import EFFICIENCIES, MEASURES

if TYPE_CHECKING:
    from fair_hep.data.store import Store
    from fair_hep.models.contract import Arrays, Batch
    from torch import Tensor, nn
    from torch.utils.data import Dataset

__all__ = ["MODEL", "CustomModel"]


class CustomModel(Classifier):
    """What the five files say."""

    name = "custom"
    title, summary, citation = TITLE, SUMMARY, CITATION
    inputs, outputs, targets, features = INPUTS, OUTPUTS, TARGETS, ELEMENT_FEATURES
    limits, factors = LIMITS, FACTORS
    columns, globs, options = COLUMNS, GLOBS, Options
    efficiencies = EFFICIENCIES
    measures, captions = MEASURES, CAPTIONS

    def build(self, **hyperparameters: Any) -> nn.Module:
        """Build the network of ``network.py``."""
        from .network import Hyperparameters, Network

        return Network(validate(Hyperparameters, hyperparameters, "model"))

    def dataset(self, store: Store, **options: Any) -> Dataset[Any]:
        """Return the data set of ``dataset.py``."""
        from .dataset import dataset

        return dataset(store, **options)

    def loss(self, outputs: Sequence[Tensor], batch: Batch, **options: Any) -> Tensor:
        """Return the loss of ``loss.py``."""
        from .loss import loss

        return loss(outputs, batch, **options)

    def metrics(self, outputs: Arrays, targets: Arrays) -> Mapping[str, float]:
        """Return the metrics of ``loss.py``."""
        from .loss import metrics

        return metrics(outputs, targets)

    def figures(self, outputs: Arrays, targets: Arrays, folder: Path) -> Sequence[str]:
        """Draw the figures of ``figures.py``."""
        from .figures import draw

        return draw(outputs, targets, folder)


MODEL = CustomModel()
