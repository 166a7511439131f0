"""Save a bundle as an MLflow model: no torch, no pickle, no path of this machine.

It is also what MLflow calls a flavour module: ``Model.log`` asks it to `save_model`.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from .. import bundle
from ..bundle import Signature, TensorSpec
from ..bundle.answer import OUTSIDE, PARAMETERS
from ..bundle.files import read_json

__all__ = ["requirements", "save_model"]

#: The room that runs without a training framework: it travels with the model, whole.
RUNTIME = Path(bundle.__file__).parent
LIBRARIES = ("mlflow-skinny", "numpy", "onnxruntime", "pandas", "pydantic", "pyyaml")


def save_model(path: str | Path, *, folder: Path, mlflow_model: Any = None, **_: Any) -> None:
    """Save a bundle as an MLflow model.

    Parameters
    ----------
    path
        Folder to make.
    folder
        The bundle.
    mlflow_model
        MLflow's own description of a model that is being logged.
    """
    import mlflow

    with tempfile.TemporaryDirectory() as temporary:
        runtime = Path(temporary) / "runtime"
        shutil.copytree(RUNTIME, runtime, ignore=shutil.ignore_patterns("__pycache__"))
        logging.getLogger("mlflow.models.signature").setLevel(logging.ERROR)
        mlflow.pyfunc.save_model(
            path=str(path),
            python_model=str(Path(__file__).with_name("model_code.py")),
            artifacts={"bundle": str(folder), "runtime": str(runtime)},
            input_example=read_json(folder / bundle.REQUEST)["inputs"],
            pip_requirements=requirements(LIBRARIES),
            mlflow_model=mlflow_model,
        )
    _describe(Path(path), bundle.read_signature(folder))


def requirements(libraries: Sequence[str]) -> list[str]:
    """Pin libraries to the versions that are installed here."""
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in libraries]


def _describe(path: Path, signature: Signature) -> None:
    """Say in ``MLmodel`` what goes in and out, and take the paths of this machine out of it."""
    from mlflow.types.schema import Array, ColSpec, DataType, Object, ParamSchema, ParamSpec, Property, Schema

    file = path / "MLmodel"
    described = yaml.safe_load(file.read_text(encoding="utf-8"))
    flavor = described["flavors"]["python_function"]
    flavor["model_code_path"] = Path(flavor["model_code_path"]).name
    for name, artifact in flavor["artifacts"].items():
        artifact["uri"] = name
    described.pop("artifact_path", None)

    def columns(properties: list[Property]) -> str:
        return json.dumps(Schema([ColSpec(Object(properties))]).to_dict())

    outputs = [_property(spec) for spec in signature.outputs]
    outputs.append(Property(OUTSIDE, Array(DataType.string), required=False))
    described["signature"] |= {
        "inputs": columns([_property(spec) for spec in signature.inputs]),
        "outputs": columns(outputs),
    }
    if signature.explained is not None:
        kinds = {bool: "boolean", int: "long"}
        params = [ParamSpec(name, kinds[type(default)], default) for name, default in PARAMETERS.items()]
        described["signature"] |= {"params": json.dumps(ParamSchema(params).to_dict())}
    file.write_text(yaml.safe_dump(described, sort_keys=True), encoding="utf-8")


def _property(spec: TensorSpec) -> Any:
    """Return the values of one example as nested arrays of numbers."""
    from mlflow.types.schema import Array, DataType, Property

    kind: Any = DataType.double
    for _ in spec.axes[1:]:
        kind = Array(kind)
    return Property(spec.name, kind)
