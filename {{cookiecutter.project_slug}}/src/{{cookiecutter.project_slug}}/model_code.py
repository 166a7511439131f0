"""The model as MLflow loads it: this file is copied into the registered model and run there, outside this package.

A request holds a list of examples under ``inputs``. An example is a mapping from the names of the inputs to values, or
the bare values where the model has one input; lengths may differ. So a rectangular tensor is a request as well.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

__all__ = ["BundleModel"]


def _runtime(folder: Path) -> ModuleType:
    """Import the runtime that was saved with the model, under a name of its own.

    So two versions live in one process, and an installed version of the project isn't in the way.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()
    name = f"bundle_runtime_{digest[:16]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None
        assert spec.loader is not None
        package = importlib.util.module_from_spec(spec)
        sys.modules[name] = package
        spec.loader.exec_module(package)
    return importlib.import_module(f"{name}.runtime")


class BundleModel(PythonModel):
    """Scores examples with the bundle that lies beside this file."""

    def load_context(self, context: Any) -> None:
        """Load the bundle."""
        self.runtime = _runtime(Path(context.artifacts["runtime"]))
        self.model = self.runtime.load(context.artifacts["bundle"])

    # MLflow checks a request against this hint only: what a wrong one gets is one line of ours, not a page of its own.
    def predict(
        self, context: Any, model_input: list[Any], params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the outputs of every example by name, as nested lists.

        ``params``: with ``explain`` also relevances of all elements, or of the ``top`` most relevant ones by their
        positions; with ``edges`` also those of edges.
        """
        wanted = params or {}
        try:
            columns = self._columns(model_input)
            if wanted.get("explain"):
                explained = self.model.explain(columns)
                return [
                    self.runtime.shown(one, int(wanted.get("top", 0)), bool(wanted.get("edges"))) for one in explained
                ]
            scored = self.model.predict_each(columns)
        except self.runtime.ProjectError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        return [{name: values.tolist() for name, values in outputs.items()} for outputs in scored]

    def _columns(self, examples: list[Any]) -> dict[str, list[Any]]:
        """Turn a list of examples into a list of values for each input."""
        names = [spec.name for spec in self.model.signature.inputs]
        if not examples:
            raise self.runtime.DataError("inputs: got no examples, expected at least one")
        columns: dict[str, list[Any]] = {name: [] for name in names}
        for number, example in enumerate(examples):
            named = example if isinstance(example, dict) or len(names) > 1 else {names[0]: example}
            if not isinstance(named, dict) or set(named) != set(names):
                got = ", ".join(map(str, named)) if isinstance(named, dict) else type(named).__name__
                raise self.runtime.DataError(f"inputs[{number}]: got {got}, expected {', '.join(names)}")
            for name in names:
                columns[name].append(named[name])
        return columns


set_model(BundleModel())
