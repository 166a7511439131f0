"""The tutorial on an event of MLPF is followed with a bundle of random weights; its story is that of the sample."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from fair_hep.data.pickles import load_arrays
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support import recipes
from support.documents import DOCS, blocks, follow

PAGE = DOCS / "tutorials" / "explain-an-event.md"


def test_an_event_is_explained_as_the_page_says(
    bundled: tuple[Project, Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib import pyplot

    monkeypatch.setenv("MPLBACKEND", "agg")
    (tmp_path / "bundle").symlink_to(bundled[0].bundle)
    # How a model is made stands in the same words in the READMEs, whose tests train one.
    text = re.sub(r"^```bash\n.*?^```$", "", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    left = follow(text, tmp_path)
    pyplot.close("all")
    why = left["why"]
    account = float(left["relevance"].sum()) + float(why["ledger"][:3].sum())
    assert account == pytest.approx(float(why["explained"]), abs=1e-3 * float(why["ledger"][3]))
    logits = left["logits"][left["chosen"]]
    assert float(why["explained"]) == pytest.approx(float(logits[left["neutral"]] - logits[0]), abs=1e-3)
    assert (tmp_path / "explain-an-event.png").stat().st_size > 10_000


def test_the_generator_says_of_the_shown_event_what_the_page_says() -> None:
    """No neutral particle made the tower of 401.5 GeV: four charged hadrons did."""
    events = load_arrays(recipes.sample("mlpf")["test"][0])
    event, truth = events["X"][82], events["ygen"][82]
    (tower,) = np.flatnonzero(event[:, 5] == 401.5)
    assert not truth[tower].any()
    distance = np.hypot(event[:, 2] - event[tower, 2], event[:, 3] - event[tower, 3])
    near = np.flatnonzero((event[:, 0] == 2) & (distance < 0.08) & (event[:, 5] > 50))
    assert len(near) == 4
    assert event[near, 5].sum() == pytest.approx(404, abs=1)
    assert truth[near, 6].sum() == pytest.approx(360, abs=1)
    assert (truth[near, 0] == 1).all()


def test_the_model_is_made_by_the_commands_of_the_readmes() -> None:
    (block,) = [block for block in blocks(PAGE.read_text(encoding="utf-8")) if block.language == "bash"]
    install, bake, *rest = block.text.splitlines()
    # Those of the other tutorial are run where the template's README is.
    pages = (recipes.ROOT / "README.md", PAGE.with_name("publish-particlenet.md"))
    known = "".join(page.read_text(encoding="utf-8") for page in pages)
    for line in [install, *(line.replace("particle_flow", "top_tagger") for line in rest)]:
        assert f"\n{line}\n" in known, line
    words = shlex.split(bake)
    assert words[:3] == ["cookiecutter", "cookiecutter-fair-hep", "--no-input"]
    assert {word.partition("=")[0] for word in words[3:]} <= {"model", "project_slug", "author"}
