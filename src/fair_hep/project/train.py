"""The verb ``train``: fit the network, so that it can be interrupted and taken up again."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import provenance
from ..bundle.errors import ConfigError, MissingStepError, ProjectError
from ..bundle.files import new_file, read_json, write_json, write_text
from ..models.building import build
from ..models.known import require_known
from ..models.recipe import recipe
from ..provenance.about import VERB as IMPORTED
from ..provenance.configuration import Config
from ..provenance.project import Project
from ..publish.tracking import parent_run
from .data import store_folder
from .held import held
from .layout import Layout, find_layout, job, restarts, shared_out
from .seeds import members, training_seed

if TYPE_CHECKING:
    from torch import nn

__all__ = ["WEIGHTS", "load_network", "made_otherwise", "run", "write_weights"]

WEIGHTS = "weights.safetensors"
#: What other verbs leave where `train` would have left its own.
_OTHERS = {IMPORTED: "imported weights", "prune": "a pruned network"}
#: The job of Slurm that began the training: started again, it goes on.
JOB = "job"

log = logging.getLogger(__name__)


def run(project: Project, config: Config, *, resume: bool = False) -> dict[str, Any]:
    """Train the network of the project, with ``train.seeds`` several times, each with its own seed.

    Writes ``runs/<configuration>/train/``: the weights of the epoch with the lowest validation loss, the learning
    curves, checkpoints and provenance. With ``resume`` it continues from the last checkpoint and reaches the weights
    that an uninterrupted training would have reached, bit for bit at the same number of threads. Of several trainings
    the first goes there, the others to ``runs/<configuration>-seed2/`` and so on (`fair_hep.project.seeds`); resumed,
    those that are finished are left alone.

    Under `srun` and `torchrun` it has as many processes as these started. A job that Slurm starts again resumes what it
    had begun.

    Raises
    ------
    MissingStepError
        If there are no converted data, or nothing to resume.
    ConfigError
        If the configuration changed since the checkpoint was written, or the folder holds imported weights, or the
        configuration asks for other processes than were started.
    ProjectError
        If another training runs there.
    """
    layout = find_layout()
    first, *others = members(shared_out(config, layout))
    if not others:
        return _train(project, first, layout, resume=resume)
    with held(project.run(config.name, "train").parent, "a training"), parent_run(project, config) as parent:
        found = [_taken_up(project, one, layout, parent, resume=resume) for one in (first, *others)]
    path = project.run(config.name, "train") / provenance.FILE
    made = read_json(path)
    # What the model cost includes the trainings that only tell its spread.
    made["result"] |= {"trainings": len(found), "seconds_of_all": sum(one["seconds"] for one in found)}
    write_json(path, made)
    lines = [
        f"seed {training_seed(one)}: validation loss {result['val_loss']:.4f}, {result['weights']}"
        for one, result in zip((first, *others), found, strict=True)
    ]
    return {"headline": lines, **made["result"], "seeds": found}


def _taken_up(project: Project, config: Config, layout: Layout, parent: str, *, resume: bool) -> dict[str, Any]:
    """Train one of several: what is finished stays, what was begun goes on, if that is asked for."""
    folder = project.run(config.name, "train")
    log.info("== seed %d: runs/%s", training_seed(config), config.name)
    if (resume or _restarted(folder)) and (folder / provenance.FILE).is_file():
        _prepare(folder, config, resume=True, begin=False)
        known: dict[str, Any] = read_json(folder / provenance.FILE)["result"]
        return known
    begun = (folder / "checkpoints" / "last.ckpt").is_file()
    return _train(project, config, layout, resume=resume and begun, parent=parent)


def _train(
    project: Project, config: Config, layout: Layout, *, resume: bool, parent: str | None = None
) -> dict[str, Any]:
    require_known(recipe(project), config)
    folder = project.run(config.name, "train")
    with held(folder.parent, "a training") if layout.leader else contextlib.nullcontext():
        return _trained(project, config, layout, folder, resume=resume, parent=parent)


def _trained(
    project: Project, config: Config, layout: Layout, folder: Path, *, resume: bool, parent: str | None
) -> dict[str, Any]:
    from .training import fit

    stores = store_folder(project, config)
    for split in ("train", "val"):
        provenance.require(stores / split, "data", project.root)
    # All processes must come to the same; before there is a checkpoint, a job that is started again begins again.
    resume = resume or (_restarted(folder) and (folder / "checkpoints" / "last.ckpt").is_file())
    if layout.leader:
        _prepare(folder, config, resume=resume)
    done = fit(project, config, folder, stores, layout=layout, resume=resume, parent=parent)
    if not done.leader:
        return {"rank": done.rank}
    write_weights(done.network, folder / WEIGHTS)
    _draw_curves(done.history, folder / "learning_curves.png")
    result = {**done.summary, "weights": str((folder / WEIGHTS).relative_to(project.root))}
    write_json(folder / "history.json", {"losses": done.history, **done.summary})
    inputs = provenance.checksums(project.root, *(stores / split / "store.json" for split in ("train", "val")))
    provenance.record(folder, project, config, "train", inputs=inputs, result=result)
    return result


def load_network(project: Project, config: Config) -> nn.Module:
    """Return the trained network in evaluation mode.

    Raises
    ------
    MissingStepError
        If it isn't trained yet.
    ProjectError
        If the weights don't fit the network of this configuration.
    """
    from safetensors.torch import load_file

    path = project.run(config.name, "train") / WEIGHTS
    provenance.require(path.parent, "train", project.root)
    network = build(recipe(project), config.model)
    try:
        network.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise ProjectError(
            f"{path.relative_to(project.root)}: the weights don't fit model={dict(config.model)}; "
            "train again, or use the configuration that they were trained with"
        ) from error
    return network.eval()


def _prepare(folder: Path, config: Config, *, resume: bool, begin: bool = True) -> None:
    """Make the folder ready: empty for a new training, unfinished but whole for one that goes on (``begin``)."""
    configuration = folder / "configuration.json"
    wanted = config.model_dump(mode="json", by_alias=True)
    if not resume:
        _keep_others(folder)
        shutil.rmtree(folder, ignore_errors=True)
        write_json(configuration, wanted)
        if number := job():
            write_text(folder / JOB, f"{number}\n")
        return
    if not (folder / "checkpoints" / "last.ckpt").is_file():
        raise MissingStepError(folder / "checkpoints" / "last.ckpt", "train")
    known = read_json(configuration)
    changed = [
        line for key in ("seed", "model", "data", "train") for line in _changes(key, known.get(key), wanted[key])
    ]
    if changed:
        raise ConfigError(
            f"--resume: changed since the checkpoint: {'; '.join(changed)}; change it back, or train again"
        )
    if begin:
        (folder / provenance.FILE).unlink(missing_ok=True)


def _restarted(folder: Path) -> bool:
    """Say whether this job began the training, and was started again."""
    begun = folder / JOB
    return restarts() > 0 and begun.is_file() and begun.read_text(encoding="utf-8").strip() == job()


def _changes(key: str, known: Any, wanted: Any) -> Iterator[str]:
    """Say of every setting below a key what it was and what it is now, if these differ."""
    if isinstance(known, dict) and isinstance(wanted, dict):
        for name in dict.fromkeys([*known, *wanted]):
            yield from _changes(f"{key}.{name}", known.get(name, "unset"), wanted.get(name, "unset"))
    elif known != wanted:
        yield f"{key} was {known}, and is {wanted}"


def _keep_others(folder: Path) -> None:
    """Refuse to replace weights that a training here can't make again."""
    if what := made_otherwise(folder):
        raise ConfigError(
            f"runs/{folder.parent.name}/{folder.name} holds {what}: give this training another name "
            "(name=...), or remove the folder"
        )


def made_otherwise(folder: Path) -> str | None:
    """Say what weights a folder holds that `train` didn't make; None if it did, or there are none."""
    made = folder / provenance.FILE
    return _OTHERS.get(read_json(made)["command"]) if made.is_file() else None


def write_weights(network: nn.Module, path: Path) -> None:
    """Write the state of a network as safetensors, in one step."""
    from safetensors.torch import save_file

    with new_file(path) as name:
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, name)


def _draw_curves(history: list[Mapping[str, float]], path: Path) -> None:
    from ..pages.figures import figure

    with new_file(path) as name, figure() as (picture, axes):
        epochs = [row["epoch"] + 1 for row in history]
        axes.plot(epochs, [row["train_loss"] for row in history], "o-", label="training")
        axes.plot(epochs, [row["val_loss"] for row in history], "s--", label="validation")
        axes.set(xlabel="Epoch", ylabel="Mean loss per example")
        axes.legend()
        picture.savefig(name)
