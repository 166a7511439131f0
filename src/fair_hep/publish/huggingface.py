"""Send a copy of the bundle to the Hugging Face Hub with its own client, as one commit."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Any

from ..bundle.errors import ConfigError, ServiceError
from ..bundle.extras import source
from ..bundle.http import readable
from ..provenance.project import Project

__all__ = ["ENDPOINT", "run"]

ENDPOINT = "https://huggingface.co"
TOKEN = "HF_TOKEN"
_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


def run(project: Project, to: str | None, *, send: bool) -> dict[str, Any]:
    """Say what would be sent; send it with ``send``. The model card's head is what the Hub reads.

    The token is ``HF_TOKEN``, or what ``hf auth login`` keeps; ``HF_ENDPOINT`` names another Hub.

    Parameters
    ----------
    project
        Whose bundle it is.
    to
        Name of the repository, ``USER/NAME``; it is made if it isn't there.
    send
        Send it.

    Raises
    ------
    ConfigError
        If the name can't be one of a repository.
    ServiceError
        If the client isn't installed, there is no token, or the Hub refuses.
    """
    if _NAME.fullmatch(to or "") is None:
        raise ConfigError(f"--to: got {to!r}, expected the name of a repository, for example ada/{project.slug}")
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or ENDPOINT
    files = {path.relative_to(project.bundle).as_posix(): path.stat().st_size for path in _files(project.bundle)}
    result: dict[str, Any] = {
        "repository": f"{endpoint}/{to}",
        "files": files,
        "bytes": sum(files.values()),
        "sent": send,
    }
    lines = [f"{name}: {readable(size)}" for name, size in files.items()]
    total = f"{len(files)} files of {readable(result['bytes'])}"
    if not send:
        head = f"would send {total} to {result['repository']}, in one commit:"
        return {"headline": [head, *lines, "next: the same with --send"], **result}
    commit = _send(project, str(to), endpoint)
    return {"headline": [f"sent {total} to {result['repository']}", f"commit: {commit}"], **result, "commit": commit}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _send(project: Project, to: str, endpoint: str) -> str:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ServiceError(f"huggingface_hub is missing: {source('publish')}")
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError

    token = get_token()
    if not token:
        raise ServiceError(f"{TOKEN} is not set: make a token that may write at {endpoint}, and export it")
    hub = HfApi(endpoint=endpoint, token=token)
    doi = f" ({project.doi})" if project.doi else ""
    try:
        hub.create_repo(to, repo_type="model", exist_ok=True)
        made = hub.upload_folder(
            repo_id=to,
            folder_path=project.bundle,
            commit_message=f"Version {project.version}{doi}",
            # What an earlier version held and this one doesn't is taken out: the copy is the bundle.
            delete_patterns="*",
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        line = " ".join(str(error).split()).replace(token, "***")[:200]
        raise ServiceError(f"{endpoint}/{to}: not sent: {line}") from error
    return str(made.commit_url)
