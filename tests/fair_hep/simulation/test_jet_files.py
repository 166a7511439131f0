from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from top_tagger import MODEL

from fair_hep.bundle.errors import ConfigError, DataError
from fair_hep.bundle.files import read_json, sha256
from fair_hep.data.toptag import CONSTITUENTS, LABEL, ORIGINS, TTV, Block
from fair_hep.jets.reader import Chunk, open_table
from fair_hep.simulation import jet_generator as generator
from fair_hep.simulation.jet_files import SAMPLE, rounded, simulate
from support import recipes
from support.needs import require

FOLDER = recipes.FOLDER / "particlenet" / "sample"


def whole(path: Path) -> Chunk:
    with open_table(path) as table:
        return table.chunk(0, table.jets)


def truth(path: Path) -> np.ndarray:
    columns = ["truthE", "truthPX", "truthPY", "truthPZ"]
    return np.asarray(pandas.read_hdf(path, key="table")[columns], np.float64)


def mass(momenta: np.ndarray) -> np.ndarray:
    squared = momenta[..., 0] ** 2 - (momenta[..., 1:] ** 2).sum(-1)
    return np.asarray(np.sqrt(np.maximum(squared, 0)))


def pt(momenta: np.ndarray) -> np.ndarray:
    return np.asarray(np.hypot(momenta[..., 1], momenta[..., 2]))


def eta(momenta: np.ndarray) -> np.ndarray:
    return np.asarray(np.arcsinh(momenta[..., 3] / pt(momenta)))


def distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    phi = np.angle(np.exp(1j * (np.arctan2(one[:, 2], one[:, 1]) - np.arctan2(other[:, 2], other[:, 1]))))
    return np.asarray(np.hypot(eta(one) - eta(other), phi))


def check_jets(path: Path, *, slack: float) -> None:
    """Jets are as the reference set defines them; ``slack`` is the precision of the momenta."""
    jets, parents = whole(path), truth(path)
    axis, top = jets.axis.astype(np.float64), jets.label == 1
    assert abs(int(top.sum()) - int((~top).sum())) <= 1
    assert pt(axis).min() > 550 * (1 - slack)
    assert pt(axis).max() < 650 * (1 + slack)
    assert np.abs(eta(axis)).max() < 2 + slack
    assert jets.resorted == 0
    assert (jets.particles.counts() >= 1).all()
    momenta = jets.particles.values.astype(np.float64)
    assert (momenta[:, 0] >= np.linalg.norm(momenta[:, 1:], axis=1) * (1 - 1e-4)).all()
    assert not parents[~top].any()
    assert (distance(parents[top], axis[top]) < 0.8 + slack).all()
    # The width of the top quark is 1.4 GeV, with the long tails of a resonance.
    assert abs(np.median(mass(parents[top])) - 172.5) < 1.5
    assert np.mean(np.abs(mass(parents[top]) - 172.5) < 10) > 0.8
    table = pandas.read_hdf(path, key="table")
    assert table.shape == (len(axis), 806 + CONSTITUENTS)
    check_origins(jets)
    assert set(table["ttv"]) == {TTV[path.stem]}
    assert set(table[LABEL]) == {0, 1}


def check_origins(jets: Chunk) -> None:
    """Tops have decay quarks, QCD jets two sides; both have a little that is neither."""
    assert jets.origin is not None
    label = np.repeat(jets.label, jets.origin.counts())
    code, energy = jets.origin.values[:, 0], jets.particles.values[:, 0]
    quarks, sides, shared = ([ORIGINS[name] for name in names] for names in (("b", "q", "q'"), _SIDES, ("shared",)))
    assert set(code[label == 1]) <= {ORIGINS["none"], *quarks, *shared}
    assert set(code[label == 0]) <= {ORIGINS["none"], *sides, *shared}
    for kind, named in ((1, quarks), (0, sides)):
        share = energy[(label == kind) & np.isin(code, named)].sum() / energy[label == kind].sum()
        assert share > (0.85 if kind else 0.5)


_SIDES = ("first side", "second side")


@pytest.mark.parametrize("split", SAMPLE)
def test_the_sample_is_what_the_reference_set_is(split: str) -> None:
    check_jets(FOLDER / f"{split}.h5", slack=0.005)


def test_tops_have_the_mass_of_the_top_quark_and_qcd_jets_are_lighter() -> None:
    jets = whole(FOLDER / "test.h5")
    masses = mass(jets.axis.astype(np.float64))
    top, qcd = masses[jets.label == 1], masses[jets.label == 0]
    counts, edges = np.histogram(top, np.arange(100, 260, 5))
    assert 165 <= edges[counts.argmax()] <= 175
    assert np.mean((top > 150) & (top < 200)) > 0.75
    assert np.median(qcd) < 100
    assert jets.particles.counts()[jets.label == 1].mean() > jets.particles.counts()[jets.label == 0].mean()


def test_the_sample_is_small_whole_and_says_where_it_comes_from() -> None:
    about = read_json(FOLDER / "provenance.json")
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 4 * 2**20
    assert {path.name for path in FOLDER.iterdir()} == {*about["sha256"], "provenance.json"}
    for name, checksum in about["sha256"].items():
        assert sha256(FOLDER / name) == checksum
    assert about["jets"] == SAMPLE == {split: len(whole(FOLDER / f"{split}.h5").label) for split in SAMPLE}
    assert about["license"] == "CC0-1.0"
    assert about["rounding"]["jet_mass_rms_gev"] < 0.2
    assert about["generator"].keys() == {"pythia8mc", "fastjet"}


def test_no_jet_of_the_sample_is_in_two_splits() -> None:
    axes = np.concatenate([whole(FOLDER / f"{split}.h5").axis for split in SAMPLE])
    assert len(np.unique(axes, axis=0)) == len(axes)


def test_labels_of_the_sample_are_mixed() -> None:
    label = whole(FOLDER / "train.h5").label
    changes = int((label[1:] != label[:-1]).sum())
    assert 0.4 < changes / len(label) < 0.6


def test_rounding_keeps_what_matters() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(0, 20, (50, CONSTITUENTS, 3)) * random.exponential(1, (50, CONSTITUENTS, 1))
    energy = np.sqrt((vectors**2).sum(-1, keepdims=True) + 0.14**2)
    particles = np.concatenate([energy, vectors], -1).astype(np.float32)
    particles[:, 120:] = 0
    # Each constituent's own number, so that it can be followed.
    origin = np.tile(np.arange(CONSTITUENTS) % 120, (50, 1)).astype(np.int8)
    block = Block(particles, np.ones((50, 4), np.float32), np.zeros(50), 0, origin)
    before = particles.copy()
    result, after = rounded(block).particles, rounded(block).origin
    assert after is not None
    real = result[..., 0] > 0
    jet = np.repeat(np.arange(50), 120)
    np.testing.assert_allclose(result[real][:, 1:], particles[jet, after[real]][:, 1:], rtol=0.004)
    np.testing.assert_array_equal(particles, before)
    assert ((result[..., 0] > 0).sum(1) == 120).all()
    assert not result[:, 120:].any()
    assert (np.diff(pt(result), axis=1) <= 0).all()
    assert not (result[..., 1:].view(np.uint32) & ((1 << 16) - 1)).any()
    assert not (result[..., 0].copy().view(np.uint32) & ((1 << 8) - 1)).any()
    exact, kept = (mass(jets.sum(1, dtype=np.float64)) for jets in (particles, result))
    np.testing.assert_allclose(kept, exact, rtol=2e-3)
    np.testing.assert_array_equal(rounded(rounded(block)).particles[..., 1:], result[..., 1:])


def test_without_pythia_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(DataError, match=r"pythia8mc isn't installed: .*whl\[simulate\]"):
        simulate(tmp_path / "raw", size=10, seed=1)
    assert not list(tmp_path.iterdir())


def test_too_few_jets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got 9 jets, expected at least 10"):
        simulate(tmp_path / "raw", size=9, seed=1)


def need_pythia() -> None:
    require(importlib.util.find_spec("pythia8mc"), "pythia8mc isn't installed")
    require(importlib.util.find_spec("fastjet"), "fastjet isn't installed")


def test_a_setting_that_pythia_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    need_pythia()
    monkeypatch.setattr(generator, "_COMMON", ("Print:quiet = on", "Beams:colour = red"))
    with pytest.raises(DataError, match="refuses the setting 'Beams:colour = red'"):
        generator.generate("qcd", 1, seed=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"level": "parton"}, "level"), ({"card": "ALEPH"}, "card"), ({"granularity": "rough"}, "granularity"),
     ({"shower": "dire"}, "shower"), ({"pileup": 3}, "pileup")],
)  # fmt: skip
def test_options_that_do_not_fit_are_one_line(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        MODEL.simulate(tmp_path / "out", size=10, seed=0, processes=1, **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_simulated_jets_depend_on_the_seed_but_not_on_the_processes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    need_pythia()
    first = simulate(tmp_path / "one", size=101, seed=7, processes=1)
    simulate(tmp_path / "two", size=101, seed=7, processes=2)
    simulate(tmp_path / "other", size=10, seed=8, processes=2)
    assert capfd.readouterr().out == ""
    assert {split: [path.name for path in paths] for split, paths in first.items()} == {
        "train": ["train.h5"],
        "val": ["val.h5"],
        "test": ["test.h5"],
    }
    for name in ("train.h5", "val.h5", "test.h5", "simulation.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    lengths = [len(whole(tmp_path / "one" / f"{split}.h5").label) for split in ("train", "val", "test")]
    assert lengths == [61, 20, 20]
    for split in ("train", "val", "test"):
        check_jets(tmp_path / "one" / f"{split}.h5", slack=1e-4)
    one, other = whole(tmp_path / "one" / "train.h5"), whole(tmp_path / "other" / "train.h5")
    assert not np.isin(other.axis[:, 0], one.axis[:, 0]).any()
    assert read_json(tmp_path / "one" / "simulation.json")["jets"] == {"train": 61, "val": 20, "test": 20}
