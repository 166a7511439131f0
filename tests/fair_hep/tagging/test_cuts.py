"""Working points as cuts on what the graph gives: logits or probabilities, the same jets pass, as many as said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fair_hep.tagging.cuts import cuts_table, published_cuts
from fair_hep.tagging.two_classes import evaluate


def _evaluated(folder: Path, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray, list[dict[str, object]]]:
    draw = np.random.default_rng(3)
    labels = draw.integers(2, size=4000)
    logits = draw.normal(0, 1, (4000, 2)).astype(np.float32)
    logits[:, 1] += 1.5 * labels
    logits *= scale
    found = evaluate({"logits": logits}, {"label": labels}, folder, ("QCD", "top"))
    return logits, labels, [dict(cut) for cut in found.working_points]


@pytest.mark.parametrize("temperature", [1.0, 0.4, 2.5])
def test_what_passes_the_published_cuts_is_what_they_say(tmp_path: Path, temperature: float) -> None:
    logits, labels, cuts = _evaluated(tmp_path)
    published = logits.astype(np.float64) / temperature
    powers = np.exp(published)
    probability = powers[:, 1] / powers.sum(1)
    for before, cut in zip(cuts, published_cuts(cuts, temperature), strict=True):
        assert {**cut, "logit_difference": 0, "probability": 0} == {**before, "logit_difference": 0, "probability": 0}
        by_logits = published[:, 1] - published[:, 0] >= cut["logit_difference"] - 1e-12
        by_probability = probability >= cut["probability"] - 1e-12
        np.testing.assert_array_equal(by_logits, by_probability)
        assert by_logits[labels == 0].sum() == cut["background_passed"]
        assert by_logits[labels == 1].mean() == pytest.approx(cut["signal_efficiency"])


def test_the_table_names_the_outputs_and_what_single_precision_cant_cut_on(tmp_path: Path) -> None:
    table = cuts_table(_evaluated(tmp_path)[2])
    assert "logit of top minus logit of QCD" in table.title
    assert len(table.rows) == 5
    assert all(0 < float(row[2]) < 1 for row in table.rows)
    steep = cuts_table(_evaluated(tmp_path, scale=40.0)[2])
    assert steep.rows[0][2] == "too near 1: cut on the logits"
    assert float(steep.rows[0][1]) > 12
