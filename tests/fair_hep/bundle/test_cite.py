"""How to cite a bundle: the file's own words as text and BibTeX, in agreement with cffconvert."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from cffconvert import Citation as Converted

from fair_hep.bundle.cite import CITATION, cite
from fair_hep.bundle.errors import BundleError, MissingStepError
from fair_hep.bundle.files import read_json, sha256
from fair_hep.bundle.runtime import load
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project

FULL = """
cff-version: 1.2.0
message: cite me
type: software
title: "A 100% {curly} tagger & co: $x_1$"
version: 0.10
date-released: 2026-03-01
doi: 10.5072/zenodo.1_2
license: MIT
authors:
  - {family-names: Broglie, given-names: Louis Victor, name-particle: de}
  - name: The CMS Collaboration
references:
  - {type: data, title: Top jets, doi: 10.5281/zenodo.2603256, authors: [{family-names: Kasieczka, given-names: G.}]}
  - {type: article, title: Clouds, journal: Phys. Rev. D, volume: 101, year: 2020, authors: [{family-names: Qu}]}
"""


def write(folder: Path, text: str) -> Path:
    (folder / CITATION).write_text(text, encoding="utf-8")
    return folder


def fields(entry: str) -> dict[str, str]:
    return dict(re.findall(r"^ *(\w+) *= *\{(.*)\},?$", entry, re.MULTILINE))


def test_a_bundle_says_how_to_cite_it(bundled: tuple[Project, Config]) -> None:
    folder = bundled[0].bundle
    found = load(folder).cite()
    year, checksum = read_json(folder / "provenance.json")["finished"][:4], sha256(folder / "SHA256SUMS")
    known = f"unpublished; SHA-256 of its SHA256SUMS: {checksum}"
    assert str(found) == found.text == f"Lovelace, A. ({year}). Tiny tagger (version 0.1.0). {known}"
    assert found.bibtex.startswith(f"@misc{{lovelace_{year},\n  author = {{Lovelace, Ada}},\n")
    assert fields(found.bibtex)["year"] == year
    assert fields(found.bibtex)["howpublished"] == known


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ({"doi": "10.5281/zenodo.1"}, "https://doi.org/10.5281/zenodo.1"),
        ({"repository-code": "https://example.org/tagger"}, "https://example.org/tagger"),
    ],
)
def test_an_address_that_is_known_is_told(
    bundled: tuple[Project, Config], tmp_path: Path, said: dict[str, str], address: str
) -> None:
    for name in ("provenance.json", "SHA256SUMS"):
        shutil.copy(bundled[0].bundle / name, tmp_path)
    values = yaml.safe_load((bundled[0].bundle / CITATION).read_text()) | said
    found = cite(write(tmp_path, yaml.safe_dump(values)))
    assert found.text.endswith(f"Tiny tagger (version 0.1.0). {address}")
    assert fields(found.bibtex)["url"] == address
    assert "howpublished" not in found.bibtex


def test_the_work_and_its_references_have_a_line_and_an_entry_each(tmp_path: Path) -> None:
    found = cite(write(tmp_path, FULL))
    assert found.text.splitlines() == [
        "de Broglie, L. V.; The CMS Collaboration. (2026). A 100% {curly} tagger & co: $x_1$ (version 0.10). "
        "https://doi.org/10.5072/zenodo.1_2",
        "Kasieczka, G. Top jets. https://doi.org/10.5281/zenodo.2603256",
        "Qu. (2020). Clouds. Phys. Rev. D 101",
    ]
    first, second, third = found.bibtex.strip().split("\n\n")
    assert first.startswith("@misc{broglie_2026,")
    assert fields(first)["author"] == "de Broglie, Louis Victor and {The CMS Collaboration}"
    assert fields(first)["title"] == r"{A 100\% \{curly\} tagger \& co: \$x\_1\$}"
    assert fields(first)["doi"] == "10.5072/zenodo.1_2"
    assert second.startswith("@misc{kasieczka,")
    assert third.startswith("@article{qu_2020,")
    for entry in (first, second, third):
        assert entry.count("{") - entry.count(r"\{") == entry.count("}") - entry.count(r"\}")


def test_it_says_what_cffconvert_says(tmp_path: Path) -> None:
    simple = FULL.replace('"A 100% {curly} tagger & co: $x_1$"', "A tagger").replace("0.10", "'0.10'")
    ours, theirs = fields(cite(write(tmp_path, simple)).bibtex.split("\n\n")[0]), Converted(simple).as_bibtex()
    known = fields(theirs)
    assert ours["doi"] == known["doi"]
    assert ours["year"] == known["year"]
    assert ours["title"].strip("{}") == known["title"].strip("{}")
    assert {name.strip("{}") for name in ours["author"].split(" and ")} >= {"The CMS Collaboration"}
    assert "The CMS Collaboration" in known["author"]


def test_a_preferred_citation_takes_the_place_of_the_work(tmp_path: Path) -> None:
    values = yaml.safe_load(FULL)
    values["preferred-citation"] = {"type": "article", "title": "The paper", "authors": [{"name": "All of us"}]}
    found = cite(write(tmp_path, yaml.safe_dump(values)))
    assert found.text.splitlines()[0] == "All of us. The paper"
    assert found.bibtex.startswith("@article{all_of_us,\n  author = {{All of us}},\n")


def test_works_of_the_same_author_and_year_have_keys_of_their_own(tmp_path: Path) -> None:
    text = FULL.replace("family-names: Qu", "family-names: Kasieczka").replace("year: 2020, ", "")
    keys = re.findall(r"^@\w+\{(.*),$", cite(write(tmp_path, text)).bibtex, re.MULTILINE)
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: [1]", "title"),
        ("authors: []", "title"),
        ("- a list", "dictionary"),
        ("title: x\nauthors: nobody", "authors"),
        ("title: 'x", "not YAML"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BundleError, match=words) as caught:
        cite(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_no_file_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(MissingStepError, match=r"CITATION\.cff is missing: run `export`"):
        cite(tmp_path)
