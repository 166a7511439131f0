"""The recipes of the template as packages that can be imported: linked in place, or those of generated projects."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from fair_hep.models.contract import Model
from fair_hep.models.recipe import load_recipe
from support.template import ROOT, SLUGS

__all__ = ["FOLDER", "LINKS", "ROOT", "SLUGS", "model", "sample"]

#: Where the template keeps the recipes, by model.
FOLDER = ROOT / "{{cookiecutter.project_slug}}" / "recipes"
#: Where the packages are: ``FAIR_HEP_RECIPES`` may name a folder of generated ones.
LINKS = Path(os.environ.get("FAIR_HEP_RECIPES", ROOT / "build" / "packages"))


def link() -> None:
    """Make the recipes importable, where they lie unless generated ones are asked for."""
    if "FAIR_HEP_RECIPES" not in os.environ:
        LINKS.mkdir(parents=True, exist_ok=True)
        for name, slug in SLUGS.items():
            _point(LINKS / slug, FOLDER / name)
        # mypy finds what tests share there too: `tests` itself holds a folder of the library's name.
        _point(LINKS / "support", Path(__file__).parent)
    sys.path.insert(0, str(LINKS))


def _point(link: Path, target: Path) -> None:
    with contextlib.suppress(FileExistsError):  # several processes of the tests do this at once
        link.symlink_to(target)


def model(name: str) -> Model:
    """Return a model of the template by its name."""
    return load_recipe(SLUGS[name])


def sample(name: str) -> dict[str, list[Path]]:
    """Return the files of the sample that ships with a model, by split."""
    folder = FOLDER / name / "sample"
    names = model(name).published(sorted(path.name for path in folder.iterdir()))
    return {split: [folder / file for file in files] for split, files in names.items()}


link()
