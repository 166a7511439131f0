"""A small project with everything that a generated one has: documents, manual, tests and a workflow."""

from __future__ import annotations

from pathlib import Path

import yaml

from fair_hep.bundle.files import write_json, write_text
from fair_hep.describe.citation import citation_cff
from fair_hep.describe.codemeta import codemeta
from fair_hep.provenance.project import Project

__all__ = ["complete"]

PYPROJECT = """[project]
name = "tiny"
version = "0.1.0"
dependencies = ["numpy>=1.26", "onnxruntime>=1.20"]

[project.optional-dependencies]
train = ["torch>=2.9"]
"""
WORKFLOW = "jobs: {test: {steps: [{run: make test}]}}\n"


def complete(project: Project) -> Project:
    """Write the files around a bundle that the template would have written; return the project."""
    root: Path = project.root
    reference = {"type": "data", "title": "Jets", "authors": [{"name": "Others"}], "doi": project.dataset.doi}
    kept = {"message": "Cite it as below.", "references": [reference] if project.dataset.doi else []}
    write_text(root / "CITATION.cff", yaml.safe_dump(kept))
    write_text(root / "CITATION.cff", citation_cff(project))
    write_json(root / "codemeta.json", codemeta(project))
    for name in ("README.md", "CONTRIBUTING.md"):
        write_text(root / name, f"# {project.title}\n\n" + "What it is, how it is used, and how to take part.\n" * 8)
    write_text(root / "pyproject.toml", PYPROJECT + "# Longer than a stub.\n" * 5)
    write_text(root / "tests" / "test_recipe.py", "def test_it():\n    assert 1 + 1 == 2\n")
    write_text(root / ".github" / "workflows" / "ci.yml", WORKFLOW)
    return project
