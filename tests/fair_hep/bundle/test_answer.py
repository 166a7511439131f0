"""What a request gets: values that JSON has words for, or one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fair_hep import bundle
from fair_hep.bundle.answer import answer
from fair_hep.bundle.errors import DataError
from fair_hep.bundle.runtime import LoadedModel, load
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project

Bundled = tuple[Project, Config]
Answers = list[dict[str, np.ndarray]]


@pytest.mark.parametrize(
    ("asked", "damaged"),
    [
        ({}, "logits"),
        ({"explain": True}, "logits"),
        ({"explain": True}, "relevance"),
        ({"explain": True, "top": 1}, "ledger"),
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_without_a_word_in_json_is_named(
    bundled: Bundled, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], damaged: str, value: float
) -> None:
    model = load(bundled[0].bundle, threads=1)
    examples = list(bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")[model.signature.inputs[0].name][:2])
    method = "explain" if asked else "predict_each"
    real: Callable[..., Answers] = getattr(LoadedModel, method)
    assert len(answer(model, examples, asked)) == 2

    def overflowing(self: LoadedModel, *given: Any, **options: Any) -> Answers:
        found = real(self, *given, **options)
        found[1][damaged].flat[-1] = value
        return found

    monkeypatch.setattr(LoadedModel, method, overflowing)
    with pytest.raises(DataError, match=rf"^inputs\[1\]: the model's {damaged} isn't finite; JSON"):
        answer(model, examples, asked)
