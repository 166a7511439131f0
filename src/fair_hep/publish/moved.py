"""The registry of a project that was copied or moved: MLflow keeps absolute addresses, and takes no others.

A copy would register into, and serve from, the folder of the original. So the addresses in the project's own SQLite
file follow the project.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..bundle.errors import ServiceError

__all__ = ["ARTIFACTS", "follow"]

#: Where the artifacts of the project's own registry lie.
ARTIFACTS = "mlartifacts"
#: Where MLflow keeps addresses of folders. What a later version adds is found by the test that copies a project.
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
#: Seconds to wait for another process of the project.
_PATIENCE = 30.0

log = logging.getLogger(__name__)


def follow(database: Path, experiment: str) -> None:
    """Let the addresses in a project's own registry lead to the folder that it lies in now.

    Parameters
    ----------
    database
        The SQLite file in the project's folder; nothing is done if it isn't there.
    experiment
        Name of the project's experiment, whose address says where the project was.

    Raises
    ------
    ServiceError
        If it can't be read, or holds registered models whose files weren't copied with it.
    """
    if not database.is_file():
        return
    try:
        with closing(sqlite3.connect(database, timeout=_PATIENCE)) as opened:
            before = _folder(opened, experiment)
            here = database.parent.resolve()
            if before is None or before == here:
                return
            if _registered(opened) and not (here / ARTIFACTS).is_dir():
                raise ServiceError(
                    f"{database.name} was copied from {before} without {ARTIFACTS}/, where its models are: copy that "
                    f"folder too, or remove {database.name} and `register` again"
                )
            with opened:
                for table, column in _ADDRESSES:
                    _move(opened, table, column, before, here)
    except sqlite3.Error as error:
        raise ServiceError(f"{database.name}: it can't be read as the project's registry ({error})") from error
    log.info("%s: this project was in %s before; its runs and models are found here now", database.name, before)


def _folder(opened: sqlite3.Connection, experiment: str) -> Path | None:
    """Return the folder of the project that made the registry; None if its artifacts lie somewhere of their own."""
    if not _columns(opened, "experiments"):
        return None
    found = opened.execute("SELECT artifact_location FROM experiments WHERE name = ?", (experiment,)).fetchone()
    location = urlsplit(found[0]) if found and found[0] else None
    if location is None or location.scheme != "file":
        return None
    path = Path(unquote(location.path))
    return path.parent if path.name == ARTIFACTS else None


def _registered(opened: sqlite3.Connection) -> bool:
    return bool(_columns(opened, "model_versions")) and bool(
        opened.execute("SELECT count(*) FROM model_versions").fetchone()[0]
    )


def _move(opened: sqlite3.Connection, table: str, column: str, before: Path, here: Path) -> None:
    """Replace the beginning of every address that lies in the old folder, as a path and as a file's address."""
    if column not in _columns(opened, table):
        return
    for old, new in ((str(before), str(here)), (before.as_uri(), here.as_uri())):
        opened.execute(
            # The names come from the table above, never from outside.
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR substr({column}, 1, ?) = ?",
            (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
        )


def _columns(opened: sqlite3.Connection, table: str) -> set[str]:
    return {str(row[1]) for row in opened.execute(f"PRAGMA table_info({table})")}
