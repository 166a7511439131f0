"""The published site: every version in a folder of its own, and in every page links to the others.

``python docs/building/versions.py OUTPUT latest=FOLDER site-v0.2.0.zip ...`` takes the pages that were built last and
the archives that releases carry. Nothing is built again: what an old version said stays as it was, links apart.
"""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]

#: Where links go, as the theme leaves it.
PLACE = '<nav class="versions" aria-label="Versions"></nav>'
_ARCHIVE = re.compile(r"site-(v\d+\.\d+\.\d+)\.zip")
_LATEST = "latest"


def main(arguments: Sequence[str]) -> None:
    """Write the site.

    Parameters
    ----------
    arguments
        Folder to write, which mustn't be there yet; ``latest=FOLDER``; archives of releases.

    Raises
    ------
    SystemExit
        If an argument isn't what it should be: one line.
    """
    if len(arguments) < 2 or not arguments[1].startswith(f"{_LATEST}="):
        raise SystemExit(f"got {' '.join(arguments)!r}, expected OUTPUT {_LATEST}=FOLDER [site-vX.Y.Z.zip ...]")
    output = Path(arguments[0])
    if output.exists():
        raise SystemExit(f"{output}: is there already; remove it, or choose another folder")
    archives = {_name(Path(path)): Path(path) for path in arguments[2:]}
    shutil.copytree(arguments[1].removeprefix(f"{_LATEST}="), output / _LATEST)
    for name, archive in archives.items():
        _unpack(archive, output / name)
    names = [_LATEST, *sorted(archives, key=_order, reverse=True)]
    for name in names:
        for page in (output / name).rglob("*.html"):
            _link(page, output, name, names)
    (output / "index.html").write_text(_front(names[1] if archives else _LATEST), encoding="utf-8")
    # The pages are served as they are: nothing of Jekyll's, which leaves out folders that begin with an underscore.
    (output / ".nojekyll").touch()


def _name(archive: Path) -> str:
    found = _ARCHIVE.fullmatch(archive.name)
    if found is None:
        raise SystemExit(f"{archive.name}: expected the name site-vX.Y.Z.zip")
    return found[1]


def _order(name: str) -> list[int]:
    return [int(number) for number in name[1:].split(".")]


def _unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        outside = [name for name in opened.namelist() if name.startswith("/") or ".." in Path(name).parts]
        if outside or "index.html" not in opened.namelist():
            wrong = outside[0] if outside else "there is no index.html"
            raise SystemExit(f"{archive.name}: {wrong}: not a site of ours")
        opened.extractall(folder)


def _link(page: Path, output: Path, name: str, names: Sequence[str]) -> None:
    """Fill the place for links in a page: its own version by name, the others as links."""
    text = page.read_text(encoding="utf-8")
    up = "../" * (len(page.relative_to(output).parts) - 1)
    links = {other: f'<li><a href="{up}{other}/index.html">{other}</a></li>' for other in names}
    items = "".join({**links, name: f'<li aria-current="true">{name}</li>'}.values())
    page.write_text(text.replace(PLACE, PLACE.replace("></nav>", f"><ul>{items}</ul></nav>")), encoding="utf-8")


def _front(name: str) -> str:
    """Return the page that leads to a version."""
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>cookiecutter-fair-hep</title>\n'
        f'<meta http-equiv="refresh" content="0; url={name}/index.html"></head>\n'
        f'<body><p><a href="{name}/index.html">cookiecutter-fair-hep, {name}</a></p></body>\n</html>\n'
    )


if __name__ == "__main__":
    main(sys.argv[1:])
