"""The score can fail: what is whole passes, each damage is found by the checks meant for it, with what to do."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fair_hep import bundle
from fair_hep.bundle.errors import ConfigError
from fair_hep.bundle.files import read_json, write_json
from fair_hep.describe.write import refresh
from fair_hep.fair.badge import write_badge
from fair_hep.fair.evidence import Case, Evidence, Failure, State, perform
from fair_hep.fair.identity import is_doi, orcid_is_valid
from fair_hep.fair.principles import load_principles
from fair_hep.fair.programs import asked
from fair_hep.project.fair import CHECKS, judge, run
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project, load_project
from support.command import command
from support.complete import complete
from support.published import copy
from support.small import make_project
from support.standin import Answer, StandIn

Bundled = tuple[Project, Config]
Damage = Callable[[Path], None]
#: A folder of one machine; no file of the template names one.
HOME = "/".join(("", "home", "ada"))


@pytest.fixture(scope="module")
def whole(bundled: Bundled, tmp_path_factory: pytest.TempPathFactory) -> Bundled:
    """Give a project with everything; tests that damage it work on a copy."""
    project, config = copy(bundled, tmp_path_factory.mktemp("whole") / "project")
    refresh(complete(project))  # what the project's documents cite, the bundle's do too
    return project, config


def states(result: dict[str, Any]) -> dict[str, str]:
    return {row["id"]: row["state"] for row in result["principles"]}


def by_check(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["check"]: row for row in result["evidence"]}


# --- the table ------------------------------------------------------------------------------------------------------


def test_every_statement_is_checked_or_says_why_not() -> None:
    table = load_principles()
    counts = {source: sum(row.source == source for row in table) for source in ("FAIR4RS", "RDA", "ML")}
    assert counts == {"FAIR4RS": 17, "RDA": 41, "ML": 27}
    assert len({row.id for row in table}) == len(table)
    assert {name for row in table for name in row.checks} == set(CHECKS)
    assert all(row.checks or len(row.exempt or "") > 20 for row in table)
    assert all(check.__doc__ for check in CHECKS.values())


def test_a_principle_is_as_good_as_its_worst_check() -> None:
    row = next(row for row in load_principles() if len(row.checks) > 1)
    for worst in (State.PASSED, State.PUBLISH, State.EXPORT, State.WARNING, State.FAILED):
        found = {name: Evidence(name, State.PASSED, "") for name in row.checks}
        found[row.checks[-1]] = Evidence(row.checks[-1], worst, "")
        assert judge(row, found) is worst


# --- what is whole --------------------------------------------------------------------------------------------------


def test_a_project_before_its_first_run_passes_what_can_be_passed(tmp_path: Path) -> None:
    result = run(complete(make_project(tmp_path / "project")))
    assert "problem" not in result
    found = states(result)
    assert found["R1.1"] == State.PASSED
    assert found["RDA-F2-01M"] in (State.PASSED, State.EXPORT)
    assert found["R1.2"] == State.EXPORT
    assert found["F1"] == found["A1"] == State.PUBLISH
    assert found["A1.2"] == State.EXCEPT
    assert by_check(result)["checksums"]["state"] == State.EXPORT


def test_a_project_with_a_bundle_fails_nothing_and_misses_only_what_publishing_gives(whole: Bundled) -> None:
    result = run(whole[0])
    assert "problem" not in result, result.get("problem")
    assert set(states(result).values()) == {State.PASSED, State.PUBLISH, State.EXCEPT}
    assert result["counts"][State.PASSED] >= 40
    assert result["headline"][-1].startswith("85 principles: ")
    for row in result["evidence"]:
        assert row["did"]


def test_a_published_project_passes_everything_online(online: Project, registry: StandIn) -> None:
    result = run(online, online=True)
    assert "problem" not in result, result.get("problem")
    assert set(states(result).values()) == {State.PASSED, State.EXCEPT}
    asked = {(request.host, request.path) for request in registry.requests}
    assert ("doi.org", f"/{DOI}") in asked
    assert ("orcid.org", "/0000-0002-1825-0097") in asked
    assert run(online)["counts"][State.PUBLISH] > 0, "without --online nothing is resolved"


# --- damages --------------------------------------------------------------------------------------------------------


def identity(**changes: Any) -> Damage:
    """Change keys of project.yaml; None takes a key away."""

    def damage(root: Path) -> None:
        path = root / "project.yaml"
        values = yaml.safe_load(path.read_text()) | changes
        path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}))

    return damage


def text(name: str, old: str, new: str, *, listed: bool = True) -> Damage:
    """Replace words in a file; in the bundle, its checksum follows unless the damage is that it doesn't."""

    def damage(root: Path) -> None:
        path = root / name
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new, 1))
        _list(root, name, listed)

    return damage


def values(name: str, change: Callable[[Any], object]) -> Damage:
    """Change the values of a JSON file, with its checksum."""

    def damage(root: Path) -> None:
        content = read_json(root / name)
        change(content)
        write_json(root / name, content)
        _list(root, name, True)

    return damage


def gone(name: str, *, listed: bool = True) -> Damage:
    """Take a file away."""

    def damage(root: Path) -> None:
        (root / name).unlink()
        _list(root, name, listed)

    return damage


def holds(name: str, content: bytes) -> Damage:
    """Write a file, with its checksum."""

    def damage(root: Path) -> None:
        (root / name).write_bytes(content)
        _list(root, name, True)

    return damage


def _list(root: Path, name: str, listed: bool) -> None:
    if name.startswith("bundle/") and listed:
        bundle.write_sums(root / "bundle")


def root_of(crate: dict[str, Any]) -> dict[str, Any]:
    """Return the entity that is the crate."""
    return next(entity for entity in crate["@graph"] if entity["@id"] == "./")


def graph(**properties: str) -> Damage:
    """Write what a graph says of itself, with its checksum."""

    def damage(root: Path) -> None:
        import onnx

        path = root / "bundle" / bundle.MODEL
        model = onnx.load(path)
        onnx.helper.set_model_props(model, {**{e.key: e.value for e in model.metadata_props}, **properties})
        onnx.save(model, path)
        _list(root, f"bundle/{bundle.MODEL}", True)

    return damage


DATE = "date-released: '2026-35-11/22/26'\ntitle:"
DAMAGES: dict[str, tuple[Damage, set[str], str, str]] = {
    "a wrong digit in an ORCID": (
        identity(authors=[{"name": "Lovelace, Ada", "orcid": "0000-0002-1825-0098"}]),
        {"people"}, "F2", "0000-0002-1825-0098",
    ),
    "no licence": (gone("LICENSE"), {"licence_text"}, "R1.1", "LICENSE holds no text"),
    "the text of another licence": (
        text("LICENSE", "Permission is hereby granted", "All rights reserved"),
        {"licence_text"}, "RDA-R1.1-01M", "isn't the text of MIT",
    ),
    "a licence that SPDX doesn't list": (
        identity(licenses={"code": "MIT", "weights": "CC-BY-4", "data": "CC-BY-4.0"}),
        {"card", "datacite", "graph_metadata", "licences"}, "RDA-R1.1-02M", "licenses.weights is 'CC-BY-4'",
    ),
    "two licences for one thing": (
        text("CITATION.cff", "license: MIT", "license: BSD-3-Clause"), {"licences"},
        "R1.1", "CITATION.cff says BSD-3-Clause",
    ),
    "a changed file": (
        text("bundle/README.md", "How to cite", "How to quote", listed=False), {"checksums"}, "R1", "README.md changed",
    ),
    "an absolute path": (
        text("bundle/README.md", "## Factors", f"Made in {HOME}/models.\n\n## Factors"),
        {"paths"}, "R1.2", f"bundle/README.md holds {HOME}",
    ),
    "a DOI of the data that is none": (
        identity(dataset={"doi": "zenodo.2603256"}), {"data_identifier"}, "RDA-I3-02M", "'zenodo.2603256'",
    ),
    "data of others as the model's in its record": (
        values("bundle/datacite.json", lambda record: record["relatedIdentifiers"][0].update(
            relationType="IsDerivedFrom")),
        {"data_claims"}, "R1.2", "bundle/datacite.json (IsDerivedFrom) names 10.5281/zenodo.2603256",
    ),
    "data of others as the model's in the code's description": (
        values("codemeta.json", lambda code: code.update(supportingData=code.pop("citation"))),
        {"data_claims"}, "ML-R1.4-01M", "codemeta.json (supportingData) names 10.5281/zenodo.2603256",
    ),
    "data of others as the model's in its graph": (
        graph(dataset_doi="10.5281/zenodo.2603256"),
        {"data_claims"}, "RDA-I3-04M", "bundle/model.onnx (dataset_doi) names 10.5281/zenodo.2603256",
    ),
    "data of others as the model's in its card": (
        text("bundle/README.md", "library_name:", "datasets: [10.5281/zenodo.2603256]\nlibrary_name:"),
        {"data_claims"}, "R1.2", "bundle/README.md (datasets) names 10.5281/zenodo.2603256",
    ),
    "data of others as the model's in its citation": (
        text("bundle/CITATION.cff", "learn from it: a published", "see it: a published"),
        {"data_claims"}, "R1.2", "bundle/CITATION.cff (references) names 10.5281/zenodo.2603256",
    ),
    "the licence of data of others": (
        text("bundle/project.yaml", "data: CC0-1.0", "data: CC-BY-4.0"),
        {"data_claims"}, "R1.2", "bundle/project.yaml names the licence CC-BY-4.0, not CC0-1.0",
    ),
    "data that were used and aren't named": (
        values("bundle/provenance/data-train.json", lambda made: made["dataset"].update(doi="10.5281/zenodo.77")),
        {"data_claims"}, "ML-I3-01M", "it learned from 10.5281/zenodo.77, and bundle/datacite.json (IsDerivedFrom)",
    ),
    "a broken CITATION.cff": (text("CITATION.cff", "title:", DATE), {"citation"},
    "R3", "cffconvert refuses CITATION.cff"),
    "a codemeta.json that misspells": (
        text("codemeta.json", '"programmingLanguage"', '"programingLanguage"'),
        {"codemeta"}, "RDA-I1-02M", "'programingLanguage' is no term",
    ),
    "a codemeta.json that is no JSON": (
        text("codemeta.json", "{", "["),
        {"codemeta", "data_claims", "data_identifier", "licences", "people", "version"},
        "F4", "not JSON",
    ),
    "a step without provenance": (
        gone("bundle/provenance/train.json"), {"provenance", "ro_crate", "training"},
        "ML-R1.2-01M", "provenance/train.json is missing",
    ),
    "data without checksums": (
        values("bundle/provenance/data-train.json", lambda made: made.update(inputs={})),
        {"data_provenance"}, "ML-R1.4-01M", "data-train.json links no data file",
    ),
    "figures of another test set": (
        values("bundle/metrics.json", lambda made: made["test_set"].update(files={"test.h5": "0" * 64})),
        {"croissant", "data_provenance"}, "R1.2", "measured on other files",
    ),
    "figures without errors": (
        values("bundle/metrics.json", lambda made: made.update(metrics={"auc": 0.99})),
        {"evaluation"}, "ML-R1.7-02M", "no figures with errors",
    ),
    "no stored examples": (
        gone("bundle/examples/outputs.npz", listed=False), {"checksums", "examples", "ro_crate"},
        "R3", "outputs.npz is missing",
    ),
    "a pickle in the bundle": (
        holds("bundle/figures/cache.json", b"\x80\x04K\x01."), {"formats"}, "RDA-R1.3-01D", "cache.json is a pickle",
    ),
    "a graph that is none": (
        holds("bundle/model.onnx", b"not a graph"), {"data_claims", "examples", "graph", "graph_metadata"},
        "ML-R3-02S", "no valid ONNX graph",
    ),
    "another version": (
        text("CITATION.cff", "version: 0.1.0", "version: 0.2.0"), {"version"},
        "F1.2", "CITATION.cff says 0.2.0",
    ),
    "a DOI that is none": (
        identity(doi="doi:zenodo/1"), {"identifier", "identifier_in_metadata", "registered", "resolves"},
        "F1", "'doi:zenodo/1'",
    ),
    "a DOI that the metadata don't hold": (
        identity(doi="10.5281/zenodo.1"), {"identifier_in_metadata"}, "F3", "without 10.5281/zenodo.1",
    ),
    "a crate without a name": (
        values("bundle/ro-crate-metadata.json", lambda crate: root_of(crate).pop("name")),
        {"ro_crate"}, "RDA-R1.2-02M", "roc-validator, ro-crate-1.2: ",
    ),
    "a crate of a run without a program": (
        values("bundle/ro-crate-metadata.json", lambda crate: [e.pop("instrument", None) for e in crate["@graph"]]),
        {"ro_crate"}, "F1.1", "roc-validator, process-run-crate-0.5: ",
    ),
    "a Croissant without checksums": (
        values("bundle/croissant.json", lambda data: [file.pop("sha256", None) for file in data["distribution"]]),
        {"croissant"}, "ML-R1.4-01M", "mlcroissant refuses bundle/croissant.json",
    ),
    "a record without creators": (
        values("bundle/datacite.json", lambda record: record.pop("creators")),
        {"datacite"}, "ML-A1-01M", "'creators' is a required property",
    ),
    "a model that learned from nothing": (
        values("bundle/fair4ml.json", lambda model: model.pop("fair4ml:trainedOn")),
        {"fair4ml"}, "ML-R3-01M", "expected trainedOn",
    ),
    "a term that FAIR4ML hasn't": (
        values("bundle/fair4ml.json", lambda model: model.update({"fair4ml:explainedBy": "LRP"})),
        {"fair4ml"}, "I2", "fair4ml:explainedBy is no term",
    ),
    "a card under another licence": (
        text("bundle/README.md", "license: cc-by-4.0", "license: mit"), {"card"}, "R1", "not that of the weights",
    ),
    "a card without caveats": (
        text("bundle/README.md", "## Caveats and recommendations", "## Strengths"),
        {"card"}, "F2", "no section on: caveats and recommendations",
    ),
    "no workflow": (gone(".github/workflows/ci.yml"), {"practice"}, "R3", "a workflow that runs `make test`"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_found_by_the_checks_meant_for_it(whole: Bundled, tmp_path: Path, name: str) -> None:
    damage, expected, principle, words = DAMAGES[name]
    project, _ = copy(whole, tmp_path / "project")
    damage(project.root)
    result = run(load_project(project.root))
    failed = {check: row for check, row in by_check(result).items() if row["state"] == State.FAILED}
    assert set(failed) == expected
    assert states(result)[principle] == State.FAILED
    assert any(words in row["did"] for row in failed.values()), failed
    assert all(row["remedy"] for row in failed.values())
    assert result["problem"].endswith(", ".join(key for key, state in states(result).items() if state == State.FAILED))


def without_data_doi(whole: Bundled, folder: Path) -> Project:
    project, _ = copy(whole, folder)
    identity(dataset=None)(project.root)
    project = load_project(project.root)
    refresh(project)
    return project


def test_data_without_a_doi_are_a_warning_and_no_failure(whole: Bundled, tmp_path: Path) -> None:
    result = run(without_data_doi(whole, tmp_path / "project"), badge=tmp_path / "fair.svg")
    assert "problem" not in result
    warned = [key for key, state in states(result).items() if state == State.WARNING]
    assert warned == [row.id for row in load_principles() if "data_identifier" in row.checks]
    counts = result["counts"]
    assert (counts[State.WARNING], counts[State.FAILED]) == (len(warned), 0)
    found = by_check(result)["data_identifier"]
    assert found["state"] == State.WARNING
    assert "write its DOI into project.yaml as dataset.doi" in found["remedy"]
    lines = result["headline"]
    assert "what to do:" not in lines
    place = lines.index("warnings, which fail nothing:")
    assert lines[place + 1].startswith("  data_identifier: deposit the data")
    assert f"{len(warned)} passed with a warning" in lines[-1]
    badge = (tmp_path / "fair.svg").read_text()
    assert "failed" not in badge
    assert "#2e7d32" not in badge, "green is for projects without a warning"


def test_a_failure_beside_a_warning_is_still_a_failure(whole: Bundled, tmp_path: Path) -> None:
    project = without_data_doi(whole, tmp_path / "project")
    identity(authors=[{"name": "Lovelace, Ada", "orcid": "0000-0002-1825-0098"}])(project.root)
    result = run(load_project(project.root))
    assert states(result)["I2"] == State.FAILED
    assert {"what to do:", "warnings, which fail nothing:"} <= set(result["headline"])


def test_a_warning_ends_the_command_with_0(whole: Bundled, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    project = without_data_doi(whole, tmp_path / "project")
    done = command(project, "fair", "--json", capture=capfd)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"][State.WARNING] > 0


def test_weights_that_were_not_evaluated_are_found(whole: Bundled, tmp_path: Path) -> None:
    project, _ = copy(whole, tmp_path / "project")
    damage = values(
        "bundle/provenance/evaluate.json", lambda made: made["inputs"].update(dict.fromkeys(made["inputs"], "0" * 64))
    )
    damage(project.root)
    assert perform(CHECKS["provenance"], Case(project)).did.startswith("`evaluate` was made from other weights")


def test_what_the_ancestor_wrote_is_refused(whole: Bundled, tmp_path: Path) -> None:
    """cookiecutter4fair (b40fb9b) offered the licence "Apache-2" and wrote dates by '%Y-%M-%D'."""
    project, _ = copy(whole, tmp_path / "project")
    identity(licenses={"code": "Apache-2", "weights": "CC-BY-4.0", "data": "CC-BY-4.0"})(project.root)
    citation = yaml.safe_load((project.root / "CITATION.cff").read_text())
    citation |= {"date-released": "2026-35-11/22/26", "license": "Apache-2"}
    (project.root / "CITATION.cff").write_text(yaml.safe_dump(citation))
    result = run(load_project(project.root))
    found = by_check(result)
    assert found["citation"]["state"] == found["licences"]["state"] == State.FAILED
    assert "2026-35-11/22/26" in found["citation"]["did"] or "Apache-2" in found["citation"]["did"]
    assert "'Apache-2'" in found["licences"]["did"]
    assert {"R1.1", "F2", "R3"} <= {key for key, state in states(result).items() if state == State.FAILED}


# --- the network ----------------------------------------------------------------------------------------------------

DOI = "10.5281/zenodo.4242"


@pytest.fixture
def registry(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Run a stand-in for doi.org, orcid.org and a forge."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with StandIn(["doi.org", "orcid.org", "code.example.org"], tmp_path_factory.mktemp("registry")) as standin:
        for name, value in standin.environment.items():
            monkeypatch.setenv(name, value)
            monkeypatch.delenv(name.lower(), raising=False)
        page = Answer(200, b"<html>a page</html>")
        for host in ("doi.org", "orcid.org", "code.example.org"):
            standin.route("GET", host, r"/.+", lambda request, match: page)
        standin.route("GET", "doi.org", f"/{DOI}", lambda request, match: _described(request.headers["accept"]))
        yield standin


def _described(accept: str) -> Answer:
    return Answer.json({"title": "Tiny tagger"}) if "json" in accept else Answer(200, b"<html>a record</html>")


@pytest.fixture
def online(whole: Bundled, tmp_path: Path) -> Project:
    """Give a project as it is once its record is published: with a DOI, a repository, and a commit in the bundle."""
    project, _ = copy(whole, tmp_path / "project")
    identity(doi=DOI, repository="https://code.example.org/tiny")(project.root)
    values("bundle/provenance.json", lambda made: made.update(git_commit="c0ffee" * 6 + "c0ff"))(project.root)
    project = complete(load_project(project.root))
    refresh(project)
    return project


@pytest.mark.parametrize(
    ("answer", "check", "words"),
    [
        (Answer.json({}, 404), "resolves", f"https://doi.org/{DOI} gives 404"),
        (Answer.json({}, 404), "registered", "gives 404, so no description is registered"),
        (Answer(200, b"<html>"), "registered", "no description as JSON"),
        (Answer.json({"publisher": "X"}), "registered", "has no title"),
    ],
)
def test_links_that_lead_nowhere_are_failures(
    online: Project, registry: StandIn, answer: Answer, check: str, words: str
) -> None:
    registry.route("GET", "doi.org", f"/{DOI}", lambda request, match: answer)
    found = perform(CHECKS[check], Case(online, online=True))
    assert found.state is State.FAILED
    assert words in found.did


def test_without_a_network_online_fails_in_one_line(online: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    found = perform(CHECKS["registered"], Case(online, online=True))
    assert found.state is State.FAILED
    assert "Error" in found.did
    assert "--online" in str(found.remedy)


# --- the rest -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "check"),
    [
        ("pyshacl", "codemeta"),
        ("pyshacl", "fair4ml"),
        ("license_expression", "licences"),
        ("onnx", "graph"),
        ("datacite", "datacite"),
        ("rocrate_validator", "ro_crate"),
        ("rocrate", "ro_crate"),
    ],
)
def test_a_validator_that_is_not_installed_is_a_failure_never_a_pass(
    whole: Bundled, monkeypatch: pytest.MonkeyPatch, module: str, check: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    found = perform(CHECKS[check], Case(whole[0]))
    assert found.state is State.FAILED
    assert found.remedy == "pip install '.[fair]'"


def test_a_program_that_is_not_installed_is_a_failure_too(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no-such-validator isn't installed, so nothing was checked") as found:
        asked("no-such-validator", [], tmp_path, b"")
    assert found.value.remedy == "pip install '.[fair]'"


def test_the_command_prints_the_whole_result_and_ends_with_1_if_something_failed(
    whole: Bundled, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    project, _ = copy(whole, tmp_path / "project")
    badge = tmp_path / "fair.svg"
    done = command(project, "fair", "--json", "--badge", str(badge), capture=capfd)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"][State.FAILED] == 0
    assert "#1565c0" in badge.read_text()
    (project.root / "LICENSE").unlink()
    done = command(project, "fair", "--json", "--badge", str(badge), capture=capfd)
    assert done.returncode == 1
    assert json.loads(done.stdout)["counts"][State.FAILED] > 0
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "principles failed: R1.1" in done.stderr
    assert "failed" in badge.read_text()


@pytest.mark.parametrize(("passed", "failed", "color"), [(80, 0, "#2e7d32"), (40, 0, "#1565c0"), (79, 1, "#b3261e")])
def test_a_badge_says_what_it_counts(tmp_path: Path, passed: int, failed: int, color: str) -> None:
    write_badge(tmp_path / "badge.svg", passed=passed, failed=failed, total=80)
    drawn = ET.fromstring((tmp_path / "badge.svg").read_text())
    words = " ".join(drawn.itertext())
    assert f"{passed} of 80" in words
    assert ("failed" in words) == bool(failed)
    assert color in (tmp_path / "badge.svg").read_text()


@pytest.mark.parametrize("orcid", ["0000-0002-1825-0097", "https://orcid.org/0000-0002-9079-593X"])
def test_orcids_with_their_check_digit(orcid: str) -> None:
    assert orcid_is_valid(orcid)
    place = orcid.index("0000") + 3
    for digit in "123456789":
        assert not orcid_is_valid(orcid[:place] + digit + orcid[place + 1 :])


@pytest.mark.parametrize(
    "orcid", ["", "0000000218250097", "0000-0002-1825-009", "http://orcid.org/0000-0002-1825-0097"]
)
def test_what_has_not_the_form_of_an_orcid(orcid: str) -> None:
    assert not orcid_is_valid(orcid)


def test_dois() -> None:
    assert all(map(is_doi, ["10.5281/zenodo.2603256", "10.1103/PhysRevD.101.056019", "10.7483/OPENDATA.CMS.JGJX.MS7Q"]))
    assert not any(map(is_doi, ["", "10.5281", "10.5281/", "doi:10.5281/zenodo.1", "10.52/x", "10.5281/a b"]))


def test_a_table_that_names_an_unknown_check_is_refused(whole: Bundled, monkeypatch: pytest.MonkeyPatch) -> None:
    from fair_hep.project import fair as verb

    monkeypatch.setattr(verb, "CHECKS", {name: check for name, check in CHECKS.items() if name != "people"})
    with pytest.raises(ConfigError, match="no such check: people"):
        run(whole[0])
