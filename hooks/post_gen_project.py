"""Keep the chosen recipe, pack the library into one wheel that the project depends on, and say what comes next."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NEXT = """
A project of {model} is in {slug}/. Next:

    cd {slug}
    make install    # once; an environment in .venv, with PyTorch
    make quick      # data, train, evaluate, explain, export, verify, register: minutes, offline

Then read README.md: use it, explain it, reproduce it, change it, publish it.
"""
# Where the library lies in the template's repository, and what its wheel is made of besides: vendor/ links there.
SOURCE = "src/fair_hep"
SETTINGS, LICENSE = "pyproject.toml", "LICENSE"
LINKS = {"fair_hep": SOURCE, SETTINGS: SETTINGS, LICENSE: LICENSE}
# What stands in the template's pyproject.toml for the name of the wheel and its checksum.
PLACEHOLDER = "fair_hep.whl#sha256=0"
WHEEL = "Wheel-Version: 1.0\nGenerator: cookiecutter-fair-hep\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class BrokenError(Exception):
    """The template isn't whole: one line for whoever generates a project."""


# --- the recipe -----------------------------------------------------------------------------------------------------


def remove_caches(project: Path) -> None:
    """Remove what tools may have left in the template's folder: cookiecutter copies all that lies there."""
    for cache in [*project.rglob("__pycache__"), *project.rglob(".*_cache")]:
        shutil.rmtree(cache)


def keep_recipe(project: Path, model: str, slug: str) -> None:
    """Make the chosen recipe the project's package; its configurations, sample and tests come to the top."""
    recipe, package = project / "recipes" / model, project / "src" / slug
    for folder in ("configs", "sample"):
        shutil.move(recipe / folder, project / folder)
    for test in sorted((recipe / "tests").glob("*.py")):
        shutil.move(test, project / "tests" / test.name)
    shutil.rmtree(recipe / "tests", ignore_errors=True)
    package.parent.mkdir(exist_ok=True)
    shutil.move(recipe, package)
    shutil.rmtree(project / "recipes")


# --- the library ----------------------------------------------------------------------------------------------------


def pack_library(project: Path, repository: Path | None) -> None:
    """Pack the copy of the library in ``vendor/`` into a wheel, and refer to that by its checksum.

    Parameters
    ----------
    project
        The generated project.
    repository
        Folder of the template, if it is known: where it is a checkout of git, only what git tracks gets in.
    """
    vendor = project / "vendor"
    require_whole(vendor)
    name, content = wheel(
        library_files(vendor / "fair_hep", repository),
        tomllib.loads((vendor / SETTINGS).read_text(encoding="utf-8"))["project"],
        (vendor / LICENSE).read_bytes(),
    )
    shutil.rmtree(vendor)
    vendor.mkdir()
    (vendor / name).write_bytes(content)
    refer(project / SETTINGS, f"{name}#sha256={hashlib.sha256(content).hexdigest()}")


def require_whole(vendor: Path) -> None:
    """Refuse a template whose links to the library weren't followed, in one line."""
    for name, target in LINKS.items():
        path = vendor / name
        got = "a text file that holds a path" if is_path(path) else "a file" if path.is_file() else "nothing"
        if not (path.is_dir() if target == SOURCE else got == "a file"):
            raise BrokenError(
                f"vendor/{name} of the template: got {got}, expected a symbolic link to {target} of its repository: "
                "clone the template anew with `git clone -c core.symlinks=true` (Windows: in developer mode)"
            )


def is_path(path: Path) -> bool:
    """Tell whether a file is what git writes where it can't make a symbolic link."""
    return path.is_file() and path.stat().st_size < 200 and path.read_bytes().startswith(b"../../")


def library_files(package: Path, repository: Path | None) -> dict[str, bytes]:
    """Return the files of the library by their names in the wheel: what git tracks, where it can be asked."""
    found = {path.relative_to(package).as_posix(): path.read_bytes() for path in package.rglob("*") if path.is_file()}
    if repository and (repository / ".git").exists():
        listed = tracked(repository)
        return {f"fair_hep/{name}": content for name, content in found.items() if name in listed}
    return {f"fair_hep/{name}": content for name, content in found.items() if not name.endswith(".pyc")}


def repository_of(answers: Mapping[str, Any]) -> Path | None:
    """Return the folder of the template, None if it isn't known: cruft doesn't tell, and works on a fresh clone."""
    told = answers.get("_repo_dir")
    if not told:
        return None
    # It may be relative to where cookiecutter was started, which only the shell's word tells by now.
    folder = Path(os.environ.get("PWD", "."), told)
    return folder if (folder / SOURCE).is_dir() and (folder / "cookiecutter.json").is_file() else None


def tracked(repository: Path) -> set[str]:
    """Return the files of the library that git tracks, relative to its package."""
    # Whose folder it is doesn't matter here: the hooks of this very folder run already.
    command = ["git", "-c", f"safe.directory={repository.as_posix()}", "ls-files", "-z", "--", SOURCE]
    try:
        done = subprocess.run(command, cwd=repository, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"").decode(errors="replace").strip() or str(error)
        raise BrokenError(
            f"git can't say which files of {SOURCE} it tracks ({said.splitlines()[-1]}): mend that, or remove .git"
        ) from error
    return {name.removeprefix(f"{SOURCE}/") for name in done.stdout.decode().split("\0") if name}


def wheel(files: Mapping[str, bytes], about: Mapping[str, Any], license_text: bytes) -> tuple[str, bytes]:
    """Return the name of a wheel and its bytes, which depend on nothing but what goes in.

    A version that ends with ``+g`` names the contents: pip keeps what has the same version. Nothing is compressed: what
    comes out of that differs from one build of zlib to the next.
    """
    version = about["version"]
    if version.endswith("+g"):
        sums = sums_of({**files, "METADATA": metadata(about, version), "LICENSE": license_text})
        version += hashlib.sha256(sums).hexdigest()[:12]
    folder = f"fair_hep-{version}.dist-info"
    contents = {
        **files,
        f"{folder}/METADATA": metadata(about, version),
        f"{folder}/WHEEL": WHEEL.encode(),
        f"{folder}/entry_points.txt": entry_points(about),
        f"{folder}/licenses/LICENSE": license_text,
    }
    record = sums_of(contents) + f"{folder}/RECORD,,\n".encode()
    packed = archive({**dict(sorted(contents.items())), f"{folder}/RECORD": record})
    return f"fair_hep-{version}-py3-none-any.whl", packed


def sums_of(contents: Mapping[str, bytes]) -> bytes:
    """Return names, checksums and sizes as RECORD of a wheel has them."""
    lines = []
    for name, content in sorted(contents.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        lines.append(f"{name},sha256={digest},{len(content)}\n")
    return "".join(lines).encode()


def metadata(about: Mapping[str, Any], version: str) -> bytes:
    """Return METADATA of a wheel: what ``[project]`` says, without the README."""
    extras: Mapping[str, list[str]] = about["optional-dependencies"]
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {about['name']}",
        f"Version: {version}",
        f"Summary: {about['description']}",
        *(f"Project-URL: {name}, {address}" for name, address in about["urls"].items()),
        f"License-Expression: {about['license']}",
        "License-File: LICENSE",
        f"Requires-Python: {about['requires-python']}",
        *(f"Requires-Dist: {requirement}" for requirement in about["dependencies"]),
    ]
    for extra, requirements in sorted(extras.items()):
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {only_with(extra, requirement)}" for requirement in requirements]
    return "\n".join([*lines, ""]).encode()


def only_with(extra: str, requirement: str) -> str:
    """Return a requirement that holds with an extra only."""
    name, _, condition = (part.strip() for part in requirement.partition(";"))
    return f"{name}; ({condition}) and extra == '{extra}'" if condition else f"{name}; extra == '{extra}'"


def entry_points(about: Mapping[str, Any]) -> bytes:
    """Return the commands that a wheel installs."""
    return "\n".join(["[console_scripts]", *(f"{name} = {to}" for name, to in about["scripts"].items()), ""]).encode()


def archive(contents: Mapping[str, bytes]) -> bytes:
    """Return a zip file of these contents, in this order, of a fixed time and fixed permissions."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as opened:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, (2020, 2, 2, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            opened.writestr(entry, content)
    return target.getvalue()


def refer(settings: Path, reference: str) -> None:
    """Write the reference to the wheel where ``pyproject.toml`` has a place for it."""
    text = settings.read_text(encoding="utf-8")
    if PLACEHOLDER not in text:
        raise BrokenError(
            f"pyproject.toml of the template: got no {PLACEHOLDER!r}, expected it where the library is named"
        )
    settings.write_text(text.replace(PLACEHOLDER, reference), encoding="utf-8", newline="\n")


def taken_apart(answers: Mapping[str, Any]) -> str:
    """Return what to say of a person whose names had to be guessed; nothing if they were given apart.

    Examples
    --------
    >>> taken_apart({"author": "Ada Lovelace", "orcid": "0000-0002-1825-0097"})[:64]
    "author: 'Ada Lovelace' has an ORCID, so this is a person: family"
    """
    name = " ".join(answers["author"].split())
    if not answers["orcid"] or not name or "," in name:
        return ""
    given, _, family = name.rpartition(" ")
    return (
        f"author: {name!r} has an ORCID, so this is a person: family name {family!r}, given name {given!r}. "
        "If that is wrong, write 'Family, Given' into project.yaml, and correct CITATION.cff and codemeta.json"
    )


def main() -> int:
    """Finish the project in the working directory; return the exit code."""
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    project, slug = Path.cwd(), answers["project_slug"]
    remove_caches(project)
    try:
        pack_library(project, repository_of(answers))
    except BrokenError as broken:
        print(f"ERROR: {broken}", file=sys.stderr)
        return 1
    keep_recipe(project, answers["model"], slug)
    print(NEXT.format(model=answers["model"], slug=slug))
    if said := taken_apart(answers):
        print(f"WARNING: {said}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
