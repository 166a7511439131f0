"""Records of Zenodo: zenodo-get finds the record of a DOI, the record says what its files must be.

zenodo-get (AGPL-3.0) runs as a program of its own and is never imported. It resolves the DOI and lists the addresses of
the files; sizes, checksums, title and licence come from the record that these addresses belong to.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from ..bundle.archive_record import Record
from ..bundle.errors import DataError
from ..bundle.extras import source
from ..bundle.zenodo_record import HOSTS, check_link, number_of, read_record
from .web import Client, Patience

__all__ = ["find_record", "token"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def token() -> str | None:
    """Return ``ZENODO_TOKEN``.

    Raises
    ------
    DataError
        If it holds what no token can be.
    """
    value = os.environ.get("ZENODO_TOKEN", "").strip()
    if value and not re.fullmatch(r"[\x21-\x7e]+", value):
        raise DataError("ZENODO_TOKEN: holds a blank or a character that no token has; copy it again")
    return value or None


def find_record(client: Client, doi: str, *, direct: bool) -> Record:
    """Find the record of a DOI; with ``direct``, ask for the number in it, without zenodo-get.

    Raises
    ------
    DataError
        If the DOI isn't known, leads to something else, or the record can't be read or points to another host.
    """
    host = HOSTS.get(doi.partition("/")[0], "zenodo.org")
    return read_record(client, doi, number_of(doi) if direct else _ask_zenodo_get(doi, host, client.patience))


def _ask_zenodo_get(doi: str, host: str, patience: Patience) -> str:
    """Return the number of the record to which zenodo-get resolves a DOI."""
    if importlib.util.find_spec("zenodo_get") is None:
        raise DataError(f"zenodo-get is missing: {source('train')}")
    wanted = ["-d", doi] if host == "zenodo.org" else ["-s", "-r", number_of(doi)]
    command = [
        sys.executable, "-P", "-m", "zenodo_get", *wanted, "-w", "links.txt", "-v", "1", "-t", f"{patience.timeout:g}",
        "--max-http-retries", str(patience.tries - 1), "--backoff-factor", f"{patience.first_wait:g}",
    ]  # fmt: skip
    longest = 2 * patience.tries * (patience.timeout + 120)
    with tempfile.TemporaryDirectory(prefix="zenodo-get-") as folder:
        # The program names files by what the record says, so it gets a folder of its own, and only lists.
        try:
            done = subprocess.run(
                [*command, "-o", folder], cwd=folder, env=_environment(), capture_output=True, text=True, check=False,
                errors="replace", timeout=longest,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DataError(f"DOI {doi}: zenodo-get doesn't end or start: {error}; try again later") from error
        listed = Path(folder) / "links.txt"
        links = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    if done.returncode != 0 or not links:
        raise DataError(f"DOI {doi}: {_reason(done.stdout + done.stderr)}")
    return check_link(links[0], host, doi)


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "ZENODO_TOKEN"} | {"NO_COLOR": "1"}


def _reason(output: str) -> str:
    """Say in our words why zenodo-get stopped."""
    lines = [line.strip() for line in _COLOUR.sub("", output).splitlines() if line.strip()] or ["it says nothing"]
    errors = [line.partition("ERROR: ")[2] for line in lines if "ERROR: " in line]
    said = " ".join((errors or lines)[-1].split())
    if status := re.search(r"HTTP error (resolving|fetching)[^:]*.*?: (\d{3}) - ", said):
        host = "doi.org" if status[1] == "resolving" else "zenodo.org"
        meaning = {
            "403": "it is restricted, or this address is blocked for a while; set ZENODO_TOKEN, or try again later",
            "404": "unknown there; check the DOI, which must be one of Zenodo",
            "410": "the record was withdrawn",
        }.get(status[2], "busy or down; try again later")
        return f"{host} answered {status[2]}: {meaning}"
    if said.startswith("Timeout"):
        return "no answer in time; check the network, or try again later"
    if said.startswith(("Error resolving", "Error fetching")):
        return "no connection to doi.org and zenodo.org; check the network and HTTPS_PROXY"
    if "No files found" in said:
        return "the record shows no files; if they are restricted, set ZENODO_TOKEN"
    return f"zenodo-get can't read the record ({said[:160]}); try again later"
