"""Push the image of a bundle to Docker Hub, or to another registry, with the engine's own client."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import Any

from ..bundle.errors import MissingStepError, ServiceError
from ..bundle.http import readable
from ..provenance.project import Project
from .image_name import host_of_image, image_name

__all__ = ["run"]

_LOOPBACK = re.compile(r"(127\.\d+\.\d+\.\d+|localhost)(:\d+)?")


def run(project: Project, to: str | None, *, send: bool) -> dict[str, Any]:
    """Say which image would be pushed; push it with ``send``.

    The engine is ``ENGINE``, else docker, else podman; who pushes is known to it by ``docker login``.

    Parameters
    ----------
    project
        Whose image it is: ``make image`` built it with the project's version as its tag.
    to
        Name of the image without a tag, for example ``ada/top_tagger``.
    send
        Push it.

    Raises
    ------
    ConfigError
        If the name can't be one of an image.
    MissingStepError
        If there is no such image.
    ServiceError
        If there is no engine, the image is of another version, or the registry refuses.
    """
    image = image_name(to, project)
    engine = _engine()
    found = _image(engine, image)
    version = (found.get("Config", {}).get("Labels") or {}).get("org.opencontainers.image.version")
    if version != project.version:
        raise ServiceError(
            f"{image}: its label says version {version}, project.yaml {project.version}: `make image` again"
        )
    # docker takes a registry of this machine without encryption; podman wants to be told.
    plain = ["--tls-verify=false"] if _is_podman(engine) and _LOOPBACK.fullmatch(host_of_image(image)) else []
    command = [engine, "push", *plain, image]
    result = {
        "image": image,
        "id": found["Id"].removeprefix("sha256:"),
        "bytes": found["Size"],
        "layers": len(found.get("RootFS", {}).get("Layers", [])),
        "command": command,
        "sent": send,
    }
    line = f"{image}: {readable(result['bytes'])} in {result['layers']} layers, made {found['Created'][:10]}"
    if not send:
        todo = [f"would run: {' '.join(command)}", "next: the same with --send (`docker login` says who you are)"]
        return {"headline": [line, *todo], **result}
    _run(command, f"{image}: not pushed; are you logged in (`{engine} login`)?")
    return {"headline": [line, f"pushed; anybody can run it: {engine} run --publish 8080:8080 {image}"], **result}


def _engine() -> str:
    wanted = os.environ.get("ENGINE")
    engine = next((name for name in ([wanted] if wanted else ["docker", "podman"]) if shutil.which(name)), None)
    if engine is None:
        raise ServiceError(f"{wanted or 'docker or podman'} isn't installed: install one, or name it in ENGINE")
    return engine


def _is_podman(engine: str) -> bool:
    return "podman" in _run([engine, "--version"], f"{engine} doesn't start").lower()


def _image(engine: str, image: str) -> dict[str, Any]:
    done = subprocess.run([engine, "image", "inspect", image], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        host, namespace = host_of_image(image), "/".join(image.split("/")[1:-1])
        raise MissingStepError(f"the image {image}", f"make image REGISTRY={host} NAMESPACE={namespace}")
    (found,) = json.loads(done.stdout)
    values: dict[str, Any] = found
    return values


def _run(command: list[str], problem: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-200:]
        raise ServiceError(f"{problem} {said}")
    return done.stdout
