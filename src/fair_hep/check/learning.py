"""Checks of what training stands on: the loss, the weights, the options and the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..bundle.errors import ConfigError, DataError
from ..models.building import build
from .shapes import complaint
from .trial import SEED, Broken, NotPossible, Trial, difference, promise

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "dataset_fits",
    "every_parameter_learns",
    "loss_has_a_floor",
    "one_step_lowers_loss",
    "sample_of",
    "state_round_trip",
    "unknown_hyperparameter_refused",
    "unknown_loss_option_refused",
]

#: How far outputs are moved along the gradient of the loss.
FAR = 1e6
UNKNOWN = "no_such_option"
#: What to do where the sample has another layout than the recipe says.
OTHER_FILES = (
    "the files in sample/ aren't what data.py describes: replace them by files of yours (train, val and test, a few "
    "hundred examples each), or bring data.py to theirs"
)


@promise("check the sign of the loss, its targets, and that nothing on the way to it is detached")
def one_step_lowers_loss(trial: Trial) -> None:
    """A small step against the gradient lowers the loss."""
    import torch

    network, before, batch = _backward(trial)
    squared = sum(float(p.grad.square().sum()) for p in network.parameters() if p.grad is not None)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.sub_(1e-4 / max(squared, 1e-12) * parameter.grad)
        after = trial.model.loss(trial.outputs(network, batch), batch, **trial.config.train.loss)
    if not float(after) < float(before.detach()):
        raise Broken(f"the loss went from {float(before.detach()):.6f} to {float(after):.6f}")


@promise("check the sign of the loss: training lowers it")
def loss_has_a_floor(trial: Trial) -> None:
    """Outputs that follow the gradient of the loss lower it to some value, not without end."""
    import torch

    batch = trial.batch(16, double=True)
    outputs = [values.detach().requires_grad_(True) for values in trial.outputs(trial.network().double(), batch)]

    def loss(values: Sequence[Tensor]) -> Tensor:
        return trial.model.loss(values, batch, **trial.config.train.loss)

    start = loss(outputs)
    gradients = torch.autograd.grad(start, outputs, allow_unused=True, materialize_grads=True)
    size = sum(float(gradient.square().sum()) for gradient in gradients) ** 0.5
    with torch.no_grad():
        far = [o - FAR / max(size, 1e-12) * g for o, g in zip(outputs, gradients, strict=True)]
        fallen = float(start.detach()) - float(loss(far))
    # Along its gradient a loss without a floor falls in proportion to the way, or faster.
    if fallen > 0.1 * FAR * size > 0:
        raise Broken(f"along its gradient the loss falls by {fallen:.1e} and further: something is maximised")


@promise("use every parameter in forward, or remove it")
def every_parameter_learns(trial: Trial) -> None:
    """A finite gradient reaches every parameter."""
    network, _, _ = _backward(trial)
    idle = [name for name, p in network.named_parameters() if p.grad is None or not bool(p.grad.isfinite().all())]
    if idle:
        raise Broken(f"no finite gradient reaches {', '.join(idle[:5])}{' and others' if len(idle) > 5 else ''}")


@promise("register every tensor that the network uses: nn.Parameter if it learns, else register_buffer")
def state_round_trip(trial: Trial) -> None:
    """Weights written as safetensors and read into a new network give the same outputs."""
    from safetensors.torch import load_file, save_file

    network, other = trial.network(), trial.network(seed=SEED + 1)
    batch = trial.batch(4)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, path)
        other.load_state_dict(load_file(path))
    if (gap := difference(trial.outputs(network, batch), trial.outputs(other, batch))) > 0:
        raise Broken(f"a network with the same weights differs by {gap:.1e}")


@promise("validate the hyperparameters (fair_hep.validate) and name the unknown one")
def unknown_hyperparameter_refused(trial: Trial) -> None:
    """A misspelt hyperparameter is refused by name."""
    try:
        build(trial.model, {**trial.config.model, UNKNOWN: 1})
    except ConfigError as error:
        if UNKNOWN in str(error):
            return
    raise Broken(f"build() accepts {UNKNOWN}=1")


@promise("validate the options (fair_hep.validate) and name the unknown one")
def unknown_loss_option_refused(trial: Trial) -> None:
    """A misspelt option of the loss is refused by name."""
    batch = trial.batch(4)
    try:
        trial.model.loss(trial.outputs(trial.network(), batch), batch, **trial.config.train.loss, **{UNKNOWN: 1})
    except ConfigError as error:
        if UNKNOWN in str(error):
            return
    raise Broken(f"loss() accepts {UNKNOWN}=1")


@promise("make convert() store, and dataset() return, what the specifications of inputs and targets say")
def dataset_fits(trial: Trial) -> None:
    """Examples of the sample, converted and loaded, are what the network takes and the evaluation needs."""
    model = trial.model
    with TemporaryDirectory() as folder:
        try:
            dataset = sample_of(trial, Path(folder))
        except (ConfigError, DataError) as error:
            raise Broken(str(error), OTHER_FILES) from error
        batch = dataset.__getitems__(list(range(min(4, len(dataset)))))
        lengths = trial.lengths(batch)
        for spec in (*(spec for spec in model.inputs if not spec.optional), *model.targets):
            if said := complaint(spec, batch.get(spec.name), lengths):
                raise Broken(f"the data set's {said}")
        trial.outputs(trial.network(), batch)


def sample_of(trial: Trial, folder: Path) -> Any:
    """Return the data set of the smallest file of the sample, converted into a folder.

    Raises
    ------
    NotPossible
        If there is no sample.
    """
    from ..data.store import Store

    model, data = trial.model, trial.config.data
    there = {path.name: path for path in trial.sample.iterdir()} if trial.sample and trial.sample.is_dir() else {}
    files = [there[name] for names in model.published(sorted(there)).values() for name in names]
    if not files:
        raise NotPossible("the project ships no sample")
    smallest = min(files, key=lambda path: path.stat().st_size)
    model.convert([smallest], folder / "store", processes=1, **data.options)
    return model.dataset(Store(folder / "store"), **data.options)


def _backward(trial: Trial) -> tuple[Any, Tensor, dict[str, Tensor]]:
    """Return the network with its gradients, the loss and the batch."""
    network, batch = trial.network().double(), trial.batch(16, double=True)
    loss = trial.model.loss(trial.outputs(network, batch), batch, **trial.config.train.loss)
    loss.backward()
    return network, loss, batch
