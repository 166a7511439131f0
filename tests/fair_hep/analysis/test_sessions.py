"""What travels is small and says which bundle is meant; each process opens it once."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import awkward
import pytest

from fair_hep.analysis import ArrayModel, sessions
from fair_hep.bundle import runtime, write_sums
from fair_hep.bundle.errors import BundleError, MissingStepError
from fair_hep.publish.archive import write_archive
from support.kept import kept
from support.zenodo import Zenodo

JETS = awkward.Array(
    [[{"E": 300.0, "px": 280.0, "py": 10.0, "pz": 20.0}, {"E": 30.0, "px": 28.0, "py": 0.0, "pz": 2.0}]]
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return kept("particlenet", tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Give the files of the sessions that are opened, with their threads, in a process that has none yet."""
    found: list[tuple[str, int]] = []
    real = runtime.session

    def session(path: Path, *, threads: int = 0) -> Any:
        found.append((path.name, threads))
        return real(path, threads=threads)

    monkeypatch.setattr(runtime, "session", session)
    monkeypatch.setattr(sessions, "_open", {})
    return found


def test_nothing_is_opened_before_it_is_asked_and_then_once_by_all_threads(
    bundle: Path, opened: list[tuple[str, int]]
) -> None:
    sent = pickle.dumps(ArrayModel(bundle, threads=2))
    assert len(sent) < 1024
    assert opened == []
    models = [pickle.loads(sent) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda model: model.explain(JETS).explained[0], models))
    assert len(set(found)) == 1
    assert opened == [("model.onnx", 2), ("model_explained.onnx", 2)]
    assert sessions.opened(models[0].source).session.get_session_options().intra_op_num_threads == 2
    ArrayModel(bundle).predict(JETS)
    assert opened[2:] == [("model.onnx", 1)]


def test_a_used_model_travels_as_a_new_one(bundle: Path) -> None:
    model = ArrayModel(bundle)
    sent = pickle.dumps(model)
    model.explain(JETS)
    assert pickle.dumps(model) == sent
    arrived = pickle.loads(sent)
    assert arrived.signature == model.signature
    assert repr(arrived) == f"ArrayModel('{bundle}', threads=1)"
    assert arrived.__dask_tokenize__() == model.__dask_tokenize__() != ArrayModel(bundle, threads=2).__dask_tokenize__()


def test_another_bundle_at_the_same_place_is_refused(bundle: Path, opened: list[tuple[str, int]]) -> None:
    model = ArrayModel(bundle)
    (bundle / "README.md").write_text("Another one.", encoding="utf-8")
    with pytest.raises(BundleError, match=r"README\.md"):
        model.predict(JETS)
    write_sums(bundle)
    with pytest.raises(
        BundleError, match=r"another bundle on .* than where the analysis began \(SHA256SUMS has SHA-256"
    ):
        model.predict(JETS)
    (bundle / "SHA256SUMS").unlink()
    with pytest.raises(BundleError, match=r"no bundle on .*: put it where all workers see it"):
        model.predict(JETS)
    assert opened == []
    with pytest.raises(BundleError, match="SHA256SUMS is missing"):
        ArrayModel(bundle)
    with pytest.raises(MissingStepError, match=r"nowhere/signature\.json is missing"):
        ArrayModel(bundle.with_name("nowhere"))


def test_a_model_travels_by_its_doi_and_is_fetched_where_it_arrives(
    bundle: Path, zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_archive(bundle, tmp_path / "model-0.1.0.zip")
    zenodo.add(1001, {"model-0.1.0.zip": (tmp_path / "model-0.1.0.zip").read_bytes(), "README.md": b"a model"})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "here"))
    model = ArrayModel("10.5281/zenodo.1001")
    found = model.predict(JETS)
    seen = len(zenodo.requests)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
    monkeypatch.setattr(sessions, "_open", {})
    arrived = pickle.loads(pickle.dumps(model))
    assert len(zenodo.requests) == seen
    assert awkward.array_equal(arrived.predict(JETS), found)
    assert len(zenodo.requests) > seen
    assert arrived.source.place == "10.5281/zenodo.1001"
    assert (tmp_path / "there" / "fair-hep" / "10.5281_zenodo.1001" / "model.onnx").is_file()
