"""A model in coffea and on a Dask cluster, both from PyPI: the numbers of `load`, and what the how-to says."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_hep import load
from fair_hep.bundle.signature import read_examples
from support import environments
from support.documents import DOCS, blocks, same_text
from support.nano import Events, known_bundle, make_jets, momenta, write_nano
from support.template import ROOT

pytestmark = pytest.mark.slow

HOW_TO = DOCS / "how-tos" / "use-a-model-in-coffea.md"
FILES = ("nano_1.root", "nano_2.root")
#: Jets of the second file with twice the momentum, which the model wasn't trained on.
HARD = 6


def sample() -> list[Events]:
    """Return the events of both files."""
    one, two = make_jets(40, 1), make_jets(40, 2)
    for jet in [jet for jets in two for jet in jets][:HARD]:
        jet[:, 0] *= 2
    return [one, two]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("analysis")
    for file, events in zip(FILES, sample(), strict=True):
        write_nano(folder / file, events, seed=len(file))
    known_bundle(folder, [jet for jets in sample()[0] for jet in jets])
    return folder


def ask(program: str, given: Any, folder: Path, *arguments: str) -> Any:
    python = environments.environment("coffea", ("coffea[dask-awkward]==2026.9.0",), beside=True)
    # What a processor leaves in the home of its user stays here.
    variables = {"PYTHONPATH": str(ROOT / "src"), "HOME": str(folder), "MPLCONFIGDIR": str(folder)}
    return environments.ask(python, program, given, *arguments, timeout=400, cwd=folder, variables=variables)


def test_eager_virtual_and_graph_give_the_numbers_of_a_plain_model(folder: Path) -> None:
    told = ask("coffea_model", {"bundle": "bundle", "files": FILES}, folder, "found.npz")
    found = np.load(folder / "found.npz")
    plain, known = load(folder / "bundle", threads=1), read_examples(folder / "bundle")
    assert known.relevance is not None
    logits, relevance = [], []
    for file, events in zip(FILES, sample(), strict=True):
        jets = [momenta(jet) for one in events for jet in one]
        with pytest.warns(UserWarning) if file == FILES[1] else contextlib.nullcontext():
            why = plain.explain(jets)
        logits.append(np.stack([one["logits"] for one in why]))
        relevance.append(np.concatenate([one["relevance"] for one in why]))
        for way in ("eager", "virtual"):
            assert found[f"{way}/{file}/jets"].tolist() == [len(jets) for jets in events]
            _same(found[f"{way}/{file}/logits"], logits[-1], known.tolerance)
            _same(found[f"{way}/{file}/relevance"], relevance[-1], known.relevance.tolerance, largest=True)
    assert found["dask/jets"].tolist() == [len(jets) for events in sample() for jets in events]
    _same(found["dask/logits"], np.concatenate(logits), known.tolerance)
    _same(found["dask/relevance"], np.concatenate(relevance), known.relevance.tolerance, largest=True)

    examples = [sum(len(jets) for jets in events) for events in sample()]
    for way in ("eager", "virtual", "dask"):
        counts = told[way]
        assert [counts[file]["examples"] for file in FILES] == examples
        assert [counts[file]["outside"] for file in FILES] == [0, HARD]
        pt = [number for reason, number in counts[FILES[1]]["reasons"].items() if reason.startswith("jet pT, ")]
        assert pt == [HARD]

    # What is read: of the jets' branches none but their number.
    needed = {f"PFCand_{name}" for name in ("pt", "eta", "phi", "mass")}
    needed |= {"FatJetPFCand_jetIdx", "FatJetPFCand_pfCandIdx", "nFatJet", "nPFCand", "nFatJetPFCand"}
    assert set(told["columns"]) == needed
    assert told["virtual/read"] is False
    assert told["files"] == [[FILES[0]] * 2 + [FILES[1]] * 2, ["partition 0", "partition 1"]]
    assert told["type"] is True
    # What travels is small and the same after use; a process opens each graph once, for all tasks and threads.
    assert max(told["size"]) < 1024
    assert len(set(told["size"])) == 1
    assert told["here"]["threads"] == [2, 2]
    assert all(one["threads"] in ([], [2, 2]) for one in told["there"])
    assert any(one["threads"] for one in told["there"])
    assert len({one["pid"] for one in (*told["there"], told["here"])}) == 3
    assert told["refused"][0] == "DataError"
    assert told["refused"][1].startswith("inputs: column E: row 0: got nan, expected a finite number")


def _same(found: np.ndarray, wanted: np.ndarray, tolerance: float, *, largest: bool = False) -> None:
    scale = np.abs(wanted).max() if largest else np.maximum(1, np.abs(wanted))
    assert found.shape == wanted.shape
    assert (np.abs(found - wanted) <= tolerance * scale).all()


def test_the_how_to_does_and_prints_what_it_shows(folder: Path) -> None:
    """``use-a-model-in-coffea.md`` is one program for the reader, and for Dask's processes no program at all."""
    shown = blocks(HOW_TO.read_text(encoding="utf-8"))
    code = [block.text for block in shown if block.language == "python" and not block.note]
    texts = [block.text for block in shown if block.language == "text"]
    said = ask("page", code, folder)
    assert len(texts) == len(said)
    for number, (text, printed) in enumerate(zip(texts, said, strict=True), start=1):
        assert same_text(text, printed), f"block {number}: the page shows\n{text}printed is\n{printed}"
