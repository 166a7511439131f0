"""The four faces of a published model: PyTorch, ONNX Runtime, a running server, an image. Each gives what is stored."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .. import bundle
from ..bundle import Signature
from ..bundle.errors import BundleError
from ..bundle.stored import OWN, RELEVANCE, Arrays, Stored
from ..models.building import build
from ..models.contract import Model
from .client import ask
from .container import running

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


def faces(model: Model | None, url: str | None = None, image: str | None = None) -> tuple[Face, ...]:
    """Return all faces.

    Parameters
    ----------
    model
        The recipe that builds the network in PyTorch; None: a third-party graph, which isn't there in PyTorch.
    url
        Address of a server that runs; None: it isn't asked.
    image
        Name of an image to start; None: it isn't asked.
    """
    absent = "" if all(map(importlib.util.find_spec, TRAINED)) else "not installed, not tried"
    if model is None:
        absent = "no weights apart from the graph, not tried"
    return (
        Face("PyTorch", partial(_pytorch, model), absent),
        Face(OWN, _onnxruntime),
        Face("server", partial(_server, url or ""), "" if url else "not asked (--url URL)"),
        Face("image", partial(_image, image or ""), "" if image else "not asked (--image NAME)"),
    )


def load_network(folder: Path, signature: Signature, model: Model) -> nn.Module:
    """Build the network of a bundle again from its weights, in evaluation mode.

    Raises
    ------
    BundleError
        If the weights don't fit.
    """
    from safetensors.torch import load_file

    network = build(model, signature.hyperparameters)
    try:
        network.load_state_dict(load_file(folder / bundle.WEIGHTS))
    except RuntimeError as error:
        line = " ".join(str(error).split())[:200]
        raise BundleError(f"{bundle.WEIGHTS}: doesn't fit {signature.model}: {line}") from error
    return network.eval()


def _pytorch(model: Model | None, stored: Stored) -> Arrays:
    from ..tracing.graph import Published
    from .parity import forward
    from .relevance import relevances

    assert model is not None  # else this face is absent
    network = load_network(stored.folder, stored.signature, model)
    outputs, _ = forward(Published(model, network, stored.signature.temperature).eval(), stored.inputs)
    given = {spec.name: value for spec, value in zip(stored.signature.outputs, outputs, strict=True)}
    if stored.examples.relevance is not None:
        given[RELEVANCE], _ = relevances(network, stored.signature, stored.inputs, stored.examples.relevance)
    return given


def _onnxruntime(stored: Stored) -> Arrays:
    from ..bundle.runtime import load

    return load(stored.folder).answers(stored)


def _server(url: str, stored: Stored) -> Arrays:
    return ask(url, stored)


def _image(name: str, stored: Stored) -> Arrays:
    with running(name) as url:
        return ask(url, stored)
