"""The network of a configuration: as the recipe builds it, and as much smaller as pruning made it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ..bundle.errors import ConfigError
from ..bundle.strict import Strict, validate

if TYPE_CHECKING:
    from torch import nn

    from .contract import Model

__all__ = ["PRUNED", "Pruned", "build", "of_recipe", "pruned_of", "smaller", "widths_of"]

#: Under this key a configuration's ``model`` says what pruning left; all others belong to the recipe.
PRUNED = "pruned"


class Pruned(Strict):
    """What pruning left of a network; what isn't named is as the recipe builds it."""

    widths: dict[str, tuple[int, int]] = Field({}, description="channels that enter and leave a layer of the body")
    neighbours: dict[str, int] = Field({}, description="neighbours that a graph of the body finds")
    features: list[str] | None = Field(None, description="columns of the features that count, the others are 0")


def of_recipe(hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters that belong to the recipe."""
    return {name: value for name, value in hyperparameters.items() if name != PRUNED}


def pruned_of(hyperparameters: Mapping[str, Any]) -> Pruned:
    """Return what pruning left, as hyperparameters say it.

    Raises
    ------
    ConfigError
        If they say something else there.
    """
    return validate(Pruned, hyperparameters.get(PRUNED, {}), f"model.{PRUNED}")


def build(model: Model, hyperparameters: Mapping[str, Any]) -> nn.Module:
    """Build a network with random weights.

    Parameters
    ----------
    model
        The recipe.
    hyperparameters
        ``model`` of a configuration: what the recipe knows, and `Pruned`.

    Raises
    ------
    ConfigError
        If a hyperparameter is unknown or out of range, or something was pruned that the network hasn't got.
    """
    return smaller(model, model.build(**of_recipe(hyperparameters)), pruned_of(hyperparameters))


def smaller(model: Model, network: nn.Module, pruned: Pruned) -> nn.Module:
    """Return a network with less of everything that is named; layers that change get random weights.

    Raises
    ------
    ConfigError
        If the network hasn't got what is named, or not as much.
    """
    if pruned == Pruned():
        return network
    made = copy.deepcopy(network)
    body = made.get_submodule("body")
    for name, sizes in pruned.widths.items():
        _set_width(body, name, sizes)
    for name, count in pruned.neighbours.items():
        _set_neighbours(body, name, count)
    if pruned.features is not None:
        made.add_module("features", _counting(model, made.get_submodule("features"), pruned.features))
    return made


def widths_of(network: nn.Module, before: nn.Module) -> dict[str, tuple[int, int]]:
    """Return the channels of every layer of the body that has fewer than it had."""
    from ..nets.channels import layers_of, sizes_of

    body, full = network.get_submodule("body"), before.get_submodule("body")
    known = {name: sizes_of(layer) for name, layer in layers_of(body).items()}
    return {name: sizes for name, sizes in known.items() if sizes != sizes_of(full.get_submodule(name))}


def _layer(body: nn.Module, name: str, what: str) -> nn.Module:
    found = dict(body.named_modules()).get(name)
    if found is None:
        raise ConfigError(f"model.{PRUNED}.{what}: the network has no layer {name!r}")
    return found


def _set_width(body: nn.Module, name: str, sizes: tuple[int, int]) -> None:
    from ..bundle.errors import ModelError
    from ..nets.channels import resized

    try:
        made = resized(_layer(body, name, "widths"), sizes)
    except ModelError as error:
        raise ConfigError(f"model.{PRUNED}.widths.{name}: {error}") from error
    body.set_submodule(name, made)


def _set_neighbours(body: nn.Module, name: str, count: int) -> None:
    from ..nets.layers import Neighbours

    graph = _layer(body, name, "neighbours")
    if not isinstance(graph, Neighbours):
        known = ", ".join(place for place, layer in body.named_modules() if isinstance(layer, Neighbours)) or "none"
        raise ConfigError(
            f"model.{PRUNED}.neighbours.{name}: got {type(graph).__name__}; those that find neighbours are: {known}"
        )
    if not 1 <= count <= graph.k:
        raise ConfigError(f"model.{PRUNED}.neighbours.{name}: got {count}, expected 1 to {graph.k}")
    graph.k = count


def _counting(model: Model, features: nn.Module, names: Sequence[str]) -> nn.Module:
    from ..nets.layers import Counting

    columns = model.features.columns
    unknown = [name for name in names if name not in columns]
    if unknown or not names:
        told = ", ".join(unknown) or "none"
        raise ConfigError(f"model.{PRUNED}.features: got {told}, expected some of {', '.join(columns)}")
    return Counting(features, [name in names for name in columns])
