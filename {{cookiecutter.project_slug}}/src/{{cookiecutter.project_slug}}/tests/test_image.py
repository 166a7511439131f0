"""What the image serves: an MLflow model made from a whole bundle, and a Dockerfile without complaints."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .. import bundle, image
from ..config import Config
from ..errors import BundleError, MissingStepError
from ..project import Project
from .needs import require
from .small import PACKAGE, environment

Bundled = tuple[Project, Config]


def test_a_bundle_becomes_a_model_without_paths(bundled: Bundled, tmp_path: Path) -> None:
    project, _ = bundled
    done = subprocess.run(
        [sys.executable, "-m", f"{PACKAGE}.image", str(project.bundle), str(tmp_path / "model")],
        cwd=tmp_path, env=environment(project), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    bundle.check_files(tmp_path / "model" / "artifacts" / "bundle")
    own = (str(project.root), str(tmp_path), str(Path(__file__).parents[3]))
    for path in (path for path in (tmp_path / "model").rglob("*") if path.is_file()):
        assert not [name for name in own if name.encode() in path.read_bytes()], path


def test_a_damaged_bundle_becomes_nothing(bundled: Bundled, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundled[0].bundle, tmp_path / "bundle"))
    (folder / "README.md").write_text("changed")
    with pytest.raises(BundleError, match=r"README\.md changed"):
        image.main([str(folder), str(tmp_path / "model")])
    with pytest.raises(MissingStepError, match="export"):
        image.main([str(tmp_path / "none"), str(tmp_path / "model")])
    with pytest.raises(BundleError, match="got 1 arguments"):
        image.main([str(folder)])
    assert not (tmp_path / "model").exists()


def test_the_dockerfile_is_clean() -> None:
    # In the template the name of the project is still to be filled in.
    text = re.sub(r"\{\{.*?\}\}", "name", (Path(__file__).resolve().parents[3] / "Dockerfile").read_text())
    hadolint = Path(sys.executable).parent / "hadolint"
    require(hadolint.is_file(), "hadolint is not installed")
    done = subprocess.run([str(hadolint), "-"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
