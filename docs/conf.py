"""The site: what Sphinx reads, and how it becomes pages. ``make docs`` builds it."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(Path(__file__).parent)]

project = "cookiecutter-fair-hep"
author = "The cookiecutter-fair-hep developers"
copyright = author  # noqa: A001 -- Sphinx's own name
version = release = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
language = "en"

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_click",
    "building.accessible",
    "building.mathml",
    "building.schemas",
    "building.tables",
]
exclude_patterns = ["_templates", "building"]
templates_path = ["_templates"]

# Markdown: formulas between dollars, and links to the headings of other pages.
myst_enable_extensions = ["deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

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
html_css_files = ["site.css"]
_SIDE = "sidebar/brand sidebar/search sidebar/scroll-start sidebar/navigation versions sidebar/scroll-end"
html_sidebars = {"**": [f"{name}.html" for name in _SIDE.split()]}
# `make docs-links`: publishers turn programs away, and the site's own address is there once it is published.
linkcheck_ignore = [r"https://doi\.org/", r"https://fair4hep\.github\.io/", r"https://github\.com/.*/edit/"]
linkcheck_timeout = 20
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_theme_options: dict[str, list[str]] = {"top_of_page_buttons": []}
