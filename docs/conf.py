"""The site: what Sphinx reads, and how it becomes pages. ``make docs`` builds it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(Path(__file__).parent)]

project = "cookiecutter-fair-hep"
author = "The cookiecutter-fair-hep developers"
copyright = author  # noqa: A001 -- Sphinx's own name
version = release = re.search(r'^version: "(.*)"$', (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)[1]
language = "en"

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_click",
    "building.mathml",
    "building.schemas",
    "building.tables",
]
exclude_patterns = ["_templates", "building"]
templates_path = ["_templates"]

# Markdown: formulas between dollars, and links to the headings of other pages.
myst_enable_extensions = ["deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
# A folder whose pages are still to be written is no mistake.
suppress_warnings = ["toc.empty_glob"]

# Docstrings: `name` in single backticks links to what the site documents, and is code where it doesn't.
default_role = "py:obj"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
nitpicky = True
# Types of signatures (of other libraries, of rooms that make no promise) and names in backticks needn't have a page.
nitpick_ignore_regex = [("py:(class|obj|data|func|meth|exc|attr|mod)", r".*")]

# A page asks nothing of any other server: system fonts, formulas as MathML, search in the browser.
html_theme = "furo"
html_title = project
html_baseurl = "https://fair4hep.github.io/cookiecutter-fair-hep/latest/"
html_static_path = ["_static"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "source_repository": "https://github.com/FAIR4HEP/cookiecutter-fair-hep",
    "source_branch": "main",
    "source_directory": "docs/",
}
