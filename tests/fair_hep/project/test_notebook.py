"""The notebook for users: stored without outputs, and run from the first cell to the last on a real bundle."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.needs import require
from support.recipes import FOLDER
from support.small import environment

Bundled = tuple[Project, Config]
NOTEBOOK = FOLDER.parent / "notebooks" / "use.ipynb"


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, bundled: Bundled, tmp_path: Path) -> Any:
    """Read the notebook, and prepare the environment of its kernel."""
    missing = [name for name in ("nbclient", "nbformat", "ipykernel") if not importlib.util.find_spec(name)]
    require(not missing, f"{', '.join(missing)} isn't installed")
    import nbformat

    for name, value in environment(bundled[0]).items():
        monkeypatch.setenv(name, value)
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return nbformat.read(NOTEBOOK, as_version=4)


def outputs(cell: Any, kind: str) -> str:
    """Return what a cell gave of one kind."""
    texts = [output.get("text", "") or output.get("data", {}).get(kind, "") for output in cell.get("outputs", [])]
    return "".join(texts)


def test_it_is_stored_without_outputs(notebook: Any) -> None:
    import nbformat

    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.cell_type == "markdown" or (cell.outputs == [] and cell.execution_count is None)


def test_it_runs_on_the_bundle_and_needs_no_training_framework(notebook: Any, bundled: Bundled) -> None:
    import nbformat
    from nbclient import NotebookClient

    heavy = "import sys\nprint({'torch', 'lightning', 'mlflow', 'onnx', 'mplhep'} & set(sys.modules))"
    notebook.cells.append(nbformat.v4.new_code_cell(heavy))
    folder = bundled[0].root / "notebooks"
    folder.mkdir()
    try:
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    finally:
        shutil.rmtree(folder)
    heading = ""
    told: dict[str, Any] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = cell.source.partition("\n")[0].lstrip("# ")
        elif heading not in told:
            told[heading] = cell
    assert "[GeV]" in outputs(told["Load"], "text/plain")
    assert "largest difference" in outputs(told["Verify"], "text/plain")
    assert "probabilities" in outputs(told["Predict"], "text/plain")
    _, left, _, right = outputs(told["Explain"], "text/plain").splitlines()[0].split()
    assert abs(float(left) - float(right)) < 1e-3 * max(1.0, abs(float(left)))
    assert len(outputs(told["Plot"], "image/png")) > 10_000
    assert "Tiny tagger" in outputs(told["Cite"], "text/plain")
    assert outputs(notebook.cells[-1], "text/plain").strip() == "set()"
