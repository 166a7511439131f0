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
    return importlib.import_module(f"{name}.answer")


class BundleModel(PythonModel):
    """Scores examples with the bundle that lies beside this file."""

    def load_context(self, context: Any) -> None:
        """Load the bundle."""
        self.code = _runtime(Path(context.artifacts["runtime"]))
        # The bundle lies here: whatever fetches one by its DOI doesn't travel with the model.
        self.model = self.code.LoadedModel(Path(context.artifacts["bundle"]))

    # MLflow checks a request against this hint only: what a wrong one gets is one line of ours, not a page of its own.
    def predict(
        self, context: Any, model_input: list[Any], params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the outputs of every example by name, as nested lists, and why if ``params`` ask for it."""
        try:
            return self.code.answer(self.model, model_input, params)
        except self.code.ProjectError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None


set_model(BundleModel())
