"""Event displays: every element's own map, a figure, and a page that works in a real browser without a network."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from fair_hep.bundle.errors import ExplainError, ProjectError
from fair_hep.particleflow.columns import CLASSES, ELEMENT
from fair_hep.particleflow.display import EventMaps, draw_display, explain_event, write_page
from fair_hep.particleflow.labels import CLASS_LABELS
from support.browser import opened
from support.events import Events, make_network
from support.needs import require


def _event(index: int = 1) -> EventMaps:
    return explain_event(make_network(), Events(), index, 1e-6)


def _page(folder: Path, event: EventMaps) -> Path:
    require(importlib.util.find_spec("plotly"), "plotly isn't installed")
    write_page(event, ELEMENT, folder / "event.html")
    return folder / "event.html"


def test_every_element_explains_its_predicted_class() -> None:
    event = _event()
    batch = Events().__getitems__([1])
    logits, _ = make_network()(batch["elements"])
    count = int((batch["elements"][0, :, 0] > 0).sum())
    assert len(event.elements) == count
    np.testing.assert_allclose(event.explained, logits[0, :count].max(1).values.detach(), rtol=1e-4, atol=1e-6)
    shares = np.add.reduceat(event.shares(), event.offsets[:-1])
    np.testing.assert_allclose(shares, 1.0)
    assert event.error.max() < 1e-5
    assert 0 <= event.typical() < count


def test_figure_of_an_event(tmp_path: Path) -> None:
    for index in (0, 1):
        event = _event(index)
        draw_display(event, event.typical(), tmp_path / f"event_{index}.png")
        assert (tmp_path / f"event_{index}.png").stat().st_size > 10_000


def test_event_without_elements_is_refused() -> None:
    with pytest.raises(ExplainError, match="no element"):
        _event(5)


def test_page_is_whole(tmp_path: Path) -> None:
    text = _page(tmp_path, _event()).read_text(encoding="utf-8")
    assert re.findall(r"<script[^>]*src|<link[^>]*href", text) == []
    assert len(text) < 4 * 2**20, "the library is compressed"
    assert [path.name for path in tmp_path.iterdir()] == ["event.html"]


def test_missing_plotly_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "plotly.offline", None)
    with pytest.raises(ProjectError, match="plotly, which isn't installed"):
        write_page(_event(), ELEMENT, tmp_path / "event.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_click_in_a_browser_shows_the_map_of_that_element(tmp_path: Path) -> None:
    event = _event()
    page = _page(tmp_path, event)
    chosen = 7
    kind = "track" if event.elements[chosen, 0] == 2 else "tower"
    document = opened(page, tmp_path, f"#{chosen}").document
    assert f'data-chosen="{chosen}"' in document
    assert f"R-map of {kind} {chosen}" in document
    clicked = tmp_path / "clicked.html"
    click = f"document.getElementById('event').emit('plotly_click', {{points: [{{customdata: {chosen}}}]}})"
    drawn = "document.querySelector('[data-drawn]')"
    emit = f"const wait = setInterval(() => {{ if ({drawn}) {{ clearInterval(wait); {click}; }} }}, 20)"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    clicked.write_text(text.replace("</body>", f"<script>{emit}</script></body>"), "utf-8")
    found = opened(clicked, tmp_path)
    assert found.console == found.requested == []
    document = found.document
    assert f'data-chosen="{chosen}"' in document
    account = re.search(r'role="status">([^<]+)<', document)
    assert account is not None
    assert f"predicted {CLASS_LABELS[event.predicted[chosen]]}" in account[1]
    assert f"Logit {event.explained[chosen]:.3f}" in account[1]
    others = int(np.diff(event.offsets)[chosen]) - 1
    assert f"{others} others the rest" in account[1]


def test_typical_element_is_a_recognised_charged_hadron() -> None:
    event = _event()
    charged = CLASSES.index("charged_hadron")
    hardest = int(torch.from_numpy(event.elements[:, 1]).argmax())
    none = np.zeros_like(event.true)
    assert EventMaps(**{**vars(event), "true": none, "predicted": none}).typical() == hardest
    true, predicted = none.copy(), none.copy()
    true[[2, 4]], predicted[4] = charged, charged
    assert EventMaps(**{**vars(event), "true": true, "predicted": predicted}).typical() == 4
