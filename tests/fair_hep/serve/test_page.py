"""The page at `/` in a real browser: it shows an answer and why, asks nobody else, and can be used by everybody."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from fair_hep.bundle.runtime import load
from fair_hep.bundle.summary import summary
from fair_hep.serve import page as module
from fair_hep.serve.limits import Limits
from fair_hep.serve.page import POLICY, Page
from support.browser import audit, opened
from support.kept import kept
from support.serving import inside


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with inside(load(kept("particlenet", tmp_path_factory.mktemp("kept")), threads=1)) as address:
        yield address


@pytest.mark.slow
def test_it_shows_an_answer_and_why(url: str, tmp_path: Path) -> None:
    found = opened(f"{url}/", tmp_path, "#ask")
    assert found.console == []
    assert all(one.startswith(url) for one in found.requested), found.requested
    text = re.sub(r"<[^>]+>", " ", found.document)
    for words in (
        "Tiny tagger",
        "What the model says",
        "probabilities: top",
        "the most relevant first",
        "log_pt",
        "(all elements)",
        "(bias)",
    ):
        assert words in text, words
    assert found.document.count("<svg") > 5
    # The same document as a file, since the server's policy forbids the auditor's script.
    style = (Path(module.__file__).parent / "page.css").read_text(encoding="utf-8")
    still = re.sub(r"<script.*?</script>|<link rel=\"stylesheet\"[^>]*>", "", found.document, flags=re.DOTALL)
    file = tmp_path / "still.html"
    file.write_text(still.replace("</head>", f"<style>{style}</style></head>"), encoding="utf-8")
    assert audit(file, tmp_path) == []


def test_it_may_ask_its_own_server_and_nobody_else(url: str) -> None:
    with urllib.request.urlopen(f"{url}/", timeout=10) as answer:
        text, headers = answer.read().decode(), answer.headers
    assert headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert not re.search(r"<script>|style=|\son\w+=|(?:src|href)=\"(?:https?:)?//", text)
    for name in ("page.js", "page.css"):
        with urllib.request.urlopen(f"{url}/{name}", timeout=10) as answer:
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", answer.read().decode())


def test_the_words_of_a_bundle_are_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(kept("particlenet", tmp_path), threads=1)
    told = summary(model.folder)
    evil = "<script>alert('1')</script>\"&"
    monkeypatch.setattr(
        module, "summary", lambda folder: {**told, "title": evil, "description": evil, "limits": [evil]}
    )
    text = Page(model, Limits.read({}), token=True)._html()
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert") >= 4
    assert 'type="password"' in text
