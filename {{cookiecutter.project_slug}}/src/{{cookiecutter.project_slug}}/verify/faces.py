"""The four faces of a published model: PyTorch, ONNX Runtime, a running server, an image. Each gives what is stored."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .. import bundle, models
from ..bundle import Signature
from ..errors import BundleError
from ..stored import OWN, RELEVANCE, Arrays, Stored, own_answers
from .client import ask
from .engine import running

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Face", "faces", "load_network"]

#: What PyTorch's face needs.
TRAINED = ("torch", "safetensors")


@dataclass(frozen=True)
class Face:
    """Somebody who can be asked for the stored answers.

    Parameters
    ----------
    name
        Name in the table.
    answer
        Gives every stored output, and relevances if they are stored; raises a `ProjectError` if it can't.
    absent
        Why it isn't asked; empty if it is.
    """

    name: str
    answer: Callable[[Stored], Arrays]
    absent: str = ""


def faces(url: str | None = None, image: str | None = None, *, foreign: bool = False) -> tuple[Face, ...]:
    """Return all faces.

    Parameters
    ----------
    url
        Address of a server that runs; None: it isn't asked.
    image
        Name of an image to start; None: it isn't asked.
    foreign
        Whether the bundle holds a graph of others, which isn't there in PyTorch.
    """
    absent = "" if all(map(importlib.util.find_spec, TRAINED)) else "not installed, not tried"
    return (
        Face("PyTorch", _pytorch, "no weights apart from the graph, not tried" if foreign else absent),
        Face(OWN, _onnxruntime),
        Face("server", partial(_server, url or ""), "" if url else "not asked (--url URL)"),
        Face("image", partial(_image, image or ""), "" if image else "not asked (--image NAME)"),
    )


def load_network(folder: Path, signature: Signature) -> nn.Module:
    """Build the network of a bundle again from its weights, in evaluation mode.

    Raises
    ------
    BundleError
        If the weights don't fit.
    """
    from safetensors.torch import load_file

    network = models.get(signature.model).build(**signature.hyperparameters)
    try:
        network.load_state_dict(load_file(folder / bundle.WEIGHTS))
    except RuntimeError as error:
        line = " ".join(str(error).split())[:200]
        raise BundleError(f"{bundle.WEIGHTS}: doesn't fit {signature.model}: {line}") from error
    return network.eval()


def _pytorch(stored: Stored) -> Arrays:
    from ..export.graph import Published
    from ..export.parity import forward
    from ..export.relevance import relevances

    network = load_network(stored.folder, stored.signature)
    outputs, _ = forward(Published(models.get(stored.signature.model), network).eval(), stored.inputs)
    given = {spec.name: value for spec, value in zip(stored.signature.outputs, outputs, strict=True)}
    if stored.examples.relevance is not None:
        given[RELEVANCE], _ = relevances(network, stored.signature, stored.inputs, stored.examples.relevance)
    return given


def _onnxruntime(stored: Stored) -> Arrays:
    from ..runtime import load

    return own_answers(load(stored.folder), stored)


def _server(url: str, stored: Stored) -> Arrays:
    return ask(url, stored)


def _image(name: str, stored: Stored) -> Arrays:
    with running(name) as url:
        return ask(url, stored)
