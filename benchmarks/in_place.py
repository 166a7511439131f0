"""Import the template's package from where it lies, as ``template_package``: its folder's name is no Python name."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

NAME = "{{cookiecutter.project_slug}}"
ROOT = Path(__file__).resolve().parents[1]


def load() -> None:
    """Make ``import template_package`` work; leave no compiled files in the template."""
    sys.dont_write_bytecode = True
    folder = ROOT / NAME / "src" / NAME
    spec = importlib.util.spec_from_file_location(
        "template_package", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} can't be imported")
    sys.modules["template_package"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
