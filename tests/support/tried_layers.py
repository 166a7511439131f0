"""Which layers of torch and of PyTorch Geometric can be explained, found by trying each that there is.

``PYTHONPATH=src:tests python -m support.tried_layers`` writes ``docs/reference/layers.md`` and prints what
`fair_hep.check.layers` has to hold.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from fair_hep.lrp import Explainer
from support.template import ROOT

__all__ = ["PAGE", "page", "tried_pyg", "tried_torch"]

PAGE = ROOT / "docs" / "reference" / "layers.md"
#: Ways to make a layer, tried in turn, and shapes of what it is given.
_MADE: tuple[tuple[Any, ...], ...] = ((), (4,), (4, 4), (4, 4, 1), (2,), (1,), (2, 4), (1, 4), (4, 2), (1, (2, 2)))
_SHAPES = ((3, 4), (3, 4, 6), (3, 4, 6, 6), (3, 4, 4, 4, 4))
_GRAPH: tuple[tuple[tuple[Any, ...], dict[str, Any]], ...] = tuple(
    (args, options)
    for args, options in product(
        ((4, 4), (4, 4, 2), (4,), (nn.Linear(4, 4),), (nn.Linear(8, 4),), (4, 4, 2, 2, 3), (2,), (1, 0.5), ()),
        ({}, {"heads": 1, "add_self_loops": False}),
    )
)  # fmt: skip
#: How closely the account has to close, in double precision.
_CLOSED = 1e-8


def tried_torch() -> list[str]:
    """Return the leaf modules of ``torch.nn`` that can be explained: an account that closes, nothing refused."""
    kinds = [kind for name, kind in vars(nn).items() if inspect.isclass(kind) and issubclass(kind, nn.Module)]
    leaves = [kind for kind in kinds if kind.__module__.startswith("torch.nn.modules") and "Loss" not in kind.__name__]
    # A lazy layer becomes its plain one in the first pass.
    plain = [kind for kind in leaves if not kind.__name__.startswith("Lazy")]
    return sorted({kind.__name__ for kind in plain if _any(_torch_trials(kind))})


def tried_pyg() -> list[str]:
    """Return the message-passing layers of PyTorch Geometric that can be explained on plain graphs."""
    from torch_geometric.nn import conv

    found = [getattr(conv, name) for name in conv.__all__ if name != "MessagePassing"]
    kinds = [kind for kind in found if inspect.isclass(kind) and issubclass(kind, nn.Module)]
    return sorted({kind.__name__ for kind in kinds if _any(_graph_trials(kind))})


def _torch_trials(kind: type[nn.Module]) -> Iterator[Callable[[], float]]:
    for args, shape in product(_MADE, _SHAPES):
        yield lambda args=args, shape=shape: _error(kind(*args), torch.rand(shape))  # type: ignore[misc]


def _graph_trials(kind: type[nn.Module]) -> Iterator[Callable[[], float]]:
    edges = torch.tensor([[0, 1, 2, 3, 4, 0, 2], [1, 2, 3, 4, 0, 2, 4]])
    for args, options in _GRAPH:
        yield lambda args=args, options=options: _error(  # type: ignore[misc]
            kind(*args, **options), torch.rand(5, 4), edges
        )


def _error(layer: nn.Module, values: Tensor, *context: Tensor) -> float:
    """Explain some combination of what a layer gives, and return how far the account is open."""
    layer, values = layer.double().eval(), values.double() + 0.1
    with torch.no_grad():
        output = layer(values, *context)
    if not isinstance(output, Tensor) or output.shape[0] != len(values) or not output.is_floating_point():
        raise TypeError("no plain output")
    # Nodes of a graph are one sample; rows of a plain layer are several.
    weights = torch.rand(output.numel() if context else output[0].numel(), dtype=torch.float64)
    with Explainer(layer, "epsilon", groups=1) if context else Explainer(layer, "epsilon") as explainer:
        found = explainer(values, *context, target=weights)
    return float(found.error.abs().max())


def _any(trials: Iterator[Callable[[], float]]) -> bool:
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        for trial in trials:
            try:
                if trial() < _CLOSED:
                    return True
            except Exception:  # what can't be made or explained in one way is tried in another
                continue
    return False


def page(torch_layers: tuple[str, ...], pyg_layers: tuple[str, ...]) -> str:
    """Return the page of the documents."""

    def listed(names: tuple[str, ...]) -> str:
        return ", ".join(f"`{name}`" for name in names)

    return f"""# Layers that can be explained

Each of these was tried on its own, with random weights, in double precision: the rules `epsilon` explain it, and
relevance and ledger sum to what is explained. Functions of activations between layers (a sigmoid as a gate, a product
of two activations) are refused by name, as is a layer that isn't here; `fair_hep.lrp.register`, `register_linear` and
`register_held` add rules ([replace anything](../how-tos/replace-anything.md)). Losses, recurrent networks and layers
that answer with several tensors aren't here.

## torch.nn ({len(torch_layers)})

{listed(torch_layers)}

## torch_geometric.nn.conv ({len(pyg_layers)})

On graphs without edge features, with self-loops left to the caller where a layer offers that:

{listed(pyg_layers)}
"""


if __name__ == "__main__":
    found = tuple(tried_torch()), tuple(tried_pyg())
    print("\n".join(map(str, found)))
    PAGE.write_text(page(*found), encoding="utf-8")
