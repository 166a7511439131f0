"""Examples in docstrings run where their readers run them: in a folder that holds a bundle, and what a study wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fair_hep.data.blocks import Blocks
from fair_hep.study.relevances import ELEMENTS, Column, write_relevances
from support.kept import ARCHIVES, unpacked


@pytest.fixture(scope="session")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what examples read: the bundle of a small ParticleNet, and relevances of two jets."""
    folder = tmp_path_factory.mktemp("readers")
    (archive,) = (path for path in ARCHIVES if path.name == "particlenet.tar.xz")
    unpacked(archive, folder)
    layout = {
        ELEMENTS: Column("[examples] number of real elements"),
        "element/relevance": Column("[elements, features] relevance", ELEMENTS),
        "ledger/inputs": Column("[examples] sum of the relevance of all elements and features"),
    }
    relevance = np.arange(10.0).reshape(5, 2)
    part = {ELEMENTS: np.array([3, 2]), "element/relevance": relevance, "ledger/inputs": np.array([15.0, 30.0])}
    explained = folder / "runs" / "quick" / "explain"
    explained.mkdir(parents=True)
    write_relevances(
        explained, Blocks("example", 1, lambda numbers: [part]), layout, {"title": "Relevances of two jets"}
    )
    return folder


@pytest.fixture(autouse=True)
def _at_a_reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Change into a folder of its own, beside what examples read."""
    monkeypatch.chdir(tmp_path)
    test = request.node.dtest  # the examples of one docstring
    shown = " ".join(example.source for example in test.examples)
    for name in ("bundle", "runs"):
        if f'"{name}' in shown:
            (tmp_path / name).symlink_to(request.getfixturevalue("readers") / name)
