"""The training loop: Lightning, with everything that makes a step reproducible."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from safetensors.torch import load_file
from torch import Tensor, nn

from ..bundle.errors import ConfigError
from ..bundle.privacy import report_nothing
from ..data.batches import EpochSampler, epoch_loader, first, ordered_loader
from ..data.store import Store
from ..models.building import build
from ..models.contract import Model
from ..models.recipe import recipe
from ..provenance.configuration import Config, TrainConfig
from ..provenance.project import Project
from ..publish.tracking import artifact_location, tracking_uri
from .arithmetic import reproducible, threads
from .layout import Layout
from .progress import Bar, stoppable
from .seeds import training_seed
from .stops import Heard, LastCheckpoint

__all__ = ["Fitted", "fit", "learning_rate"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """A finished training; only the leading process has a history."""

    network: nn.Module
    history: list[Mapping[str, float]]
    summary: Mapping[str, Any]
    rank: int

    @property
    def leader(self) -> bool:
        """Whether this process writes the results."""
        return self.rank == 0


def fit(
    project: Project,
    config: Config,
    folder: Path,
    stores: Path,
    *,
    layout: Layout,
    resume: bool = False,
    parent: str | None = None,
    start: Path | None = None,
) -> Fitted:
    """Train, from the last checkpoint in ``folder`` for ``resume``; return the network of the best epoch.

    It begins with random weights, or with those of the file ``start``.

    In MLflow it is a child of the run ``parent``, else of the one that is active, if any.
    """
    settings, seed = config.train, training_seed(config)
    # Lightning sets its own level when it is imported; its hints on other products are no news of this training.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    model = recipe(project)
    sets = {split: model.dataset(Store(stores / split), **config.data.options) for split in ("train", "val")}
    data = _Loaders(first(sets["train"], settings.limit), sets["val"], settings, seed)
    torch.manual_seed(seed)
    network = build(model, config.model)
    if start is not None:
        network.load_state_dict(load_file(start))
    module = _Module(model, network, settings, seed, data.steps_per_epoch)
    history = _History()
    best = ModelCheckpoint(folder / "checkpoints", filename="best", monitor="val_loss", enable_version_counter=False)
    heard = Heard()
    checkpoint = folder / "checkpoints" / "last.ckpt"
    last = LastCheckpoint(checkpoint, settings.checkpoint_steps, heard)
    # The bar first: it makes room for the lines of the log.
    callbacks: list[Callback] = [Bar(), _Warm(), history, best, last]
    if settings.patience:
        callbacks.append(EarlyStopping("val_loss", patience=settings.patience))
    # One process tells MLflow, and no other opens its file.
    logger = _mlflow_logger(project, config, parent) if layout.leader else False
    started = time.monotonic()
    with threads(settings.threads), warnings.catch_warnings():
        # Several loader processes pay for large data sets only; Lightning can't know the size of ours.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
        trainer = _trainer(settings, callbacks, logger, folder, layout)
        used = torch.get_num_threads()
        with (
            reproducible(trainer.strategy.root_device),
            heard.listening(),
            stoppable(checkpoint, data.steps_per_epoch, settings.epochs, leader=layout.leader),
        ):
            ckpt = checkpoint if resume else None
            trainer.fit(module, datamodule=data, ckpt_path=ckpt, weights_only=True)
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(state["state_dict"])
    summary = {
        "epochs": len(history.rows),
        "steps": trainer.global_step,
        "best_epoch": int(state["epoch"]) + 1,
        "val_loss": min(row["val_loss"] for row in history.rows),
        "examples": data.sampler.size,
        "parameters": sum(p.numel() for p in module.network.parameters()),
        "seconds": round(time.monotonic() - started, 1),
        "processes": trainer.world_size,
        "threads": used,
        "device": trainer.strategy.root_device.type,
        "resumed": resume,
    }
    return Fitted(module.network.cpu().eval(), history.rows, summary, trainer.global_rank)


def _trainer(settings: TrainConfig, callbacks: list[Callback], logger: Any, folder: Path, layout: Layout) -> pl.Trainer:
    """Return the trainer; what this machine hasn't got is one line.

    Raises
    ------
    ConfigError
        If there is no such accelerator here, or not as many devices, or they don't compute in that precision.
    """
    try:
        return pl.Trainer(
            max_epochs=settings.epochs,
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.nodes,
            strategy="ddp" if settings.devices * settings.nodes > 1 else "auto",
            plugins=_started_by(layout),
            precision=settings.precision,
            callbacks=callbacks,
            logger=logger,
            use_distributed_sampler=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
            log_every_n_steps=50,
            gradient_clip_val=None,
            default_root_dir=folder,
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        chosen = {name: getattr(settings, name) for name in ("accelerator", "devices", "nodes", "precision")}
        asked = ", ".join(f"train.{name}={value}" for name, value in chosen.items())
        raise ConfigError(f"{asked}: {' '.join(str(error).split())}") from error


def _started_by(layout: Layout) -> list[Any]:
    """Say to Lightning who starts the processes; it takes any allocation for one that `srun` was used in."""
    from lightning.fabric.plugins.environments import LightningEnvironment, SLURMEnvironment, TorchElasticEnvironment

    if layout.launcher == "torchrun":
        return [TorchElasticEnvironment()]
    if layout.launcher == "lightning":
        return [LightningEnvironment()]
    # It asks for this number, which `srun --ntasks=4` doesn't give.
    os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(layout.devices))
    return [SLURMEnvironment(auto_requeue=False)]


def learning_rate(step: int, steps: int, settings: TrainConfig) -> float:
    """Return the learning rate of the one-cycle schedule at a step.

    Linear from ``learning_rate`` up to the peak in 40 % of the steps, back in 40 %, down to the final rate in 20 %
    (8, 8 and 4 of the 20 epochs of arXiv:1902.08570).
    """
    low, peak, final = settings.learning_rate, settings.peak_learning_rate, settings.final_learning_rate
    up, down = 0.4 * steps, 0.8 * steps
    if step < up:
        return low + (peak - low) * step / up
    if step < down:
        return peak + (low - peak) * (step - up) / (down - up)
    return low + (final - low) * min(1.0, (step - down) / max(1.0, steps - down))


class _Loaders(pl.LightningDataModule):
    """The loaders of this process."""

    def __init__(self, train: Any, val: Any, settings: TrainConfig, seed: int) -> None:
        super().__init__()
        self.train_set, self.val_set, self.settings, self.seed = train, val, settings, seed
        self.sampler = EpochSampler(len(train), settings.batch_size, seed)
        self.steps_per_epoch = len(self.sampler)

    def train_dataloader(self) -> Any:
        assert self.trainer is not None
        self.sampler = EpochSampler(
            len(self.train_set),
            self.settings.batch_size,
            self.seed,
            rank=self.trainer.global_rank,
            world=self.trainer.world_size,
        )
        # After a checkpoint in the middle of an epoch, Lightning wants what is left of it.
        self.sampler.skip(self.trainer.global_step % self.steps_per_epoch)
        return epoch_loader(self.train_set, self.sampler, workers=self.settings.workers)

    def val_dataloader(self) -> Any:
        assert self.trainer is not None
        world = self.trainer.world_size
        batch = max(1, self.settings.batch_size // world)
        return ordered_loader(self.val_set, batch, rank=self.trainer.global_rank, world=world)


class _Module(pl.LightningModule):
    """The network with its loss and its optimizer."""

    def __init__(
        self, model: Model, network: nn.Module, settings: TrainConfig, seed: int, steps_per_epoch: int
    ) -> None:
        super().__init__()
        self.model, self.network, self.settings, self.seed = model, network, settings, seed
        self.steps = steps_per_epoch * settings.epochs
        #: Sum of the losses of this process in this epoch, and the number of its examples.
        self.seen = torch.zeros(2)

    def _loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
        inputs = {spec.name: batch[spec.name] for spec in self.model.inputs if spec.name in batch}
        outputs = self.network(**inputs)
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        loss = self.model.loss([output.float() for output in outputs], batch, **self.settings.loss)
        return loss, len(next(iter(inputs.values())))

    def training_step(self, batch: Mapping[str, Tensor], number: int) -> Tensor:
        # The random numbers of a step (dropout) follow from seed, step and process: a resumed training draws the same.
        torch.manual_seed(hash((self.seed, self.global_step, self.global_rank)) % 2**63)
        loss, size = self._loss(batch)
        mean = loss.detach().float()
        self.seen = self.seen.to(mean.device) + torch.stack([mean * size, torch.full_like(mean, size)])
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what each process has seen of an epoch; Lightning would forget its losses up to here."""
        checkpoint["seen"] = torch.atleast_2d(self.all_gather(self.seen)).cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.seen = checkpoint["seen"][self.global_rank]

    def mean_loss(self) -> float:
        """Return the mean loss of the examples that all processes have seen in this epoch, and begin again."""
        total, number = torch.atleast_2d(self.all_gather(self.seen)).sum(0).tolist()
        self.seen = torch.zeros(2)
        return float(total / number)

    def validation_step(self, batch: Mapping[str, Tensor], number: int) -> None:
        loss, size = self._loss(batch)
        self.log("val_loss", loss, prog_bar=True, batch_size=size, sync_dist=True)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=1.0, weight_decay=self.settings.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate(step, self.steps, self.settings)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Warm(Callback):
    """A step for nothing before the first one of several processes.

    DDP puts gradients into other buckets behind the first step of every start, and the rounding of a sum over more than
    two processes depends on the place in a bucket: what went on from a checkpoint would differ in the last digit.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.world_size == 1:
            return
        assert isinstance(pl_module, _Module)
        seen, buffers = pl_module.seen, [value.clone() for value in pl_module.buffers()]
        batch = trainer.strategy.batch_to_device(pl_module.model.example(2, 0))
        loss: Any = trainer.strategy.training_step(batch, 0)
        loss.backward()
        pl_module.zero_grad()
        pl_module.seen = seen
        with torch.no_grad():
            for value, before in zip(pl_module.buffers(), buffers, strict=True):
                value.copy_(before)


class _History(Callback):
    """One row of losses for every epoch, kept in the checkpoints."""

    def __init__(self) -> None:
        self.rows: list[Mapping[str, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, _Module)
        losses = {"train_loss": pl_module.mean_loss(), "val_loss": float(trainer.callback_metrics["val_loss"])}
        pl_module.log("train_loss", losses["train_loss"], sync_dist=True)
        row = {"epoch": trainer.current_epoch, **losses}
        self.rows = [*self.rows, row]
        if trainer.is_global_zero:
            text = "epoch %d: training loss %.4f, validation loss %.4f"
            log.info(text, row["epoch"] + 1, row["train_loss"], row["val_loss"])

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


def _mlflow_logger(project: Project, config: Config, parent: str | None) -> Any:
    report_nothing()
    import mlflow
    from lightning.pytorch.loggers import MLFlowLogger

    active = mlflow.active_run()
    parent = parent or (active.info.run_id if active else None)

    logger = MLFlowLogger(
        project.slug,
        run_name=f"train {config.name}",
        tracking_uri=tracking_uri(project, config),
        artifact_location=artifact_location(project, config),
        tags={"mlflow.parentRunId": parent} if parent else None,
    )
    logger.log_hyperparams({"model": config.model, "train": config.train.model_dump(), "seed": training_seed(config)})
    return logger
