"""Descriptions: one source, every format; what is known is right by the official validators, what isn't is left out."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fair_hep import bundle
from fair_hep.bundle.cite import cite
from fair_hep.bundle.errors import BundleError, MissingStepError
from fair_hep.bundle.files import read_json, sha256, write_json
from fair_hep.describe.citation import COMPARED, LEARNED, UNTOLD
from fair_hep.describe.codemeta import codemeta
from fair_hep.describe.crate import ro_crate
from fair_hep.describe.croissant import croissant
from fair_hep.describe.facts import gather
from fair_hep.describe.fair4ml import fair4ml
from fair_hep.describe.inveniordm import inveniordm
from fair_hep.describe.listing import Listing, list_bundle
from fair_hep.describe.origin import Origin
from fair_hep.describe.schema_org import catalogue
from fair_hep.describe.terms import NAMESPACE, PREFIX
from fair_hep.describe.write import refresh, write_all
from fair_hep.fair.shapes import violations
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project, load_project
from fair_hep.publish.image import labels
from support.crates import crate_problems
from support.needs import require
from support.published import copy
from support.template import ROOT

Bundled = tuple[Project, Config]

#: Everything that is rendered, where it lies, and which facts it tells.
RENDERED = {
    "bundle/CITATION.cff": {"title", "author", "code", "version", "doi"},
    "bundle/README.md": {"title", "author", "code", "weights", "version", "doi"},
    "bundle/project.yaml": {"title", "author", "code", "weights", "version", "doi"},
    "bundle/datacite.json": {"title", "author", "weights", "version", "doi"},
    "bundle/croissant.json": {"title", "version"},
    "bundle/fair4ml.json": {"title", "author", "code", "weights", "version", "doi"},
    "bundle/ro-crate-metadata.json": {"title", "author", "code", "weights", "version", "doi"},
    "dist/CITATION.cff": {"title", "author", "code", "version", "doi"},
    "dist/codemeta.json": {"title", "author", "code", "version", "doi"},
    "dist/.zenodo.json": {"title", "author", "code", "version"},
    "dist/datacite.json": {"title", "author", "weights", "version", "doi"},
}
OLD = {
    "title": "The first of titles", "author": "Noether", "code": "Apache-2.0", "weights": "CC-BY-NC-4.0",
    "data": "CC-BY-ND-4.0", "version": "3.1.41", "doi": "10.5281/zenodo.111111",
}  # fmt: skip
NEW = {
    "title": "Quite another name", "author": "Meitner", "code": "BSD-3-Clause", "weights": "CC-BY-SA-4.0",
    "data": "ODbL-1.0", "version": "7.8.99", "doi": "10.5281/zenodo.222222",
}  # fmt: skip


@pytest.fixture
def project(bundled: Bundled, tmp_path: Path) -> Project:
    return copy(bundled, tmp_path / "project")[0]


def installed(package: str) -> None:
    require(importlib.util.find_spec(package), f"{package} is not installed")


def rewrite(project: Project, said: dict[str, str]) -> Project:
    """Write facts into ``project.yaml``, as a person would, and render everything."""
    path = project.root / "project.yaml"
    values = yaml.safe_load(path.read_text())
    values |= {"title": said["title"], "version": said["version"], "doi": said["doi"]}
    values["authors"] = [{"name": f"{said['author']}, A", "orcid": "0000-0002-1825-0097"}]
    values["licenses"] = {"code": said["code"], "weights": said["weights"], "data": said["data"]}
    path.write_text(yaml.safe_dump(values))
    changed = load_project(project.root)
    write_all(changed, changed.root / "dist")
    return changed


def test_a_change_in_one_place_changes_every_file(project: Project) -> None:
    for said, others in ((OLD, NEW), (NEW, OLD)):
        rewrite(project, said)
        for name, facts in RENDERED.items():
            text = (project.root / name).read_text().casefold()
            for fact in facts:
                assert said[fact].casefold() in text, f"{name} doesn't tell the {fact}"
            for fact, other in others.items():
                assert other.casefold() not in text, f"{name} tells the wrong {fact}"


def test_every_rendered_file_is_looked_at(project: Project) -> None:
    written = write_all(project, project.root / "dist")
    assert {f"dist/{name}" for name in written} == {name for name in RENDERED if name.startswith("dist/")}
    before = {path: path.stat().st_mtime_ns for path in project.bundle.rglob("*") if path.is_file()}
    refresh(project.model_copy(update={"title": "Other"}))
    changed = {
        path.relative_to(project.root).as_posix() for path, when in before.items() if path.stat().st_mtime_ns != when
    }
    # The vocabulary tells no facts of the project.
    assert changed - {"bundle/SHA256SUMS", "bundle/terms.jsonld"} == {n for n in RENDERED if n.startswith("bundle/")}


def test_graphs_weights_and_examples_stay_and_the_sums_follow(project: Project) -> None:
    def fixed() -> dict[str, str]:
        names = [bundle.MODEL, bundle.EXPLAINED, bundle.WEIGHTS, bundle.SIGNATURE, "examples/inputs.npz"]
        return {name: sha256(project.bundle / name) for name in names}

    before = fixed()
    changed = project.model_copy(update={"doi": "10.5281/zenodo.11"})
    assert refresh(changed)
    assert fixed() == before
    assert bundle.check_files(project.bundle) > 10
    assert not refresh(changed), "the same facts gave other bytes"


def test_a_bundle_that_cannot_be_described_stays_as_it_is(project: Project) -> None:
    (project.bundle / bundle.SIGNATURE).write_text("{")
    before = {path: path.read_bytes() for path in project.bundle.rglob("*") if path.is_file()}
    with pytest.raises(BundleError, match=r"signature\.json"):
        write_all(project, project.root / "dist")
    assert {path: path.read_bytes() for path in project.bundle.rglob("*") if path.is_file()} == before
    assert [path.name for path in project.root.iterdir() if path.name.startswith(".bundle")] == []
    shutil.rmtree(project.bundle)
    with pytest.raises(MissingStepError, match="export"):
        gather(project)


def test_what_is_not_known_is_left_out(project: Project) -> None:
    path = project.root / "project.yaml"
    values = yaml.safe_load(path.read_text())
    for name in ("authors", "dataset"):
        del values[name]
    del values["licenses"]["data"]
    path.write_text(yaml.safe_dump(values))
    (project.bundle / "provenance" / "data-val.json").unlink()
    bare = load_project(project.root)
    write_all(bare, bare.root / "dist")
    for name in RENDERED:
        if name.endswith(".json"):
            assert not [leaf for leaf in _leaves(read_json(bare.root / name)) if leaf in (None, "", "None", [], {})], (
                name
            )
        assert "10.5281" not in (bare.root / name).read_text().replace("zenodo.14002310", ""), name
    crate = _entities(read_json(bare.bundle / "ro-crate-metadata.json"))
    assert "agent" not in crate["#run-train"], "nobody is known to have run it"
    assert "fair4ml:validatedOn" not in read_json(bare.bundle / "fair4ml.json")


def _leaves(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    if not isinstance(value, dict | list) or not value:
        yield value
    for part in inner:
        yield from _leaves(part)


def test_a_person_whose_names_were_not_given_apart_is_a_person_everywhere(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    path = project.root / "project.yaml"
    values = yaml.safe_load(path.read_text())
    values["authors"] = [{"name": "Ada King Lovelace", "orcid": "0000-0002-1825-0097"}, {"name": "The ABC group"}]
    path.write_text(yaml.safe_dump(values))
    told = load_project(project.root)
    refresh(told)
    assert "family name 'Lovelace', given name 'Ada King'" in caplog.text
    assert "ABC" not in caplog.text
    citation = yaml.safe_load((told.bundle / "CITATION.cff").read_text())["authors"]
    assert (citation[0]["family-names"], citation[0]["given-names"]) == ("Lovelace", "Ada King")
    assert citation[1] == {"name": "The ABC group"}
    person, group = read_json(told.bundle / "datacite.json")["creators"]
    assert (person["nameType"], person["name"]) == ("Personal", "Lovelace, Ada King")
    assert group["nameType"] == "Organizational"
    assert [author["@type"] for author in codemeta(told)["author"]] == ["Person", "Organization"]
    assert inveniordm(told, "2026-01-01")["creators"][0]["person_or_org"]["type"] == "personal"
    listed = catalogue(Listing(title="Some", models=[list_bundle(told.bundle, "tiny")]))["dataset"][0]["creator"]
    assert [author["@type"] for author in listed] == ["Person", "Organization"]


def of_the_record(project: Project, doi: str | None) -> None:
    """Let the steps tell that all data were fetched by a DOI."""
    for split in ("train", "val", "test"):
        path = project.bundle / "provenance" / f"data-{split}.json"
        made = read_json(path)
        made["dataset"] |= {"doi": doi, "files": "https://zenodo.org/records/1/files"}
        write_json(path, made)
    refresh(project)


def with_reference(project: Project) -> None:
    """Let the project's citation name the published data, as that of a generated project does."""
    entry = {"type": "data", "title": "Jets", "authors": [{"name": "They"}], "doi": project.dataset.doi}
    entry["notes"] = UNTOLD
    (project.root / "CITATION.cff").write_text(yaml.safe_dump({"message": "Cite it.", "references": [entry]}))
    refresh(project)


def relations(project: Project) -> list[tuple[str, str]]:
    found = read_json(project.bundle / "datacite.json")["relatedIdentifiers"]
    return [(row["relationType"], row["relatedIdentifier"]) for row in found if row["resourceTypeGeneral"] == "Dataset"]


def test_a_published_data_set_that_was_not_used_is_a_reference_everywhere(project: Project) -> None:
    with_reference(project)
    doi = str(project.dataset.doi)
    facts = gather(project)
    assert (facts.data.doi, facts.data.license, facts.reference) == (None, "CC0-1.0", doi)
    assert relations(project) == [("References", doi)]
    assert inveniordm(project, "2026-01-01")["related_identifiers"][0]["relation_type"] == {"id": "references"}
    assert "supportingData" not in codemeta(project)
    assert codemeta(project)["citation"] == {"@id": f"https://doi.org/{doi}", "@type": "Dataset"}
    stated = yaml.safe_load((project.bundle / "project.yaml").read_text())
    assert stated["licenses"]["data"] == "CC0-1.0"
    assert "doi" not in stated.get("dataset", {})
    assert list_bundle(project.bundle, "tiny").licenses.data == "CC0-1.0"
    assert "CC0-1.0" in labels(project)["org.opencontainers.image.licenses"]
    assert COMPARED.rstrip(".") in cite(project.bundle).text
    # What the project's file says before there is a model would say the same once more.
    assert UNTOLD in (ROOT / "{{cookiecutter.project_slug}}" / "CITATION.cff").read_text(encoding="utf-8")
    assert UNTOLD.rstrip(".") not in cite(project.bundle).text
    # Where it is named as text: in no document but those that call it a reference.
    named = {path.name for path in project.bundle.rglob("*") if path.is_file() and doi in path.read_text("latin-1")}
    assert named == {"CITATION.cff", "datacite.json"}


def test_a_data_set_that_was_used_is_named_as_such_everywhere(project: Project) -> None:
    with_reference(project)
    doi = str(project.dataset.doi)
    of_the_record(project, doi)
    facts = gather(project)
    assert (facts.data.doi, facts.data.license, facts.reference) == (doi, "CC-BY-4.0", None)
    assert relations(project) == [("IsDerivedFrom", doi)]
    assert inveniordm(project, "2026-01-01")["related_identifiers"][0]["relation_type"] == {"id": "isderivedfrom"}
    assert codemeta(project)["supportingData"]["@id"] == f"https://doi.org/{doi}"
    assert "citation" not in codemeta(project)
    stated = yaml.safe_load((project.bundle / "project.yaml").read_text())
    assert (stated["dataset"]["doi"], stated["licenses"]["data"]) == (doi, "CC-BY-4.0")
    assert LEARNED.rstrip(".") in cite(project.bundle).text
    assert COMPARED.rstrip(".") not in cite(project.bundle).text
    described = read_json(project.bundle / "croissant.json")
    assert described["citeAs"] == f"https://doi.org/{doi}"
    assert described["distribution"][0]["contentUrl"].startswith("https://zenodo.org/records/1/files/")


def test_data_of_another_record_are_named_beside_the_reference(project: Project) -> None:
    of_the_record(project, "10.5281/zenodo.77")
    assert relations(project) == [("IsDerivedFrom", "10.5281/zenodo.77"), ("References", str(project.dataset.doi))]
    assert gather(project).data.license == "CC0-1.0", "the project's licence is that of the other data set"


def test_the_licence_of_own_files_is_what_the_project_says(project: Project) -> None:
    path = project.bundle / "provenance" / "data-train.json"
    made = read_json(path)
    made["configuration"]["data"]["source"] = "folder"
    made["dataset"] = {}
    assert Origin.of(project, made).license is None
    own = project.model_copy(update={"dataset": project.dataset.model_copy(update={"doi": None})})
    assert Origin.of(own, made).license == "CC-BY-4.0"


def test_citations_of_others_stay_in_codemeta(project: Project) -> None:
    article = {"@id": "https://doi.org/10.1000/1", "@type": "ScholarlyArticle"}
    write_json(project.root / "codemeta.json", {"citation": article})
    first = codemeta(project)
    assert [entry["@type"] for entry in first["citation"]] == ["ScholarlyArticle", "Dataset"]
    write_json(project.root / "codemeta.json", first)
    assert codemeta(project)["citation"] == first["citation"]


# -- the official validators -------------------------------------------------------------------------------------------
def test_cffconvert_accepts_the_citation_in_the_bundle(project: Project, tmp_path: Path) -> None:
    installed("cffconvert")
    code = "import sys; from cffconvert.cli.cli import cli; cli(sys.argv[1:])"
    for damage in (False, True):
        path = tmp_path / "CITATION.cff"
        text = (project.bundle / "CITATION.cff").read_text()
        path.write_text(text.replace("title:", "titel:") if damage else text)
        done = subprocess.run(
            [sys.executable, "-c", code, "--validate", "-i", str(path)], capture_output=True, check=False, cwd=tmp_path
        )
        assert (done.returncode != 0) == damage


def test_datacite_accepts_the_record(project: Project) -> None:
    installed("datacite")
    from datacite import schema45

    refresh(project.model_copy(update={"doi": "10.5281/zenodo.11"}))
    record = read_json(project.bundle / "datacite.json")
    assert not list(schema45.validator.iter_errors(record))
    assert b"<identifier" in schema45.tostring(record).encode()
    for damage in ("creators", "publisher", "types"):
        broken = {key: value for key, value in record.items() if key != damage}
        assert list(schema45.validator.iter_errors(broken)), damage


def test_mlcroissant_accepts_the_data_set(project: Project, tmp_path: Path) -> None:
    installed("mlcroissant")
    import mlcroissant  # type: ignore[import-untyped]

    path = project.bundle / "croissant.json"
    found = mlcroissant.Dataset(jsonld=path).metadata
    columns = gather(project).signature.inputs[0].columns
    fields = {field.name for records in found.record_sets for field in records.fields}
    assert {str(name) for name in fields} >= set(columns)
    described = read_json(path)
    files = [entry for entry in described["distribution"] if entry["@type"] == "cr:FileObject"]
    made = [read_json(project.bundle / f"provenance/data-{split}.json")["inputs"] for split in ("train", "val", "test")]
    assert [entry["sha256"] for entry in files] == [checksum for inputs in made for checksum in inputs.values()]
    assert [row["splits/url"] for row in described["recordSet"][0]["data"]] == [
        "cr:TrainingSplit", "cr:ValidationSplit", "cr:TestSplit",
    ]  # fmt: skip
    del files[0]["sha256"]
    write_json(tmp_path / "broken.json", described)
    with pytest.raises(mlcroissant.ValidationError, match="sha256"):
        mlcroissant.Dataset(jsonld=tmp_path / "broken.json")


def test_fields_have_the_units_of_their_columns(project: Project) -> None:
    facts = gather(project)
    fields = {
        field["name"]: field.get("unitText", "1")
        for records in croissant(facts)["recordSet"][1:]
        for field in records["field"]
    }
    tensor = facts.signature.inputs[0]
    assert fields == {column: tensor.unit_of(column) for column in tensor.columns}
    energies = {"E", "px", "py", "pz", "pt_or_et", "p_or_energy"}
    assert {fields[name] for name in energies & set(fields)} == {"GeV"}
    assert fields.get("eta", "1") == fields.get("sin_phi", "1") == "1"


@pytest.mark.parametrize("profile", [("-p", "ro-crate-1.2"), ("-p", "process-run-crate", "-nh")])
def test_the_official_validator_accepts_the_crate(project: Project, tmp_path: Path, profile: tuple[str, ...]) -> None:
    # The profile of runs inherits from RO-Crate 1.1 in this validator, so it is asked without what it inherits.
    for package in ("rocrate", "rocrate_validator"):
        installed(package)
    assert crate_problems(project.bundle, tmp_path, *profile) == []


def test_the_official_validator_refuses_a_damaged_crate(project: Project, tmp_path: Path) -> None:
    for package in ("rocrate", "rocrate_validator"):
        installed(package)
    path = project.bundle / "ro-crate-metadata.json"
    values = read_json(path)
    root = _entities(values)["./"]
    del root["license"]
    root["datePublished"] = "some day"
    write_json(path, values)
    found = " ".join(crate_problems(project.bundle, tmp_path, "-p", "ro-crate-1.2"))
    assert "license" in found
    assert "datePublished" in found


def _entities(crate: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entity["@id"]: entity for entity in crate["@graph"]}


def _ids(value: Any) -> set[str]:
    found = value if isinstance(value, list) else [value]
    return {entry["@id"] for entry in found}


def test_the_crate_tells_who_when_which_code_which_data_which_parameters_and_which_outputs(project: Project) -> None:
    crate = _entities(read_json(project.bundle / "ro-crate-metadata.json"))
    assert _ids(crate["./"]["hasPart"]) == {
        path.relative_to(project.bundle).as_posix() for path in project.bundle.rglob("*") if path.is_file()
    } - {"ro-crate-metadata.json", bundle.SUMS}
    evaluated = crate["#run-evaluate"]
    assert evaluated["endTime"] == read_json(project.bundle / "provenance/evaluate.json")["finished"]
    assert _ids(evaluated["agent"]) == {"https://orcid.org/0000-0002-1825-0097"}
    assert crate[evaluated["instrument"]["@id"]]["name"] == project.slug
    assert bundle.WEIGHTS in _ids(evaluated["object"])
    assert "metrics.json" in _ids(evaluated["result"])
    # What one step left and the next one read is one thing.
    assert _ids(crate["#run-data-test"]["result"]) & _ids(evaluated["object"])
    assert _ids(evaluated["result"]) & _ids(crate["#run-export"]["object"])
    trained = read_json(project.bundle / "provenance/train.json")
    assert crate["#train-train.epochs"]["value"] == trained["configuration"]["train"]["epochs"]
    assert crate["#train-seed"]["value"] == trained["seed"]
    for name, entity in crate.items():
        if entity["@type"] == "File":
            assert entity["sha256"] == sha256(project.bundle / name)
    raw = [crate[name] for name in _ids(crate["#run-data-train"]["object"]) if "sha256" in crate[name]]
    inputs = read_json(project.bundle / "provenance/data-train.json")["inputs"]
    assert {entity["sha256"] for entity in raw} == set(inputs.values())


def test_a_clean_commit_names_the_code(project: Project) -> None:
    commit = "1" * 40
    for name in ("provenance.json", "provenance/train.json"):
        made = read_json(project.bundle / name)
        write_json(project.bundle / name, {**made, "git_commit": commit if "train" in name else f"{commit}-dirty"})
    crate = _entities(ro_crate(gather(project)))
    assert crate["#run-train"]["instrument"] == {"@id": f"swh:1:rev:{commit}"}
    assert crate["#run-export"]["instrument"] == {"@id": f"#code-{commit}-dirty"}
    assert read_json(project.bundle / "fair4ml.json")["isBasedOn"]["version"] == project.version
    assert fair4ml(gather(project))["isBasedOn"]["version"] == f"{commit}-dirty"


def test_hugging_face_reads_the_head_of_the_card(project: Project) -> None:
    installed("huggingface_hub")
    from huggingface_hub import ModelCard, ModelCardData

    card = ModelCard((project.bundle / "README.md").read_text(), ignore_metadata_errors=False)
    assert isinstance(card.data, ModelCardData)
    assert card.data.eval_results
    assert card.data.license == "cc-by-4.0"
    assert card.data.library_name == "onnx"
    measured = read_json(project.bundle / "metrics.json")["metrics"]
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    # Those in bins of a quantity and those of the baselines would be hundreds of lines before the title.
    left_out = re.compile(r"_error$|_bin\d+$|^baseline_")
    assert set(measured) - set(results) == {name for name in measured if left_out.search(name)} != set()
    assert results == {name: measured[name] for name in results}
    assert {result.dataset_name for result in card.data.eval_results} == {gather(project).data.title}


# -- our own terms -----------------------------------------------------------------------------------------------------
def test_every_term_of_ours_is_defined(project: Project) -> None:
    described = read_json(project.bundle / "fair4ml.json")
    defined = {entity["@id"] for entity in read_json(project.bundle / "terms.jsonld")["@graph"]}
    used = set(_own(described))
    assert used
    assert used <= defined
    assert described["@context"][PREFIX] == NAMESPACE


def _own(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "@context":
                continue
            yield from (name for name in (key, inner) if isinstance(name, str) and name.startswith(f"{PREFIX}:"))
            yield from _own(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _own(inner)


def test_the_explanation_is_the_one_in_the_bundle(project: Project) -> None:
    explanation = read_json(project.bundle / "fair4ml.json")[f"{PREFIX}:explainedBy"]
    explained = gather(project).signature.explained
    assert explained is not None
    assert explanation[f"{PREFIX}:relevanceRules"] == explained.how.composite
    assert explanation[f"{PREFIX}:explainedTarget"] == explained.how.target
    assert f"{PREFIX}:conservationError" not in explanation, "no explanation was studied"
    metrics = read_json(project.bundle / "metrics.json")
    write_json(
        project.bundle / "metrics.json", {**metrics, "explanation": {"headline": [], "ledger": {"largest_error": 1e-9}}}
    )
    assert fair4ml(gather(project))[f"{PREFIX}:explainedBy"][f"{PREFIX}:conservationError"] == 1e-9


def test_the_graphs_say_who_made_them_from_what(bundled: Bundled) -> None:
    from fair_hep.bundle.runtime import session

    project = bundled[0]
    for name in (bundle.MODEL, bundle.EXPLAINED):
        told = session(project.bundle / name).get_modelmeta().custom_metadata_map
        assert told["model_author"] == "Lovelace, Ada"
        assert (told["model_license"], told["code_license"]) == ("CC-BY-4.0", "MIT")
        assert json.loads(told["explanation"])["composite"] == "epsilon"
        raw = json.loads(told["data_sha256"])["train"]
        assert set(raw.values()) == set(read_json(project.bundle / "provenance/data-train.json")["inputs"].values())
        assert "doi" not in told


@pytest.mark.parametrize("damage", [None, "license", "fair4ml:trainedOn", "fair4ml:hasEvaluation", "@type"])
def test_the_shapes_accept_the_model_and_miss_what_is_missing(project: Project, damage: str | None) -> None:
    installed("pyshacl")
    path = project.bundle / "fair4ml.json"
    described = read_json(path)
    described.pop(damage, None)
    write_json(path, described)
    assert bool(violations(path, "fair4ml")) == (damage is not None)


def test_the_shapes_accept_the_code(project: Project) -> None:
    installed("pyshacl")
    write_all(project, project.root / "dist")
    assert not violations(project.root / "dist" / "codemeta.json", "codemeta")
