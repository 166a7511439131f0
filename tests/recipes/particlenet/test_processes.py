"""Several processes compute what one computes: gradients and batch-norm statistics, in float64."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed
from top_tagger.network import ParticleNet
from torch.multiprocessing.spawn import spawn

from fair_hep.models.synthetic import jets


def _steps(rank: int, world: int, folder: str) -> None:
    """Do three steps on this process's share of the same batches; the first process writes the state."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting-{world}", rank=rank, world_size=world
    )
    torch.manual_seed(0)
    network = ParticleNet("lite", dropout=0.0).double()
    parallel = torch.nn.parallel.DistributedDataParallel(network)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for seed in range(3):
        batch = jets(16, seed)
        logits = parallel(batch["particles"].double()[rank::world])
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, batch["label"][rank::world]).backward()
        optimizer.step()
    if rank == 0:
        torch.save(network.state_dict(), Path(folder) / f"state-{world}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_reach_the_weights_of_one(tmp_path: Path) -> None:
    for world in (1, 2):
        spawn(_steps, (world, str(tmp_path)), nprocs=world)
    one, two = (torch.load(tmp_path / f"state-{world}.pt", weights_only=True) for world in (1, 2))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-12, atol=1e-12, msg=name)
