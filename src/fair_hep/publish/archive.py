"""One archive of a bundle: the same bytes whenever it is made from the same files."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from ..bundle.files import new_file

__all__ = ["write_archive"]

#: The oldest time that a zip file can tell.
_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MODE = 0o100644 << 16
_PIECE = 2**20


def write_archive(folder: Path, archive: Path) -> None:
    """Write all files of a folder into a zip file with one top folder, named like the archive.

    Names are sorted, times and modes are fixed: the archive of a bundle has one checksum.
    """
    with new_file(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(f"{archive.stem}/{path.relative_to(folder).as_posix()}", _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX
            entry.external_attr = _MODE
            entry.file_size = path.stat().st_size
            with path.open("rb") as stream, out.open(entry, "w") as into:
                shutil.copyfileobj(stream, into, _PIECE)
