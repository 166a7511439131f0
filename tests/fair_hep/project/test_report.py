"""The report: one page that asks nothing of anybody, for every reader, looked at in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from fair_hep.bundle.errors import BundleError, MissingStepError
from fair_hep.bundle.files import read_json, write_json
from fair_hep.bundle.folder import write_sums
from fair_hep.models.recipe import recipe
from fair_hep.pages.document import Items, Paragraph, Picture, Section, Table
from fair_hep.pages.interactive import Widget
from fair_hep.pages.page import Shown, inline, json_block, page, section_html
from fair_hep.project.report import FILE, run
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.browser import audit, opened, screenshot
from support.published import copy

Bundled = tuple[Project, Config]


@pytest.fixture(scope="module")
def report(bundled: Bundled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project, config = copy(bundled, tmp_path_factory.mktemp("report") / "project")
    found = run(project, config)
    assert found["parts"], "the model has interactive parts of the evaluation or of the explanation"
    assert found["bytes"] < 12 * 2**20
    return project.root / FILE


class _Outline(HTMLParser):
    """What a reader without eyes gets: headings, landmarks, names of pictures, heads of tables."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.landmarks: list[str] = []
        self.addresses: list[str] = []
        self.nameless: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag in ("header", "nav", "main", "footer"):
            self.landmarks.append(tag)
        if tag == "img" and not values.get("alt"):
            self.nameless.append(str(values.get("src"))[:60])
        if tag == "th" and values.get("scope") not in ("row", "col"):
            self.nameless.append("th")
        self.addresses += [str(values[name]) for name in ("src", "href") if name in values]
        self.ids += [str(values["id"])] if "id" in values else []


def _outline(text: str) -> _Outline:
    outline = _Outline()
    outline.feed(text)
    return outline


def test_page_is_whole_and_has_an_order(report: Path, bundled: Bundled) -> None:
    text = report.read_text(encoding="utf-8")
    outline = _outline(text)
    assert outline.landmarks == ["header", "nav", "main", "footer"]
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))
    assert outline.nameless == []
    assert len(outline.ids) == len(set(outline.ids))
    inside = [address[1:] for address in outline.addresses if address.startswith("#")]
    assert set(inside) <= set(outline.ids)
    # What isn't inside the page is a link to click on; nothing is loaded.
    assert not re.search(r'<(script|img|link|iframe)[^>]*(src|href)="(?!data:)', text)
    assert re.search("default-src 'none'", text)
    metrics = read_json(bundled[0].bundle / "metrics.json")
    assert all(inline(line) in text for line in metrics["headline"])


def test_the_first_screen_says_why_too(bundled: Bundled, tmp_path: Path) -> None:
    project, config = copy(bundled, tmp_path / "project")
    shutil.rmtree(project.root / "runs")
    path = project.bundle / "metrics.json"
    told = ["network", "explained 200 jets", "biases carry 22 %", "ΔR 0.2 +- 0.1"]
    write_json(path, {**read_json(path), "explanation": {"headline": told}})
    write_sums(project.bundle)
    run(project, config)
    text = (project.root / FILE).read_text(encoding="utf-8")
    order = [text.index(f">{title}</h2>") for title in ("At a glance", "Why it answers as it does", "Model details")]
    assert order == sorted(order)
    seen, _, more = text[order[1] : order[2]].partition("<details>")
    assert "<li>biases carry 22 %</li>" in seen and "<li>ΔR 0.2 ± 0.1</li>" in more


def test_a_browser_draws_every_part_in_silence(report: Path, tmp_path: Path) -> None:
    found = opened(report, tmp_path)
    assert found.console == []
    assert found.requested == []
    parts = len(re.findall(r'id="part-\d+"', found.document))
    assert parts == found.document.count('data-drawn="yes"') > 0
    assert found.document.count("js-plotly-plot") >= parts
    assert not re.search(r'role="status">\s*<', found.document), "every part says in words what it shows"


@pytest.mark.parametrize("width", [1280, 500])
def test_it_is_a_picture_and_not_blank(report: Path, tmp_path: Path, width: int) -> None:
    from PIL import Image

    with Image.open(screenshot(report, tmp_path, width=width)) as image:
        values = np.asarray(image.convert("RGB"))
    assert values.shape[1] == width
    background = (values == values[0, 0]).all(2)
    assert 0.3 < background.mean() < 0.98
    assert len(np.unique(values.reshape(-1, 3), axis=0)) > 50
    # Nothing sticks out on the right: a margin of the background's colour is left along the whole height.
    assert background[:, -8:].all()


def test_axe_finds_nothing_to_complain_about(report: Path, tmp_path: Path) -> None:
    assert audit(report, tmp_path) == []


def test_axe_would_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    filler = "<p>words</p>" + "<ul><li>more</li></ul><table><tr><th>a</th><td>b</td></tr></table><button></button>"
    bad.write_text(f'<html><head></head><body><img src="data:,"><p style="color:#ccc">pale</p>{filler}</body></html>')
    rules = {line.split(":")[0] for line in audit(bad, tmp_path)}
    assert {"image-alt", "color-contrast", "html-has-lang", "document-title", "button-name"} <= rules


def test_without_runs_the_page_has_the_card_alone(bundled: Bundled, tmp_path: Path) -> None:
    project, config = copy(bundled, tmp_path / "project")
    found = run(project, config.model_copy(update={"name": "elsewhere"}))
    assert found["parts"] == []
    text = (project.root / FILE).read_text(encoding="utf-8")
    assert "<script" not in text
    assert text.count("<img") == len(list((project.bundle / "figures").rglob("*.png")))


def test_runs_of_another_bundle_and_changed_bundles_are_refused(bundled: Bundled, tmp_path: Path) -> None:
    project, config = copy(bundled, tmp_path / "project")
    path = project.run(config.name, "evaluate") / "provenance.json"
    write_json(path, {**read_json(path), "inputs": {"weights.safetensors": "0" * 64}})
    with pytest.raises(BundleError, match="quick/evaluate is of other weights than bundle: run `evaluate`"):
        run(project, config)
    (project.bundle / "README.md").write_text("better")
    with pytest.raises(BundleError, match=r"README\.md changed"):
        run(project, config)
    assert not (project.root / FILE).exists()
    with pytest.raises(MissingStepError, match="export"):
        run(project.model_copy(update={"root": tmp_path / "empty"}), config)


def test_an_explanation_of_other_weights_is_left_out(
    bundled: Bundled, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project, config = copy(bundled, tmp_path / "project")
    folder = project.run(config.name, "explain")
    folder.mkdir(exist_ok=True)
    write_json(folder / "provenance.json", {"inputs": {"weights.safetensors": "0" * 64}})
    alone = recipe(project).widgets(project.run(config.name, "evaluate"), None)
    assert run(project, config)["parts"] == [part.title for part in alone]
    assert "explain isn't of the bundle's weights" in caplog.text


def test_text_from_elsewhere_stays_text() -> None:
    evil = '<script>alert("x")</script> [here](javascript:alert(1)) "quoted" & `<b>`'
    sections = [
        Section(evil, (Paragraph(evil), Items((evil,)), Table(evil, (evil,), ((evil,),)), Picture("x.png", evil)))
    ]
    text = section_html(sections, lambda picture: Shown("data:,"))
    assert "<script" not in text
    assert "<b>" not in text
    assert "<a " not in text
    block = json_block({"text": "</script><!--"})
    assert block.count("<") == 2
    assert json.loads(re.sub("<[^>]*>", "", block)) == {"text": "</script><!--"}


def test_policy_stops_a_script_that_is_not_the_page_s_own(tmp_path: Path) -> None:
    body = "<script>document.body.dataset.evil = 'ran'</script>"
    own = "document.body.dataset.own = 'ran'; '</script>';"
    text = page(
        "Test", description="", header="<h1>x</h1>", contents=(), body=body, footer="", scripts=[own],
    )  # fmt: skip
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    found = opened(tmp_path / "page.html", tmp_path)
    assert 'data-own="ran"' in found.document
    assert 'data-evil="ran"' not in found.document
    assert any("Content Security Policy" in line for line in found.console)


def test_a_request_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<img src="http://example.org/picture.png">')
    assert opened(tmp_path / "page.html", tmp_path).requested == ["http://example.org/picture.png"]


def test_parts_are_what_the_contract_says(bundled: Bundled) -> None:
    project, config = bundled
    parts = recipe(project).widgets(project.run(config.name, "evaluate"), None)
    assert parts
    assert all(isinstance(part, Widget) for part in parts)
    assert all(
        json.dumps(part.data, allow_nan=False) and part.script.startswith("(root, data, tools) =>") for part in parts
    )


def test_brackets_of_an_address_belong_to_it() -> None:
    doi = "https://doi.org/10.1007/JHEP01(2019)121"
    assert inline(f"(see [it]({doi}))") == f'(see <a href="{doi}">it</a>)'
    assert inline("[a](https://example.org/b) (c)") == '<a href="https://example.org/b">a</a> (c)'
