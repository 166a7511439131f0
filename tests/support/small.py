"""A small project on real simulated examples, trained for a moment: what the tests of the verbs stand on.

The template holds several models, a project has one. `NAME` is the one that these tests use; ``TEST_MODEL`` chooses
another. What differs between models stands in ``example_<name>.py``.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import yaml

from fair_hep.provenance.configuration import Config, load_config
from fair_hep.provenance.project import Project, load_project
from support.recipes import FOLDER, LINKS, ROOT, SLUGS

NAME = os.environ.get("TEST_MODEL", "particlenet")
PACKAGE = SLUGS[NAME]
SOURCE = ROOT / "src"
EXAMPLE = importlib.import_module(f"{__package__}.example_{NAME}")
LICENCE = """MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files, to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish and distribute copies of the Software.
"""
OVERRIDES: tuple[str, ...] = EXAMPLE.OVERRIDES


def make_project(root: Path) -> Project:
    """Write ``project.yaml`` and a configuration of a small network; return the project."""
    root.mkdir(parents=True, exist_ok=True)
    identity = {
        "title": "Tiny tagger",
        "slug": PACKAGE,
        "description": "A tagger for tests",
        "version": "0.1.0",
        "model": NAME,
        "authors": [{"name": "Lovelace, Ada", "orcid": "0000-0002-1825-0097"}],
        "licenses": {"code": "MIT", "weights": "CC-BY-4.0", "data": "CC-BY-4.0"},
        "dataset": {"doi": EXAMPLE.DOI},
    }
    (root / "project.yaml").write_text(yaml.safe_dump(identity), encoding="utf-8")
    (root / "LICENSE").write_text(LICENCE, encoding="utf-8")
    (root / "configs").mkdir(exist_ok=True)
    (root / "sample").symlink_to(FOLDER / NAME / "sample")
    configuration = yaml.safe_dump({"name": "quick", "model": EXAMPLE.HYPERPARAMETERS})
    (root / "configs" / "quick.yaml").write_text(configuration, encoding="utf-8")
    return load_project(root)


def make_config(project: Project, *overrides: str) -> Config:
    """Return the configuration of the tiny project."""
    return load_config(project.root / "configs" / "quick.yaml", [*OVERRIDES, *overrides])


def call(project: Project, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command line in a new process in the project's folder."""
    return subprocess.run(
        [sys.executable, "-m", "fair_hep.cli", *arguments],
        cwd=project.root,
        env=environment(project),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def environment(project: Project) -> dict[str, str]:
    """Return the environment for a process of the project: this package on the path, nothing but its own folder."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(SOURCE), os.environ.get("PYTHONPATH"), str(LINKS)))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "FAIR_HEP_PROJECT": str(project.root),
        "MLFLOW_TRACKING_URI": f"sqlite:///{project.root}/mlflow.db",
    }
