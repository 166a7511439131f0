"""Pages that one learns from: each is followed to the letter, and prints and draws what it shows."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.documents import DOCS, blocks, follow, same_text, statements

#: Pages whose blocks need the library and nothing else.
ALONE = (
    "explanation/what-lrp-says.md",
    "how-tos/choose-rules.md",
    "how-tos/new-archive.md",
    "how-tos/pytorch-geometric.md",
    "how-tos/transformer.md",
)
LEARNED_FROM = sorted(path for kind in ("tutorials", "how-tos", "explanation") for path in (DOCS / kind).glob("*.md"))


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Draw without a display; what a page sets for its reader ends with it."""
    import torch

    from fair_hep.lrp import COMPOSITES

    monkeypatch.setenv("MPLBACKEND", "agg")
    known, precision = dict(COMPOSITES), torch.get_default_dtype()
    with torch.random.fork_rng():
        yield
    torch.set_default_dtype(precision)
    COMPOSITES.clear()
    COMPOSITES.update(known)


def picture(path: Path) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB"), dtype=np.float64)


def test_the_first_explanation_prints_and_draws_what_it_shows(tmp_path: Path) -> None:
    from matplotlib import pyplot

    page = DOCS / "tutorials" / "first-explanation.md"
    left = follow(page.read_text(encoding="utf-8"), tmp_path)
    pyplot.close("all")
    # The best of all answers is right for 84.1 % of the jets, and the input that knows has most of the relevance.
    right = (left["network"](left["jets"][2000:]).argmax(1) == left["label"][2000:]).double().mean()
    assert float(right) == pytest.approx(0.841, abs=0.025)
    assert int(left["share"].argmax()) == left["names"].index("mass")
    drawn, shown = picture(tmp_path / "first-explanation.png"), picture(page.with_suffix(".png"))
    assert drawn.shape == shown.shape
    assert np.abs(drawn - shown).mean() < 2


@pytest.mark.parametrize("name", ALONE)
def test_what_a_page_says_can_be_done(name: str, tmp_path: Path) -> None:
    follow((DOCS / name).read_text(encoding="utf-8"), tmp_path)


def test_every_page_is_followed_by_some_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (DOCS.parent / "tests").rglob("test_*.py"))
    # What an explanation shows besides may take days: simulations, a study at full size.
    pages = [page for page in LEARNED_FROM if page.parent.name != "explanation"]
    shown = {page.name: blocks(page.read_text(encoding="utf-8")) for page in pages}
    commands = {name: [one for one in found if one.language in ("bash", "python")] for name, found in shown.items()}
    run = [name for name, found in commands.items() if any(not one.note for one in found)]
    assert len(run) > 15
    assert [name for name in run if name not in tests] == []


def without_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def places(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    titles = re.findall(r"^#+ (.*)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", LEARNED_FROM, ids=lambda page: page.stem)
def test_links_lead_to_pages_places_and_pictures_that_are_there(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page)) if not re.match(r"\w+:", link)]
    for link in links:
        name, _, place = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not place or place in places(target), link


def test_numbers_may_differ_in_their_last_place_and_words_may_not() -> None:
    assert same_text("mass 0.79, -1\n", "mass  0.80, -1")
    for printed in ("mass 0.81, -1", "pT 0.79, -1", "mass 0.79", "mass 0.790, -1", "mass 0.79, 1"):
        assert not same_text("mass 0.79, -1", printed), printed


def test_a_page_that_says_something_wrong_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="block 2: the page shows"):
        follow("```python\nprint(2.0)\n```\n\n```text\n3.0\n```\n", tmp_path)
    with pytest.raises(AssertionError, match="block 1: false"):
        follow("```bash\ntrue\nfalse\n```\n", tmp_path)
    with pytest.raises(AssertionError, match="block 1: ours 2"):
        follow("```bash\nours 2\n```\n", tmp_path, commands={"ours": lambda words: sys.exit(int(words[0]))})
    follow("```bash needs-network\nfalse\n```\n", tmp_path)
    assert statements("cat > a <<'END'\nb\nEND\nc \\\n  d\n\ne") == ["cat > a <<'END'\nb\nEND", "c \\\n  d", "e"]
