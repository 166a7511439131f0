"""How many processes a training has, by who started them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fair_hep.bundle.errors import ConfigError
from fair_hep.project.layout import Layout, find_layout, job, restarts, shared_out
from fair_hep.provenance.configuration import Config

STEP = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "4", "SLURM_STEP_TASKS_PER_NODE": "2(x2)"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({**STEP, "SLURM_PROCID": "3"}, Layout("srun", 2, 2, False)),
        ({**STEP, "SLURM_PROCID": "0", "SLURM_STEP_TASKS_PER_NODE": "4"}, Layout("srun", 1, 4, True)),
        ({**STEP, "SLURM_PROCID": "0", "SLURM_STEP_TASKS_PER_NODE": "1(x3),1"}, Layout("srun", 4, 1, True)),
        # torchrun on each of two nodes, started by srun
        (
            {**STEP, "SLURM_PROCID": "0", "RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"},
            Layout("torchrun", 2, 2, False),
        ),
        # Lightning starts further processes in an allocation of one task
        ({"SLURM_NTASKS": "1", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0"}, Layout("lightning", None, None, True)),
        ({"LOCAL_RANK": "1"}, Layout("lightning", None, None, False)),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, Layout("lightning", None, None, False)),
    ],
)
def test_one_process_leads(environment: Mapping[str, str], expected: Layout) -> None:
    assert find_layout(environment) == expected


def test_an_allocation_that_is_not_used_is_refused() -> None:
    with pytest.raises(ConfigError, match="4 tasks and this process is none of them: write `srun`"):
        find_layout({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"})
    with pytest.raises(ConfigError, match=r"got 2,1 tasks on its nodes, expected the same on each"):
        find_layout({**STEP, "SLURM_PROCID": "0", "SLURM_NTASKS": "3", "SLURM_STEP_TASKS_PER_NODE": "2,1"})


def _config(**train: Any) -> Config:
    return Config.model_validate({"name": "quick", "train": train})


def test_the_processes_are_those_that_were_started() -> None:
    layout = Layout("srun", 2, 3, True)
    for config in (_config(), _config(devices=3), _config(devices=3, nodes=2)):
        found = shared_out(config, layout).train
        assert (found.nodes, found.devices) == (2, 3)
    alone = _config(devices=2)
    assert shared_out(alone, find_layout({})) is alone
    for wrong in ({"devices": 2}, {"devices": 6, "nodes": 1}, {"nodes": 1}):
        with pytest.raises(ConfigError, match=r"srun started 3 processes on each of 2 nodes; leave .* out") as error:
            shared_out(_config(**wrong), layout)
        assert "\n" not in str(error.value)


def test_a_job_knows_its_number_and_how_often_it_began() -> None:
    assert (job({}), restarts({})) == (None, 0)
    assert (job({"SLURM_JOB_ID": "7"}), restarts({"SLURM_RESTART_COUNT": "2"})) == ("7", 2)
