"""The index: bundles of several projects in one folder, one page, one listing, and markup that says what they are."""

from __future__ import annotations

import functools
import html
import http.server
import importlib.util
import json
import re
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fair_hep import bundle
from fair_hep.bundle.errors import BundleError, ConfigError, MissingStepError
from fair_hep.bundle.files import read_json, sha256
from fair_hep.describe.index import REPORT, report_mark, run
from fair_hep.describe.listing import Listing, schema
from fair_hep.describe.schema_org import catalogue
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.browser import audit, opened, screenshot
from support.command import command
from support.needs import require
from support.published import copy

Bundled = tuple[Project, Config]
EVIL = "</script><script>document.title='evil'</script> <b>"
#: What Google asks of a Dataset (name, description) and what each part of the markup needs to be of use.
SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix s: <https://schema.org/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
[] a sh:NodeShape ; sh:targetClass s:DataCatalog ;
  sh:property [ sh:path s:name ; sh:minCount 1 ], [ sh:path s:dataset ; sh:minCount 1 ; sh:class s:Dataset ] .
[] a sh:NodeShape ; sh:targetObjectsOf s:dataset ;
  sh:property [ sh:path s:name ; sh:minCount 1 ; sh:maxCount 1 ], [ sh:path s:description ; sh:minLength 50 ],
    [ sh:path s:license ; sh:pattern "^https://spdx.org/licenses/" ; sh:minCount 1 ],
    [ sh:path s:version ; sh:minCount 1 ],
    [ sh:path s:dateModified ; sh:pattern "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" ; sh:minCount 1 ],
    [ sh:path s:creator ; sh:minCount 1 ; sh:nodeKind sh:IRI ],
    [ sh:path s:distribution ; sh:minCount 10 ; sh:class s:DataDownload ] .
[] a sh:NodeShape ; sh:targetClass s:DataDownload ;
  sh:property [ sh:path s:contentUrl ; sh:minCount 1 ], [ sh:path s:encodingFormat ; sh:minCount 1 ],
    [ sh:path s:sha256 ; sh:pattern "^[0-9a-f]{64}$" ; sh:maxCount 1 ] .
"""


def _another(original: Path, folder: Path, **changes: str) -> Path:
    """Copy a bundle as another project's: its description says something else, and its checksums fit."""
    shutil.copytree(original, folder)
    path = folder / "project.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))
    bundle.write_sums(folder)
    return folder


@pytest.fixture(scope="module")
def bundles(bundled: Bundled, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("bundles")
    other = _another(bundled[0].bundle, folder / "other", title=f"Another {EVIL}", slug="another", version="2.0.0")
    return [bundled[0].bundle, other]


@pytest.fixture(scope="module")
def zoo(bundled: Bundled, bundles: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo") / "public"
    found = run(bundles, folder, title="Our models", url="https://example.org/zoo")
    assert found["models"] == [f"{bundled[0].slug}-{bundled[0].version}", "another-2.0.0"]
    return folder


def test_listing_is_valid_and_true(zoo: Path) -> None:
    require(importlib.util.find_spec("jsonschema"), "jsonschema isn't installed")
    import jsonschema  # type: ignore[import-untyped]

    listing = read_json(zoo / "models.json")
    jsonschema.Draft7Validator(read_json(zoo / "models.schema.json")).validate(listing)
    assert read_json(zoo / "models.schema.json") == schema()
    assert listing["$schema"] == "models.schema.json"
    for model in listing["models"]:
        folder = zoo / model["folder"]
        assert bundle.check_files(folder) == len(model["files"]) - 1
        for file in model["files"]:
            assert (sha256(folder / file["path"]), (folder / file["path"]).stat().st_size) == (
                file["sha256"], file["bytes"],
            )  # fmt: skip
        assert model["headline"]
        assert model["metrics"]


def test_cards_show_task_inputs_domain_and_the_report_of_this_very_bundle(bundled: Bundled, tmp_path: Path) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    (page := project.root / REPORT).parent.mkdir(exist_ok=True)
    page.write_text(f"<html><head>{report_mark(project.bundle)}</head></html>")
    signature = bundle.read_signature(project.bundle)

    def item() -> str:
        run([project.bundle], tmp_path / "zoo")
        return (tmp_path / "zoo" / "index.html").read_text(encoding="utf-8").partition("<details>")[0]

    shown = item()
    assert f"<dt>Task</dt><dd>{html.escape(signature.summary)}</dd>" in shown
    for spec in signature.inputs:
        assert all(
            f"{column} ({spec.unit_of(column)})" in shown for column in spec.columns if spec.unit_of(column) != "1"
        )
    assert signature.domain
    assert all(html.escape(f"{known.title} {known.range_text()}") in shown for known in signature.domain)
    link = f"{project.slug}-{project.version}.html"
    assert f'<a href="{link}">Report of ' in shown
    assert (tmp_path / "zoo" / link).read_text() == page.read_text()
    page.write_text("<html><head></head></html>")  # of another bundle
    assert "Report of " not in item()
    assert not (tmp_path / "zoo" / link).exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib")
def test_markup_passes_its_shapes(zoo: Path) -> None:
    require(importlib.util.find_spec("pyshacl"), "pyshacl isn't installed")
    import pyshacl

    markup = _markup(zoo)
    conforms, _, text = pyshacl.validate(
        json.dumps(markup), shacl_graph=SHAPES, data_graph_format="json-ld", shacl_graph_format="turtle"
    )
    assert conforms, text
    first, second = markup["dataset"]
    assert first["@id"].startswith("https://example.org/zoo/")
    assert second["name"] == f"Another {EVIL}"
    assert first["creator"][0]["@id"] == "https://orcid.org/0000-0002-1825-0097"
    del first["name"]
    assert not pyshacl.validate(
        json.dumps(markup), shacl_graph=SHAPES, data_graph_format="json-ld", shacl_graph_format="turtle"
    )[0]


def _markup(zoo: Path) -> dict[str, Any]:
    text = (zoo / "index.html").read_text(encoding="utf-8")
    (block,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)
    markup: dict[str, Any] = json.loads(block)
    return markup


def test_markup_without_an_address_is_relative(zoo: Path) -> None:
    listing = Listing.model_validate(read_json(zoo / "models.json"))
    markup = catalogue(listing)
    assert "@id" not in markup
    assert markup["dataset"][0]["distribution"][0]["contentUrl"].startswith(f"{listing.models[0].folder}/")


@pytest.fixture
def address(zoo: Path) -> Iterator[str]:
    """Serve the folder as the simplest web server does."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(zoo))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_every_link_leads_somewhere(zoo: Path, address: str) -> None:
    with urllib.request.urlopen(address) as answer:
        text = answer.read().decode()
    links = re.findall(r'href="([^"#]+)"', text)
    assert len(links) > 30
    for link in set(links):
        if not link.startswith("https://doi.org/"):
            with urllib.request.urlopen(address + link) as answer:
                assert answer.status == 200


def test_page_in_a_browser(zoo: Path, tmp_path: Path) -> None:
    found = opened(zoo / "index.html", tmp_path)
    assert found.console == found.requested == []
    assert "2 of 2 models" in found.document
    assert "<title>Our models</title>" in found.document
    assert screenshot(zoo / "index.html", tmp_path).stat().st_size > 20_000
    assert audit(zoo / "index.html", tmp_path) == []


def test_words_choose_models(zoo: Path, tmp_path: Path) -> None:
    text = (zoo / "index.html").read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    typed = "field.value = 'another 2.0.0'; field.dispatchEvent(new Event('input'));"
    (tmp_path / "index.html").write_text(text.replace("</body>", f"<script>{typed}</script></body>"), encoding="utf-8")
    found = opened(tmp_path / "index.html", tmp_path)
    assert "1 of 2 models" in found.document
    assert found.document.count('<li hidden="">') == 1


def test_made_again_it_takes_the_place_of_the_old_one(bundles: list[Path], tmp_path: Path) -> None:
    run(bundles, tmp_path / "zoo")
    run(bundles[1:], tmp_path / "zoo")
    assert sorted(path.name for path in (tmp_path / "zoo").iterdir()) == [
        "another-2.0.0", "index.html", "models.json", "models.schema.json",
    ]  # fmt: skip


def test_what_can_not_be_gathered_is_one_line(bundles: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "zoo"
    with pytest.raises(ConfigError, match=r"another-2\.0\.0 more than once"):
        run([bundles[1], bundles[1]], output)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds no index"):
        run(bundles, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(ConfigError, match=r"slug: got '\.\./\.\./up'"):
        run([_another(bundles[0], tmp_path / "b", slug="../../up")], output)
    with pytest.raises(MissingStepError, match="SHA256SUMS"):
        run([tmp_path / "nothing"], output)
    (tmp_path / "b" / "metrics.json").write_text("{}")
    with pytest.raises(BundleError, match=r"metrics\.json changed"):
        run([tmp_path / "b"], output)
    assert not output.exists()


def test_command_line(bundled: Bundled, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = command(bundled[0], "index", "bundle", "--output", str(tmp_path / "zoo"), "--title", "Zoo", capture=capfd)
    assert done.returncode == 0, done.stderr
    assert "lists 1 models" in done.stdout
    assert command(bundled[0], "index", "--output", str(tmp_path / "zoo"), capture=capfd).returncode == 2
