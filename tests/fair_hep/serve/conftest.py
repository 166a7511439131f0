"""A published bundle for the tests of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from fair_hep.bundle.runtime import LoadedModel, load
from support.kept import kept


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a bundle of ParticleNet; nobody changes it."""
    return kept("particlenet", tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="session")
def model(folder: Path) -> LoadedModel:
    """Give it loaded."""
    return load(folder, threads=1)
