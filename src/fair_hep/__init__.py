"""Publish, run and explain machine-learning models of particle physics: what a user may build on.

These names keep their meaning between minor versions; everything else in the rooms of this package may change.

- A published model: `load` gives a `LoadedModel` with its `Signature` and its `Citation`; `plot` draws why.
- Errors: `ProjectError` is the base of `BundleError`, `ConfigError`, `DataError`, `ExplainError` and `ModelError`.
- A recipe: a `Model`, most easily a `Classifier` or a `GraphClassifier`; `check_model` tries its promises.
- What goes in and out: `TensorSpec`, made by `particle_set`, `element_features`, `class_logits` and `class_label`.
- Its options: `DataOptions` with `Columns`, `LossOptions`; others are a `Strict` read by `validate`.
- Its evaluation: an `Evaluation` with `Table` and interactive `Widget`; `figure`, `COLOURS` and `new_file` draw it.
- Its explanation: `explain` or an `Explainer` gives an `Explanation` by a `Composite` of `COMPOSITES`; `register` and
  `register_linear` add rules for modules of one's own; `read_relevances` reads what a study wrote.

Nothing is imported before it is asked for: ``import fair_hep`` loads no other module of it, and `load` no more than
NumPy, ONNX Runtime, pydantic and PyYAML.

Examples
--------
>>> from fair_hep import __version__
>>> __version__.split(".")[0]
'0'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bundle import Signature, TensorSpec
    from .bundle.cite import Citation
    from .bundle.columns import Columns
    from .bundle.errors import BundleError, ConfigError, DataError, ExplainError, ModelError, ProjectError
    from .bundle.files import new_file
    from .bundle.plot import plot
    from .bundle.runtime import LoadedModel, load
    from .bundle.strict import Strict, validate
    from .check.checks import check_model
    from .lrp.composites import COMPOSITES, Composite
    from .lrp.engine import Explainer, explain
    from .lrp.maps import register_linear
    from .lrp.result import Explanation
    from .lrp.treatments import register
    from .models.contract import Evaluation, Model
    from .models.specs import class_label, class_logits, element_features, particle_set
    from .pages.document import Table
    from .pages.figures import COLOURS, figure
    from .pages.interactive import Widget
    from .study.relevances import read_relevances
    from .tagging.classifier import Classifier, DataOptions, LossOptions
    from .tagging.graph_classifier import GraphClassifier

    __version__: str

__all__ = [
    "COLOURS",
    "COMPOSITES",
    "BundleError",
    "Citation",
    "Classifier",
    "Columns",
    "Composite",
    "ConfigError",
    "DataError",
    "DataOptions",
    "Evaluation",
    "ExplainError",
    "Explainer",
    "Explanation",
    "GraphClassifier",
    "LoadedModel",
    "LossOptions",
    "Model",
    "ModelError",
    "ProjectError",
    "Signature",
    "Strict",
    "Table",
    "TensorSpec",
    "Widget",
    "__version__",
    "check_model",
    "class_label",
    "class_logits",
    "element_features",
    "explain",
    "figure",
    "load",
    "new_file",
    "particle_set",
    "plot",
    "read_relevances",
    "register",
    "register_linear",
    "validate",
]

#: Where each name lives.
_HOMES = {
    "bundle": ("Signature", "TensorSpec"),
    "bundle.cite": ("Citation",),
    "bundle.errors": ("BundleError", "ConfigError", "DataError", "ExplainError", "ModelError", "ProjectError"),
    "bundle.files": ("new_file",),
    "bundle.plot": ("plot",),
    "bundle.runtime": ("LoadedModel", "load"),
    "bundle.strict": ("Strict", "validate"),
    "check.checks": ("check_model",),
    "bundle.columns": ("Columns",),
    "lrp.composites": ("COMPOSITES", "Composite"),
    "lrp.engine": ("Explainer", "explain"),
    "lrp.maps": ("register_linear",),
    "lrp.result": ("Explanation",),
    "lrp.treatments": ("register",),
    "models.contract": ("Evaluation", "Model"),
    "models.specs": ("class_label", "class_logits", "element_features", "particle_set"),
    "pages.document": ("Table",),
    "pages.figures": ("COLOURS", "figure"),
    "pages.interactive": ("Widget",),
    "study.relevances": ("read_relevances",),
    "tagging.classifier": ("Classifier", "DataOptions", "LossOptions"),
    "tagging.graph_classifier": ("GraphClassifier",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
#: What a checkout says that is imported in place and was never installed.
_UNINSTALLED = "0+uninstalled"


def __getattr__(name: str) -> Any:
    """Import a name of the public face the first time that it is asked for."""
    if name == "__version__":
        value: Any = _version()
    elif name in _HOME:
        value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("fair-hep")
    except metadata.PackageNotFoundError:
        return _UNINSTALLED
