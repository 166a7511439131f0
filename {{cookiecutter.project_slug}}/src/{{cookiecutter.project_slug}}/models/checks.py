"""Every promise of the model contract as a named check, to run while writing a model (``check``) and in the tests.

In the spirit of scikit-learn's ``check_estimator``: a check takes a model and hyperparameters, and raises `ModelError`
with what was seen and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, ModelError, ProjectError
from .contract import Model

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..config import Config
    from ..project import Project

__all__ = ["CHECKS", "Outcome", "check_model", "run"]

Hyperparameters = Mapping[str, Any]
SEED = 7
#: Largest difference of logits in float64 between inputs that must give the same answer.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Outcome:
    """The verdict of one check; ``reason`` is empty if it passed."""

    name: str
    promise: str
    reason: str


def run(project: Project, config: Config) -> dict[str, Any]:
    """Check the model of the project with the hyperparameters of a configuration.

    Raises
    ------
    ModelError
        If a promise is broken; the line names the checks.
    """
    from . import get

    outcomes = check_model(get(project.model), config.model)
    lines = [f"{'FAILED' if o.reason else 'passed'}  {o.name}: {o.reason or o.promise}" for o in outcomes]
    failed = [o for o in outcomes if o.reason]
    if failed:
        raise ModelError(
            f"{len(failed)} of {len(outcomes)} checks failed: " + "; ".join(f"{o.name}: {o.reason}" for o in failed)
        )
    return {"headline": [*lines, f"{len(outcomes)} checks passed"], "checks": [vars(o) for o in outcomes]}


def check_model(model: Model, hyperparameters: Hyperparameters) -> list[Outcome]:
    """Try every check; return their outcomes in order."""
    outcomes = []
    for name, check in CHECKS.items():
        reason = ""
        try:
            check(model, hyperparameters)
        except ProjectError as error:
            reason = str(error)
        except Exception as error:  # a broken model may raise anything; the user wants to see every verdict
            reason = f"raised {type(error).__name__}: {' '.join(str(error).split())}"
        outcomes.append(Outcome(name, (check.__doc__ or "").strip().splitlines()[0], reason))
    return outcomes


def outputs_fit(model: Model, hyperparameters: Hyperparameters) -> None:
    """Outputs are finite and have the axes, sizes and number that the model declares."""
    network = _network(model, hyperparameters)
    batch = model.example(4, SEED)
    lengths = _lengths(model, batch)
    for spec, values in zip(model.outputs, _outputs(model, network, batch), strict=True):
        wanted = [spec.sizes.get(axis, lengths.get(axis)) for axis in spec.axes]
        if list(values.shape) != wanted:
            raise ModelError(f"output {spec.name}: got shape {list(values.shape)}, expected {wanted} for {spec.axes}")
        if not bool(values.isfinite().all()):
            raise ModelError(f"output {spec.name}: got values that aren't finite for the example batch")


def inputs_unchanged(model: Model, hyperparameters: Hyperparameters) -> None:
    """The network changes no input, and answers the same twice."""
    network = _network(model, hyperparameters)
    batch = model.example(4, SEED)
    before = {name: values.clone() for name, values in batch.items()}
    for mode in (network.train, network.eval):
        mode()
        first = _outputs(model, network, batch)
        changed = [name for name, values in batch.items() if not values.equal(before[name])]
        if changed:
            raise ModelError(f"forward changed its input {', '.join(changed)} in place; compute on a copy")
    if _difference(first, _outputs(model, network, batch)) > 0:
        raise ModelError("two calls in evaluation mode gave different outputs; remove what is random")


def features_learn_nothing(model: Model, hyperparameters: Hyperparameters) -> None:
    """``features`` has no parameter, and ``body(*features(*inputs))`` is the whole network."""
    network = _network(model, hyperparameters).double()
    parts = [part for part in ("features", "body") if not hasattr(network, part)]
    if parts:
        raise ModelError(f"the network has no {' and no '.join(parts)}; split it into what computes and what learns")
    if list(network.features.parameters()):
        raise ModelError("network.features has parameters; move what learns into network.body")
    batch = _double(model.example(4, SEED))
    values = network.body(*network.features(**_inputs(model, batch)))
    values = values if isinstance(values, tuple) else (values,)
    if (gap := _difference(values, _outputs(model, network, batch))) > TOLERANCE:
        raise ModelError(f"body(*features(*inputs)) differs from the network by {gap:.1e}; make forward just that")


def any_size(model: Model, hyperparameters: Hyperparameters) -> None:
    """One example, one element, many of both: every size works."""
    network = _network(model, hyperparameters)
    batch = model.example(5, SEED)
    for examples in (1, 5):
        for elements in (1, 2, None):
            part = {
                spec.name: batch[spec.name][:examples, :elements] if spec.set_axis else batch[spec.name][:examples]
                for spec in model.inputs
                if spec.name in batch and not spec.optional
            }
            try:
                network(**part)
            except (RuntimeError, IndexError, ValueError) as error:
                text = " ".join(str(error).split())
                raise ModelError(f"{examples} examples with {elements or 'all'} elements: {text}") from error


def padding_ignored(model: Model, hyperparameters: Hyperparameters) -> None:
    """More padding changes nothing, in evaluation and in training."""
    _same_after(model, hyperparameters, _padded, "padding")


def order_ignored(model: Model, hyperparameters: Hyperparameters) -> None:
    """The order of the elements changes nothing, in evaluation and in training."""
    _same_after(model, hyperparameters, _reversed, "the order of the elements")


def one_step_lowers_loss(model: Model, hyperparameters: Hyperparameters) -> None:
    """A small step against the gradient lowers the loss, and every parameter has a gradient."""
    import torch

    network = _network(model, hyperparameters).double().eval()
    batch = _double(model.example(16, SEED))
    before = model.loss(_outputs(model, network, batch), batch)
    before.backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not bool(p.grad.isfinite().all())]
    if idle:
        raise ModelError(f"no finite gradient reaches {', '.join(idle[:5])}; use it in forward or remove it")
    squared = sum(float(p.grad.square().sum()) for p in network.parameters() if p.grad is not None)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.sub_(1e-4 / max(squared, 1e-12) * parameter.grad)
        after = model.loss(_outputs(model, network, batch), batch)
    if not float(after) < float(before.detach()):
        raise ModelError(
            f"the loss went from {float(before.detach()):.6f} to {float(after):.6f}; check its sign and its targets"
        )


def state_round_trip(model: Model, hyperparameters: Hyperparameters) -> None:
    """Weights written as safetensors and read into a new network give the same outputs."""
    from safetensors.torch import load_file, save_file

    network = _network(model, hyperparameters)
    other = _network(model, hyperparameters, seed=SEED + 1)
    batch = model.example(4, SEED)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, path)
        other.load_state_dict(load_file(path))
    if (gap := _difference(_outputs(model, network, batch), _outputs(model, other, batch))) > 0:
        raise ModelError(f"a network with the same weights differs by {gap:.1e}; register every tensor it uses")


def unknown_hyperparameter_refused(model: Model, hyperparameters: Hyperparameters) -> None:
    """A misspelt hyperparameter is refused by name."""
    try:
        model.build(**hyperparameters, no_such_hyperparameter=1)
    except ConfigError as error:
        if "no_such_hyperparameter" in str(error):
            return
    raise ModelError("build() accepts no_such_hyperparameter=1; validate the hyperparameters and name the unknown one")


def explainable(model: Model, hyperparameters: Hyperparameters) -> None:
    """Every module has a relevance rule, and the ledger of the explanation closes."""
    import torch

    from ..explain import explain

    network = _network(model, hyperparameters).double()
    values = network.features(**_inputs(model, _double(model.example(4, SEED))))
    found = explain(network.body, values, torch.tensor([list(model.target())], dtype=torch.float64))
    if (error := float(found.error.abs().max())) > 1e-10:
        raise ModelError(f"the ledger is open by {error:.1e}, expected at most 1e-10; a module may escape its rule")


#: The checks in the order in which they are tried.
CHECKS: dict[str, Callable[[Model, Hyperparameters], None]] = {
    check.__name__: check
    for check in (
        outputs_fit,
        inputs_unchanged,
        features_learn_nothing,
        any_size,
        padding_ignored,
        order_ignored,
        one_step_lowers_loss,
        state_round_trip,
        unknown_hyperparameter_refused,
        explainable,
    )
}


def _network(model: Model, hyperparameters: Hyperparameters, *, seed: int = SEED) -> Any:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = model.build(**hyperparameters)
    return network.eval()


def _inputs(model: Model, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {spec.name: batch[spec.name] for spec in model.inputs if spec.name in batch}


def _outputs(model: Model, network: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    values = network(**_inputs(model, batch))
    return values if isinstance(values, tuple) else (values,)


def _double(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: values.double() if values.is_floating_point() else values for name, values in batch.items()}


def _lengths(model: Model, batch: Mapping[str, Tensor]) -> dict[str, int]:
    return {
        axis: batch[spec.name].shape[place]
        for spec in model.inputs
        if spec.name in batch
        for place, axis in enumerate(spec.axes)
    }


def _same_after(model: Model, hyperparameters: Hyperparameters, change: Callable[[Tensor], Tensor], what: str) -> None:
    """Compare the outputs before and after a change of the inputs that must not matter."""
    network = _network(model, hyperparameters).double()
    batch = _double(model.example(6, SEED))
    sets = {spec.name for spec in model.inputs if spec.set_axis}
    elements = {spec.set_axis for spec in model.inputs if spec.set_axis}
    changed = {name: change(values) if name in sets else values for name, values in batch.items()}
    for module in network.modules():
        # Dropout draws by position; what is compared here is everything else.
        if type(module).__name__.startswith("Dropout"):
            module.p = 0.0
    for mode in (network.eval, network.train):
        mode()
        before, after = _outputs(model, network, batch), _outputs(model, network, changed)
        before = tuple(
            change(values) if spec.set_axis in elements else values
            for spec, values in zip(model.outputs, before, strict=True)
        )
        if (gap := _difference(before, after)) > TOLERANCE:
            state = "training" if network.training else "evaluation"
            raise ModelError(f"{what} changes the outputs by {gap:.1e} in {state}; mask every sum, mean and statistic")


def _padded(values: Tensor) -> Tensor:
    import torch

    return torch.cat([values, torch.zeros_like(values[:, :3])], 1)


def _reversed(values: Tensor) -> Tensor:
    return values.flip(1)


def _difference(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> float:
    return max(float((a - b).detach().abs().max()) for a, b in zip(first, second, strict=True))
