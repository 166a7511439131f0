"""Faults planted in a small model: each breaks one promise, as happens to whoever writes a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import get_proxy_mode

from fair_hep.lrp import register
from fair_hep.lrp.treatments import as_it_is
from fair_hep.nets import channels
from support.sets import Body, Features, Network, Points, Sets

__all__ = ["FAULTS", "Fault"]


class InPlace(Network):
    def forward(self, points: Tensor) -> Tensor:
        points[..., :2] -= points[..., :2].mean(1, keepdim=True)
        return super().forward(points)


class Ordered(Network):
    def forward(self, points: Tensor) -> Tensor:
        return super().forward(points) + points[:, :1, 0]


class FixedSize(Network):
    def forward(self, points: Tensor) -> Tensor:
        return super().forward(points[:, torch.arange(9) % 5])


class WrongShape(Network):
    def forward(self, points: Tensor) -> Tensor:
        return super().forward(points)[:, 0]


class Unregistered(Network):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.scale = torch.rand(2) + 0.5

    def forward(self, points: Tensor) -> Tensor:
        return super().forward(points) * self.scale.to(points.dtype)


class Normalised(Features):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(3)

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        features, mask = super().forward(points)
        return self.norm(features) * mask[..., None], mask


class LearningFeatures(Network):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.features = Normalised()


class MorePooled(Body):
    """Padding counts."""

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        return rows.mean(1)


class Undivided(Body):
    """Divides by the number of elements, which may be none."""

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        real = mask[..., None].to(rows.dtype)
        return (rows * real).sum(1) / real.sum(1)


class Gated(Body):
    """A gate made of functions: no rule covers the product of two activations."""

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        return super().pooled(rows * torch.sigmoid(rows), mask)


class OwnScale(nn.Module):
    """A layer of somebody's own, which nobody has told the engine of."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, rows: Tensor) -> Tensor:
        return rows * self.weight


class Unruled(Body):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.scale = OwnScale()

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        return super().pooled(self.scale(rows), mask)


class Square(nn.Module):
    def forward(self, rows: Tensor) -> Tensor:
        return rows.square()


class Misruled(Body):
    """Says that a square is linear: relevance doubles there."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.square = Square()
        register(Square, as_it_is)

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        return super().pooled(self.square(rows), mask)


class Turned(nn.Linear):
    """A linear map, of whose channels somebody told the wrong axes."""


class Mistold(Body):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.each[2] = Turned(width, width)
        layout = channels.Layout(("in_features", "out_features"), {"weight": 1, "bias": 0}, {"weight": 0})
        channels.register(Turned, layout)


class Guarded(Features):
    """Decides by a value, in Python."""

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        if bool((points > 1e6).any()):
            points = points / 1000
        return super().forward(points)


class Branching(Network):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.features = Guarded()


class Summed(Body):
    """Adds rows up where their sets stand: ONNX Runtime's threads would lose some of them."""

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        real = mask[..., None].to(rows.dtype)
        place = torch.arange(rows.shape[0])[:, None].expand(mask.shape).reshape(-1)
        total = rows.new_zeros(rows.shape[0], rows.shape[2]).index_add(0, place, (rows * real).flatten(0, 1))
        return total / real.sum(1).clamp(min=1.0)


class Forgetful(Body):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.forgotten = nn.Linear(2, 2)


class Twice(nn.Module):
    def forward(self, rows: Tensor) -> Tensor:
        return 2.0 * rows


def other_where_recorded(module: nn.Module, book: Any) -> Callable[[Tensor], Tensor]:
    return lambda rows: (2.0 if get_proxy_mode() is None else 1.0) * rows


class OtherRecorded(Body):
    """Has a rule that computes something else while an export records it."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.twice = Twice()
        register(Twice, other_where_recorded)

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        return super().pooled(self.twice(rows), mask)


class Lax(Sets):
    def build(self, **hyperparameters: Any) -> nn.Module:
        return Network(hyperparameters.get("width", 8))


class LaxLoss(Sets):
    def loss(self, outputs: Sequence[Tensor], batch: Mapping[str, Tensor], **options: Any) -> Tensor:
        return super().loss(outputs, batch)


class Detached(Sets):
    def loss(self, outputs: Sequence[Tensor], batch: Mapping[str, Tensor], **options: Any) -> Tensor:
        return super().loss([outputs[0].detach()], batch, **options) + 0.0 * outputs[0].sum()


class Maximising(Sets):
    def loss(self, outputs: Sequence[Tensor], batch: Mapping[str, Tensor], **options: Any) -> Tensor:
        return -super().loss(outputs, batch, **options)


class Unlabelled(Sets):
    def example(self, size: int, seed: int) -> dict[str, Tensor]:
        return {**super().example(size, seed), "label": torch.zeros(size)}


class OtherFeatures(Sets):
    features = Sets.features.model_copy(update={"sizes": {"feature": 4}, "columns": ("x", "y", "radius", "log_weight")})


class Mismatched(Body):
    """Expects a feature that is named, and that nobody computes."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.each = nn.Sequential(nn.Linear(4, width), nn.ReLU())


class MoreNamed(Sets):
    features = Sets.features.model_copy(update={"sizes": {"feature": 4}, "columns": ("x", "y", "log_weight", "radius")})

    def build(self, **hyperparameters: Any) -> nn.Module:
        network = super().build(**hyperparameters)
        network.body = Mismatched(8)
        return network


class Unsplit(Network):
    """What learns isn't told apart from what computes."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.inner, self.outer = self.features, self.body
        del self.features, self.body

    def forward(self, points: Tensor) -> Tensor:
        logits: Tensor = self.outer(*self.inner(points))
        return logits


class DrawnElsewhere(Sets):
    """Draws columns that its inputs don't have."""

    def study(self, network: nn.Module, datasets: Any, config: Any, folder: Any) -> Mapping[str, Any]:
        return {"column": self.inputs[0].columns.index("E")}


class OfAnotherTime(Sets):
    contract_version = 2


class WithoutTarget(Sets):
    def dataset(self, store: Any, **options: Any) -> Any:
        class Bare(Points):
            def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
                return {"points": super().__getitems__(indices)["points"]}

        return Bare(store)


def _body(kind: type[Body]) -> type[Sets]:
    class Changed(Network):
        def __init__(self, width: int) -> None:
            super().__init__(width)
            self.body = kind(width)

    return _network(Changed)


def _network(kind: type[Network]) -> type[Sets]:
    class Faulty(Sets):
        network = kind

    return Faulty


@dataclass(frozen=True)
class Fault:
    """A fault, the check that must name it, and words of the reason."""

    name: str
    model: Callable[..., Sets]
    check: str
    words: str


FAULTS = (
    Fault("a contract of another version", OfAnotherTime, "contract_fits", "contract_version: got 2, expected 1"),
    Fault("a target of another type", Unlabelled, "example_fits", "label: got float32, expected int64"),
    Fault(
        "one feature too many",
        MoreNamed,
        "network_runs",
        "features.. computes 3 features, and FEATURES in inputs.py names 4, radius being the last",
    ),
    Fault("one module that does all", _network(Unsplit), "network_runs", "the network has no features and no body"),
    Fault("an output of the wrong shape", _network(WrongShape), "outputs_fit", r"output logits: got shape \[4\]"),
    Fault("features that aren't those declared", OtherFeatures, "features_fit", r"got shape \[4, 9, 3\], expected"),
    Fault("features that learn", _network(LearningFeatures), "features_learn_nothing", "norm.weight"),
    Fault("an input changed in place", _network(InPlace), "inputs_unchanged", "changed its input points"),
    Fault("a fixed number of elements", _network(FixedSize), "any_size", "1 examples with 1 elements"),
    Fault(
        "nothing divided by nothing", _body(Undivided), "any_size", "NaN or infinity for an example without elements"
    ),
    Fault("padding enters a mean", _body(MorePooled), "padding_ignored", "padding changes the outputs"),
    Fault("the order matters", _network(Ordered), "order_ignored", "order of the elements changes"),
    Fault("a loss that is cut off from the outputs", Detached, "one_step_lowers_loss", "the loss went from"),
    Fault("a loss of the wrong sign", Maximising, "loss_has_a_floor", "something is maximised"),
    Fault("an unused parameter", _body(Forgetful), "every_parameter_learns", "body.forgotten.weight"),
    Fault("a tensor that isn't registered", _network(Unregistered), "state_round_trip", "the same weights differs"),
    Fault("a misspelt hyperparameter accepted", Lax, "unknown_hyperparameter_refused", "accepts no_such_option"),
    Fault("a misspelt option of the loss accepted", LaxLoss, "unknown_loss_option_refused", "accepts no_such_option"),
    Fault("a data set without its target", WithoutTarget, "dataset_fits", "label: got nothing"),
    Fault("a module without a rule", _body(Unruled), "rule_for_every_module", "'scale' of type OwnScale"),
    Fault("a gate of functions", _body(Gated), "rule_for_every_module", "the call sigmoid escapes the rules"),
    Fault("a rule that isn't the module's", _body(Misruled), "ledger_closes", "the ledger is open by"),
    Fault(
        "channels told at the wrong axis",
        _body(Mistold),
        "channels_can_go",
        r"without half of the channels that each\.\d, .* share, the outputs differ by \d",
    ),
    Fault(
        "a figure of columns that aren't there",
        DrawnElsewhere,
        "figures_are_drawn",
        r"the study raised ValueError: tuple.index.*\(faults.py, line \d+: ",
    ),
    Fault("a branch on a value", _network(Branching), "onnx_parity", "doesn't export to ONNX"),
    Fault("sums that threads lose", _body(Summed), "onnx_parity", r"index_add.*write scatter_add instead"),
    Fault("a rule that differs where it is recorded", _body(OtherRecorded), "explained_onnx_parity", "differ"),
)
