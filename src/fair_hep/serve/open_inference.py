"""The addresses of the Open Inference Protocol (KServe v2): all bundles of a server, each graph a model of its own.

``NAME`` scores, ``NAME_explained`` explains: the protocol has no word for it, and needs none. REST only; a server of
Triton (`publish triton`) has the same models over gRPC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..bundle.errors import DataError
from ..bundle.slug import EXPLAINED_SUFFIX, slug_of
from .asked import HEADER
from .face import Face
from .health import Health
from .inference import Inference
from .limits import Limits
from .openapi_v2 import PREFIX, described
from .refusal import Refusal
from .service import Service

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

__all__ = ["PREFIX", "OpenInference"]


class OpenInference:
    """All models of a server, by name and version.

    Parameters
    ----------
    services
        The bundles.
    health
        Whether they answer rightly.

    Raises
    ------
    DataError
        If two models have one name and one version.
    """

    def __init__(self, services: Sequence[Service], health: Health) -> None:
        self.health = health
        self.models: dict[str, dict[str, tuple[Face, Service]]] = {}
        for service in services:
            known, name = service.model.signature, slug_of(service.model.folder)
            self._add(Face(name, known.version, known, False), service)
            if known.explained is not None:
                self._add(Face(name + EXPLAINED_SUFFIX, known.version, known, True), service)

    def _add(self, face: Face, service: Service) -> None:
        versions = self.models.setdefault(face.name, {})
        if face.version in versions:
            raise DataError(
                f"{service.model.folder.name}: got {face.name} {face.version} a second time, expected each version "
                "of a model once: leave one out"
            )
        versions[face.version] = face, service

    def newest(self, name: str) -> str:
        """Return the version that answers where none is asked for."""
        return max(self.models[name], key=_order)

    def routes(self) -> list[Route]:
        """Return all addresses."""
        from starlette.routing import Route

        found = [
            Route(PREFIX, self._server),
            Route(f"{PREFIX}/health/live", self._live),
            Route(f"{PREFIX}/health/ready", self._ready),
        ]
        for model in (f"{PREFIX}/models/{{name}}", f"{PREFIX}/models/{{name}}/versions/{{version}}"):
            found += [
                Route(model, self._metadata),
                Route(f"{model}/ready", self._model_ready),
                Route(f"{model}/infer", self._infer, methods=["POST"]),
            ]
        return found

    def described(self, limits: Limits, *, token: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return paths and schemas for the document of OpenAPI."""
        return described({name: list(some) for name, some in self.models.items()}, limits, token=token)

    def _asked(self, request: Request) -> tuple[Face, Service]:
        """Return the model that an address names; the log and the metrics have it by its kind, not by its words."""
        route = request.scope["path"].rpartition("/")[2]
        request.state.endpoint = f"{PREFIX}/models/{route if route in ('infer', 'ready') else 'metadata'}"
        name, wanted = request.path_params["name"], request.path_params.get("version")
        versions = self.models.get(name)
        if versions is None:
            raise Refusal(404, f"model: got {name[:60]!r}, expected {', '.join(self.models)}", "address")
        if wanted is not None and wanted not in versions:
            raise Refusal(404, f"version of {name}: got {wanted[:60]!r}, expected {', '.join(versions)}", "address")
        return versions[wanted or self.newest(name)]

    async def _server(self, request: Request) -> Response:
        from .. import __version__

        return _json({"name": "fair-hep", "version": __version__, "extensions": ["binary_tensor_data"]})

    async def _live(self, request: Request) -> Response:
        return _json({"live": True})

    async def _ready(self, request: Request) -> Response:
        self.health.check()
        return _json({"ready": True})

    async def _model_ready(self, request: Request) -> Response:
        face, _ = self._asked(request)
        self.health.check()
        return _json({"name": face.name, "ready": True})

    async def _metadata(self, request: Request) -> Response:
        face, _ = self._asked(request)
        return _json(face.metadata(sorted(self.models[face.name], key=_order)))

    async def _infer(self, request: Request) -> Response:
        face, service = self._asked(request)
        if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
            raise Refusal(415, f"Content-Encoding: got {encoding[:60]}, expected a body as it is", "wrong")
        given = request.headers.get(HEADER)
        if given is not None and not (given.isascii() and given.isdecimal() and len(given) < 16):
            raise DataError(f"{HEADER}: got {given[:60]!r}, expected a number of bytes")
        json_bytes = None if given is None else int(given)

        def read(body: bytearray, check: Callable[[], None]) -> Inference:
            return Inference(body, json_bytes, face, service.limits, check)

        return await service.answer(request, read)


def _order(version: str) -> tuple[tuple[int, ...], str]:
    """Order versions by their numbers; what isn't numbers comes first, and in the order of its letters."""
    parts = version.split(".")
    return (tuple(map(int, parts)) if all(one.isdecimal() for one in parts) else (), version)


def _json(value: Any) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(value)
