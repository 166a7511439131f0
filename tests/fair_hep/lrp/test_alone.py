"""The engine stands alone: it needs torch and the library's errors, PyTorch Geometric only where it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from fair_hep import lrp

FOLDER = Path(lrp.__file__).parent
#: Files for users of PyTorch Geometric; nothing but `Explainer` and they themselves import them.
GEOMETRIC = {"pyg", "pyg_rules"}
SCRIPT = f"""
import importlib, sys
for name in ("torch_geometric", "lightning", "onnx", "onnxruntime", "h5py", "matplotlib", "mlflow", "pandas"):
    sys.modules[name] = None  # whoever imports it fails
for name in {sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in GEOMETRIC)}:
    importlib.import_module(f"fair_hep.lrp.{{name}}" if name != "__init__" else "fair_hep.lrp")
del sys.modules["torch_geometric"]
import torch
from fair_hep.lrp import explain
torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).double().eval()
found = explain(network, torch.rand(5, 3, dtype=torch.float64), [-1.0, 1.0])
assert float(found.ledger.error.max()) < 1e-9
rooms = {{name.split(".")[1] for name in sys.modules if name.startswith("fair_hep.")}}
print(*sorted(rooms))
"""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_file_imports_the_engine_torch_and_errors_only(path: Path) -> None:
    allowed = {"torch", *(["torch_geometric"] if path.stem in GEOMETRIC else []), *sys.stdlib_module_names}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").split(".")[0] in allowed
        elif isinstance(node, ast.ImportFrom) and node.level > 1:
            assert node.module == "bundle.errors"


def test_it_explains_where_pytorch_geometric_is_not_installed() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["bundle", "lrp"]
