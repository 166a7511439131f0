"""Weights that exist already: read without running anything, named as ours, told of truly; every mismatch at once."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from fair_hep.bundle import WEIGHTS
from fair_hep.bundle.errors import ConfigError, DataError, ModelError, ProjectError
from fair_hep.bundle.files import read_json
from fair_hep.models.recipe import recipe
from fair_hep.models.weights.names import Names
from fair_hep.project.data import run as data
from fair_hep.project.import_ import run
from fair_hep.project.train import load_network
from fair_hep.project.train import run as train
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.command import command
from support.small import EXAMPLE, make_config, make_project

State = dict[str, Tensor]
Made = tuple[Project, Config]


@pytest.fixture
def project(tmp_path: Path) -> Made:
    made = make_project(tmp_path / "project")
    return made, make_config(made)


def state(made: Made, seed: int = 3) -> State:
    """Return weights of a network as somebody else would have trained it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return dict(recipe(made[0]).build(**made[1].model).state_dict())


def given(made: Made, content: Any, name: str = "theirs.pt") -> Path:
    """Write a file as others do."""
    path = made[0].root / name
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return path


def table(made: Made, **values: Any) -> str:
    path = made[0].root / "table.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


def imported(made: Made) -> State:
    return load_file(made[0].run(made[1].name, "train") / WEIGHTS)


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert set(one) == set(other)
    for name, tensor in one.items():
        assert tensor.equal(other[name]), name


# --- files ----------------------------------------------------------------------------------------------------------

WRAPPED: dict[str, Callable[[State], Any]] = {
    "bare": dict,
    "state_dict": lambda tensors: {
        "state_dict": tensors,
        "epoch": 3,
        "optimizer": {"state": {0: {"x": torch.ones(1)}}},
    },
    "two states": lambda tensors: {"model": tensors, "ema": {"weight": torch.ones(3)}},
    "deep": lambda tensors: {"checkpoint": {"net": tensors}, "args": {"lr": 0.1}},
    "parameters": lambda tensors: {
        k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in tensors.items()
    },
}


@pytest.mark.parametrize("how", WRAPPED)
def test_a_saved_state_comes_in_whatever_is_around_it(project: Made, how: str) -> None:
    wanted = state(project)
    result = run(*project, weights=given(project, WRAPPED[how](wanted)))
    same(imported(project), wanted)
    assert result["tensors"] == len(wanted)
    assert "unknown" in result["headline"][0]


def test_safetensors_come_in_bit_for_bit(project: Made) -> None:
    wanted = state(project)
    run(*project, weights=given(project, wanted, "theirs.safetensors"))
    same(imported(project), wanted)
    same(dict(load_network(*project).state_dict()), wanted)


def test_the_old_format_of_torch_comes_in(project: Made) -> None:
    wanted = state(project)
    path = project[0].root / "old.pth"
    torch.save(wanted, path, _use_new_zipfile_serialization=False)
    run(*project, weights=path)
    same(imported(project), wanted)


def test_counters_of_batch_norms_may_be_missing(project: Made) -> None:
    wanted = state(project)
    run(*project, weights=given(project, {k: v for k, v in wanted.items() if not k.endswith("num_batches_tracked")}))
    same(imported(project), wanted)


class Malicious:
    """What a pickle may ask for: any call with any arguments."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_is_refused_by_name_and_never_runs(project: Made, zipped: bool) -> None:
    mark = project[0].root / "it-ran"
    content = {**state(project), "extra": Malicious(mark)}
    path = project[0].root / "bad.pt"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    refused(project, DataError, r"asks for posix\.mkdir; refused", weights=path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the pickle is harmless, so the test shows nothing"


def test_a_bare_malicious_pickle_is_refused_too(project: Made) -> None:
    mark, path = project[0].root / "it-ran", project[0].root / "bad.pkl"
    path.write_bytes(pickle.dumps(Malicious(mark)))
    refused(project, DataError, r"bad\.pkl: (asks for posix\.mkdir|not a file of tensors)", weights=path)
    assert not mark.exists()


def test_a_whole_network_is_refused_with_what_to_do(project: Made) -> None:
    path = given(project, {"net": torch.nn.Linear(2, 2)})
    refused(project, DataError, r"asks for torch\.nn\.modules\.linear\.Linear.*network\.state_dict\(\)", weights=path)


def test_an_archive_that_grows_when_it_is_read_is_refused(project: Made) -> None:
    source, path = given(project, {"a": torch.zeros(2**22)}), project[0].root / "bomb.pt"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    refused(project, DataError, "compresses nothing", weights=path)


@pytest.mark.parametrize("name", ["cut.pt", "cut.safetensors"])
def test_a_cut_file_is_refused(project: Made, name: str) -> None:
    path = given(project, state(project), name)
    path.write_bytes(path.read_bytes()[:-2000])
    refused(project, DataError, "or damaged", weights=path)


def test_nobody_is_advised_to_load_a_file_without_protection(project: Made) -> None:
    path = project[0].root / "README.pt"
    path.write_text("# A title\n")
    with pytest.raises(DataError, match=r"README\.pt: not a file of tensors.*\(Unsupported operand 35\)") as caught:
        run(*project, weights=path)
    assert "False" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "got no named tensors"),
        ([torch.ones(2)], "got no named tensors"),
        ({"epoch": 3}, "got no named tensors"),
        ({"a": {"w": torch.ones(1)}, "b": {"w": torch.ones(1)}}, "got a, b, expected one state_dict.*`key`"),
        ({"w": torch.ones(1), "epochs": 3, "name": "x"}, r"epochs \(int\), name \(str\)"),
    ],
)
def test_files_without_one_state_are_refused(project: Made, content: Any, words: str) -> None:
    refused(project, DataError, words, weights=given(project, content))


@pytest.mark.parametrize("name", ["none.pt", "none.safetensors"])
def test_a_missing_file_is_said(project: Made, name: str) -> None:
    refused(project, DataError, "no such file", weights=project[0].root / name)


@pytest.mark.parametrize("name", ["text.pt", "text.safetensors"])
def test_a_file_of_another_kind_is_refused(project: Made, name: str) -> None:
    path = project[0].root / name
    path.write_text("not tensors at all\n" * 30)
    refused(project, DataError, "not a", weights=path)


def refused(made: Made, error: type[ProjectError], words: str, **options: Any) -> str:
    """Expect one error of few lines, and that nothing was written or changed."""
    folder = made[0].root / "runs"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(error, match=words) as caught:
        run(*made, **options)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- names and shapes -----------------------------------------------------------------------------------------------


def test_names_are_mapped_prefixes_taken_off_and_the_rest_ignored(project: Made) -> None:
    wanted = state(project)
    theirs = {f"module.their.{name.replace('body.', 'trunk.')}": tensor for name, tensor in wanted.items()}
    theirs |= {"module.loss.3.weight": torch.ones(7)}
    names = {f"trunk.{'.'.join('{' + 'abcdefg'[i] + '}' for i in range(n))}": _target(n) for n in range(1, 7)}
    path = table(project, prefixes=["module.", "their."], ignore=["loss.{n}.weight"], names=names, key="net")
    run(*project, weights=given(project, {"net": theirs, "other": {"x": torch.ones(1)}}), names=path)
    same(imported(project), wanted)
    assert read_json(project[0].run("quick", "train") / "provenance.json")["names"]["prefixes"] == ["module.", "their."]


def _target(parts: int) -> str:
    return "body." + ".".join("{" + "abcdefg"[i] + "}" for i in range(parts))


def test_the_first_entry_that_fits_counts_and_a_word_is_one_part() -> None:
    names = Names(names={"a.{i}.0.w": "first.{i}", "a.{i}.{j}.w": "second.{j}.{i}", "b.{i}.{i}": "twice.{i}"})
    assert names.ours("a.5.0.w") == "first.5"
    assert names.ours("a.5.1.w") == "second.1.5"
    assert names.ours("a.5.1.2.w") == "a.5.1.2.w"
    assert names.ours("b.1.1") == "twice.1"
    assert names.ours("b.1.2") == "b.1.2"
    assert names.ours("aX5.0.w") == "aX5.0.w", "a dot is a dot"


def test_kernels_of_length_one_become_linear_maps(project: Made) -> None:
    wanted = state(project)
    kernels = {k: v[..., None, None] if v.dim() == 2 else v for k, v in wanted.items()}
    assert any(v.dim() == 4 for v in kernels.values())
    run(*project, weights=given(project, kernels))
    same(imported(project), wanted)


def test_everything_that_does_not_fit_is_said_at_once(project: Made) -> None:
    run(*project, weights=given(project, state(project)))
    bad = state(project, seed=4)
    weights = [name for name, tensor in bad.items() if tensor.dim() == 2][:5]
    gone, long, half, infinite, doubled = weights
    bad["extra.weight"] = torch.ones(2)
    bad[f"module.{doubled}"] = bad[doubled].clone()
    del bad[gone]
    bad[long] = torch.cat([bad[long], bad[long]])
    bad[half] = bad[half].half()
    bad[infinite] = bad[infinite] * torch.nan
    line = refused(project, ModelError, "theirs.pt doesn't fit", weights=given(project, bad), names=table(
        project, prefixes=["module."]
    ))  # fmt: skip
    for words in (
        f"missing (1): {gone}", "left over (1): extra.weight", f"twice (1): {doubled} from", "different (3)",
        f"{long} has shape", f"{half} is float16, expected float32", f"{infinite} holds values that aren't finite",
        "Nothing was written",
    ):  # fmt: skip
        assert words in line


@pytest.mark.parametrize("kind", ["sparse", "complex64", "float64"])
def test_tensors_of_other_kinds_are_refused(project: Made, kind: str) -> None:
    bad = state(project)
    name = next(name for name, tensor in bad.items() if tensor.dim() == 2)
    bad[name] = bad[name].to_sparse() if kind == "sparse" else bad[name].to(getattr(torch, kind))
    refused(project, ModelError, f"{name} is (no plain tensor|{kind})", weights=given(project, bad))


def test_finite_weights_with_answers_that_are_not_are_refused(project: Made) -> None:
    bad = state(project)
    name = next((name for name in bad if name.endswith("running_var")), next(iter(bad)))
    bad[name] = torch.full_like(bad[name], -1.0 if name.endswith("running_var") else 3e38)
    refused(project, ModelError, "aren't finite", weights=given(project, bad))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("names: {'a.{i}': 'b.{j}'}", "has {j}, which 'a.{i}' hasn't"),
        ("name: {}", "did you mean 'names'"),
        ("names: [1]", "names: got"),
        ("names: {a", "not YAML"),
        ("- 1", "expected keys and values"),
    ],
)
def test_bad_tables_are_refused(project: Made, text: str, words: str) -> None:
    path = project[0].root / "table.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        run(*project, weights=given(project, state(project)), names=str(path))
    assert words in str(caught.value)


def test_tables_that_are_not_there_are_said(project: Made) -> None:
    weights = given(project, state(project))
    refused(project, ConfigError, "got no such table", weights=weights, names="no-such")
    refused(project, ConfigError, "no such file", weights=weights, names="no-such.yaml")


# --- what is known --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trainer: Ada", "unknown key 'trainer'"),
        ("epochs: -1", "epochs: got -1"),
        ("epochs: many", "epochs: got 'many'"),
        ("dataset_doi: https://example.org", "dataset_doi: got"),
        ('note: "two\\nlines"', "note: got"),
        ("commit: 123", "commit: got 123"),
        ("finished: yesterday", "finished: got"),
    ],
)
def test_what_is_known_must_be_in_order(project: Made, text: str, words: str) -> None:
    path = project[0].root / "about.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        run(*project, weights=given(project, state(project)), about=path)
    assert words in str(caught.value)


def test_dates_of_yaml_and_a_single_name_are_taken_as_they_are_written(project: Made) -> None:
    path = project[0].root / "about.yaml"
    path.write_text("finished: 2021-07-01\ntrained_by: The team\n")
    result = run(*project, weights=given(project, state(project)), about=path)
    assert result["about"] == {"finished": "2021-07-01", "trained_by": ["The team"]}


def test_another_licence_than_the_projects_is_said(project: Made, caplog: pytest.LogCaptureFixture) -> None:
    path = project[0].root / "about.yaml"
    path.write_text("license: CC0-1.0")
    run(*project, weights=given(project, state(project)), about=path)
    assert "came under CC0-1.0, and project.yaml publishes them under CC-BY-4.0" in caplog.text


def test_the_command_line(project: Made, capfd: pytest.CaptureFixture[str]) -> None:
    path = given(project, state(project), "theirs.safetensors")
    overrides = [f"model.{key}={value}" for key, value in EXAMPLE.HYPERPARAMETERS.items()]
    done = command(project[0], "import", str(path), *overrides, capture=capfd)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("runs/quick/train/: ")
    done = command(project[0], "import", str(path.with_name("none.pt")), capture=capfd)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no such file" in done.stderr


def test_a_training_does_not_replace_imported_weights(project: Made) -> None:
    given_state = state(project)
    run(*project, weights=given(project, given_state))
    data(*project)
    with pytest.raises(ConfigError, match=r"runs/quick/train holds imported weights.*name="):
        train(*project)
    kept = load_file(project[0].run("quick", "train") / WEIGHTS)
    assert all(kept[name].equal(values) for name, values in given_state.items())
