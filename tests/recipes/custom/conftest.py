"""What the tests of this example share: a project that was trained for a moment, measured and explained."""

from __future__ import annotations

import pytest

from fair_hep.project import data, evaluate, explain, train
from fair_hep.provenance.project import Project
from support.small import make_config, make_project


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give a project that has its data and nothing else."""
    made = make_project(tmp_path_factory.mktemp("converted"))
    data.run(made, make_config(made))
    return made


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("custom"))
    config = make_config(made)
    data.run(made, config)
    train.run(made, config)
    evaluate.run(made, config)
    explain.run(made, config)
    return made
