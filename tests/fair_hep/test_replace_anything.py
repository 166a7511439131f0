"""The how-to "replace anything" is run block after block: every piece takes its place, and the promises still hold."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fair_hep.bundle.errors import ConfigError, ExplainError
from fair_hep.check import CHECKS, check_model
from fair_hep.data.store import Store
from fair_hep.lrp import COMPOSITES, explain
from fair_hep.models.contract import SPLITS
from fair_hep.provenance.configuration import Config
from support.recipes import ROOT

HOW_TO = ROOT / "docs" / "how-tos" / "replace-anything.md"
CONFIG = Config.model_validate({"name": "tried", "model": {"width": 8}, "explain": {"composite": "mine"}})


@pytest.fixture(scope="module")
def replaced() -> Iterator[ModuleType]:
    """Run all blocks as one module, and take the composite away again."""
    known = dict(COMPOSITES)
    module = ModuleType("my_replacements")
    sys.modules[module.__name__] = module
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)):
        exec(compile(block, f"{HOW_TO.name}, block {number + 1}", "exec"), vars(module))
    yield module
    del sys.modules[module.__name__]
    COMPOSITES.clear()
    COMPOSITES.update(known)


@pytest.fixture(scope="module")
def sample(replaced: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write text files of jets."""
    folder = tmp_path_factory.mktemp("sample")
    for seed, split in enumerate(SPLITS):
        batch = replaced.MODEL.example(6, seed)
        jets = [
            "\n".join([str(int(label)), *(" ".join(map(repr, row)) for row in jet[jet[:, 0] > 0].tolist())])
            for jet, label in zip(batch["particles"], batch["label"], strict=True)
        ]
        (folder / f"{split}.txt").write_text("\n\n".join(jets) + "\n")
    return folder


def test_every_promise_still_holds(replaced: ModuleType, sample: Path) -> None:
    names = [name for name in CHECKS if "onnx" not in name]
    outcomes = check_model(replaced.MODEL, CONFIG, sample=sample, names=names)
    assert [(one.name, one.verdict, one.reason) for one in outcomes if one.verdict != "passed"] == []


@pytest.mark.slow
def test_the_published_graph_is_written_with_the_same_rules(replaced: ModuleType) -> None:
    (outcome,) = check_model(replaced.MODEL, CONFIG, names=["explained_onnx_parity"])
    assert (outcome.verdict, outcome.reason) == ("passed", "")


def test_a_module_of_ones_own_is_explained_by_its_rule(replaced: ModuleType) -> None:
    torch.manual_seed(0)
    network = replaced.MODEL.build(width=8).double().eval()
    swishes = [module for module in network.modules() if isinstance(module, replaced.Swish)]
    assert len(swishes) == 1
    features = network.features(replaced.MODEL.example(8, 1)["particles"].double())
    found = explain(network.body, features, [-1.0, 1.0])
    assert float(found.ledger.error.max()) < 1e-10
    assert bool(found.relevance.any())

    class Unknown(nn.Module):
        """The same function, of which nobody said how it treats relevance."""

        slope = nn.Parameter(torch.ones(1))
        forward = replaced.Swish.forward

    network.body.jet[1] = Unknown().eval()
    with pytest.raises(ExplainError, match=r"Unknown\).* escapes the rules"):
        explain(network.body, features, [-1.0, 1.0])


def test_a_composite_of_ones_own_is_chosen_by_its_name(replaced: ModuleType) -> None:
    torch.manual_seed(0)
    network = replaced.MODEL.build(width=8).double().eval()
    features = network.features(replaced.MODEL.example(8, 1)["particles"].double())
    mine = explain(network.body, features, [-1.0, 1.0], composite="mine")
    plain = explain(network.body, features, [-1.0, 1.0], composite="epsilon")
    assert float(mine.ledger.error.max()) < 1e-10
    assert float((mine.relevance - plain.relevance).abs().max()) > 1e-3 * float(plain.relevance.abs().max())


def test_a_reader_of_ones_own_gives_the_same_jets(replaced: ModuleType, sample: Path, tmp_path: Path) -> None:
    model, expected = replaced.MODEL, replaced.MODEL.example(6, 2)
    files = model.published(sorted(path.name for path in sample.iterdir()))
    assert files == {split: [f"{split}.txt"] for split in SPLITS}
    assert model.convert([sample / "test.txt"], tmp_path / "test") == {"examples": 6}
    batch = model.dataset(Store(tmp_path / "test")).__getitems__(list(range(6)))
    assert batch["label"].tolist() == expected["label"].tolist()
    for given, jet in zip(expected["particles"], batch["particles"], strict=True):
        assert torch.equal(given[given[:, 0] > 0], jet[jet[:, 0] > 0])
    chunks = list(model.read(sample / "test.txt", 4))
    assert [len(chunk["particles"]) for chunk in chunks] == [4, 2]


@pytest.mark.slow
def test_a_figure_of_ones_own_is_drawn_with_the_usual_ones(replaced: ModuleType, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    targets: dict[str, Any] = {"label": np.arange(200) % 2}
    outputs = {"logits": generator.normal(size=(200, 2)) + targets["label"][:, None] * [0, 1]}
    found = replaced.MODEL.evaluate(outputs, targets, tmp_path)
    assert {"roc.png", "margins.png"} <= set(found.files)
    assert (tmp_path / "margins.png").read_bytes().startswith(b"\x89PNG")
    assert {"roc", "margins"} <= set(replaced.MODEL.captions)


def test_a_loss_of_ones_own_has_its_options(replaced: ModuleType) -> None:
    logits, batch = torch.tensor([[2.0, -1.0], [0.5, 0.1]]), {"label": torch.tensor([0, 1])}
    model = replaced.MODEL
    usual = nn.functional.cross_entropy(logits, batch["label"])
    torch.testing.assert_close(model.loss([logits], batch, focus=0.0), usual)
    assert float(model.loss([logits], batch)) < float(usual)
    with pytest.raises(ConfigError, match=r"train\.loss: unknown key 'focsu', did you mean 'focus'"):
        model.loss([logits], batch, focsu=1.0)
