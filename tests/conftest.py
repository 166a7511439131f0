"""Fixtures that several tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

import support.recipes  # noqa: F401 - makes the recipes importable, before a test asks for one
from fair_hep.bundle.privacy import report_nothing
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project, load_project
from support import needs
from support.archives import Archives
from support.standin import StandIn
from support.zenodo import Zenodo

# Some tests import ONNX Runtime or MLflow themselves.
report_nothing()

_PROXY = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count as slow whatever needs a project that has been through the chain, and run their files first.

    Of several processes the first makes that project meanwhile, and those that begin further on needn't wait for it.
    """
    waiting = [item for item in items if {"bundled", "third_party"} & set(getattr(item, "fixturenames", ()))]
    for item in waiting:
        item.add_marker(pytest.mark.slow)
    _share(items)
    files = {item.path for item in waiting}
    items.sort(key=lambda item: item.path not in files)


def _share(items: list[pytest.Item]) -> None:
    """Give every target of `make fuzz` its share of the time."""
    targets = [item for item in items if item.get_closest_marker("fuzz")]
    if targets and "FUZZ_TOTAL" in os.environ:
        os.environ["FUZZ_SECONDS"] = str(float(os.environ["FUZZ_TOTAL"]) / len(targets))


@pytest.fixture(scope="session", autouse=True)
def quick_disk() -> Iterator[None]:
    """Let nobody wait for the disk: what tests write needn't survive a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture
def require() -> Callable[[object, str], None]:
    """Give `needs.require`: skip with a reason, or fail under ``REQUIRE_ALL=1``."""
    return needs.require


@pytest.fixture
def zenodo(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zenodo]:
    """Run a stand-in for Zenodo, which programs with this environment take for the real one."""
    with Zenodo(tmp_path_factory.mktemp("zenodo")) as standin:
        _lead_to(standin, monkeypatch)
        yield standin


@pytest.fixture
def archives(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archives]:
    """Run stand-ins for all archives that data may come from, likewise."""
    with Archives(tmp_path_factory.mktemp("archives")) as standin:
        _lead_to(standin, monkeypatch)
        yield standin


def _lead_to(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*_PROXY, *_TRUST, "ZENODO_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in standin.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Project, Config]:
    """Give a project with a bundle of random weights; tests that change it work on a copy.

    It is made once, by the first process of the tests that needs it; each process has a copy of its own.
    """
    from filelock import FileLock

    from support.published import copy, make_config_of, make_published

    own = tmp_path_factory.mktemp("bundled") / "project"
    shared = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    original = shared / "published"
    with FileLock(shared / "published.lock"):
        made = load_project(original) if (original / "bundle").is_dir() else make_published(original)[0]
    return copy((made, make_config_of(made)), own)
