"""The same relevances from captum and zennit, where those can be set up rightly.

Both work on modules and know neither batch norm in one dimension nor gathers, so they get a network on sets that is
written for them: every linear map a module, no batch norm, the mean a pooling module.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from top_tagger.network import ParticleNet
from torch import Tensor, nn

from fair_hep.lrp import Composite, explain
from fair_hep.lrp.rules import AlphaBeta, Epsilon, Gamma, Rule, ZPlus
from fair_hep.models.synthetic import jets
from support import needs

Require = Callable[[object, str], None]


def set_network() -> nn.Sequential:
    """Return a network on sets ``[sets, features, elements]``: convolutions of width one, the mean, linear layers."""
    torch.manual_seed(0)
    layers = [nn.Conv1d(4, 16, 1), nn.ReLU(), nn.Conv1d(16, 16, 1), nn.ReLU(), nn.AvgPool1d(6), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 2)).double().eval()


def sets(*, positive: bool = False) -> Tensor:
    values = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return values.abs() if positive else values


def difference(one: Tensor, other: Tensor) -> float:
    assert bool(other.abs().max() > 0)
    return float((one - other).abs().max() / other.abs().max())


def test_gradient_times_input_of_captum_is_the_epsilon_rule_without_epsilon() -> None:
    needs.require(importlib.util.find_spec("captum"), "captum isn't installed: make peers")
    from captum.attr import InputXGradient

    torch.manual_seed(0)
    network = ParticleNet("lite").double().eval()
    features, points, mask = network.features(jets(4, 3)["particles"].double())

    def forward(values: Tensor) -> Tensor:
        logits = network.body(values, points, mask)
        result: Tensor = logits[:, 1] - logits[:, 0]
        return result

    theirs = InputXGradient(forward).attribute(features.requires_grad_(True)).detach()
    ours = explain(network.body, (features.detach(), points, mask), [-1.0, 1.0], epsilon=0.0).relevance
    assert difference(ours, theirs) < 1e-12


def test_epsilon_rule_of_captum() -> None:
    needs.require(importlib.util.find_spec("captum"), "captum isn't installed: make peers")
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    network, epsilon = set_network(), 1e-4
    for module in network:
        # captum has rules for modules of its own list only, and none for convolutions in one dimension.
        module.rule = EpsilonRule(1e-14 if isinstance(module, nn.AvgPool1d | nn.Flatten) else epsilon)
    theirs = LRP(network).attribute(sets().requires_grad_(True), target=1).detach()
    ours = explain(set_network(), sets(), 1, epsilon=epsilon).relevance
    # captum's stabiliser is epsilon sign(z) as ours, but it gives pooling one, too: 1e-14 here.
    assert difference(ours, theirs) < 1e-9


@pytest.fixture
def zennit(monkeypatch: pytest.MonkeyPatch, require: Require) -> Any:
    require(importlib.util.find_spec("zennit"), "zennit isn't installed: make peers")
    if importlib.util.find_spec("torchvision") is None:
        # zennit imports torchvision for two kinds of networks; installing it would replace torch.
        resnet, models, whole = (types.ModuleType(f"torchvision{end}") for end in (".models.resnet", ".models", ""))
        resnet.Bottleneck = resnet.BasicBlock = type("Absent", (nn.Module,), {})  # type: ignore[attr-defined]
        for module in (resnet, models, whole):
            monkeypatch.setitem(sys.modules, module.__name__, module)
    for part in ("attribution", "composites", "rules"):
        importlib.import_module(f"zennit.{part}")
    return importlib.import_module("zennit")


EPSILON = 1e-6
PAIRS: dict[str, tuple[Rule, Callable[[Any], Any], bool]] = {
    "epsilon": (Epsilon(), lambda rules: rules.Epsilon(epsilon=EPSILON), False),
    "gamma": (Gamma(gamma=0.25), lambda rules: rules.Gamma(gamma=0.25, stabilizer=EPSILON), True),
    "plus": (ZPlus(), lambda rules: rules.ZPlus(stabilizer=EPSILON), True),
    "alpha2-beta1": (AlphaBeta(), lambda rules: rules.AlphaBeta(alpha=2, beta=1, stabilizer=EPSILON), True),
}


@pytest.mark.parametrize("name", PAIRS)
def test_rules_of_zennit(name: str, zennit: Any) -> None:
    ours, theirs, positive = PAIRS[name]
    network, values = set_network(), sets(positive=positive)
    linear = (nn.Conv1d, nn.Linear)
    layers = [
        (linear, theirs(zennit.rules)),
        (nn.ReLU, zennit.rules.Pass()),
        (nn.AvgPool1d, zennit.rules.Norm(stabilizer=1e-14)),
    ]
    composite = zennit.composites.LayerMapComposite(layers)
    target = torch.eye(2, dtype=torch.float64)[[1, 1, 1]]
    start = values.clone().requires_grad_(True)
    with zennit.attribution.Gradient(model=network, composite=composite) as attributor:
        output, found = attributor(start, lambda outputs: outputs.detach() * target)
    wanted = explain(set_network(), values, 1, composite=Composite(name, ours, ours, ours), epsilon=EPSILON).relevance
    assert torch.allclose(output, network(values))
    # zennit's pooling has a stabiliser of its own, which ours (a plain mean) has not: 1e-14 here.
    assert difference(wanted, found) < 1e-9
