"""Keep the chosen model only, bring its configurations to the top, and say what comes next."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

NEXT = """
The project is in {slug}/. Next:

    cd {slug}
    make install    # once; an environment in .venv, with PyTorch
    make quick      # data, train, evaluate, explain, export, verify, register: minutes, offline

Then read README.md: use it, explain it, reproduce it, change it, publish it.
"""


def keep_model(package: Path, model: str, project: Path) -> None:
    """Remove the folders and tests of the other models, and move the configurations of this one to ``configs/``."""
    for folder in sorted(path for path in package.glob("models/*") if path.is_dir() and path.name != model):
        shutil.rmtree(folder)
        for pattern in (f"tests/test_{folder.name}_*.py", f"tests/*_{folder.name}.py"):
            for test in package.glob(pattern):
                test.unlink()
    shutil.move(package / "models" / model / "configs", project / "configs")


def remove_caches(project: Path) -> None:
    """Remove what tools may have left in the template's folder: cookiecutter copies all that lies there."""
    for cache in [*project.rglob("__pycache__"), *project.rglob(".*_cache")]:
        shutil.rmtree(cache)


def main() -> int:
    """Finish the project in the working directory; return the exit code."""
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    project, slug = Path.cwd(), answers["project_slug"]
    remove_caches(project)
    keep_model(project / "src" / slug, answers["model"], project)
    print(NEXT.format(slug=slug))
    return 0


if __name__ == "__main__":
    sys.exit(main())
