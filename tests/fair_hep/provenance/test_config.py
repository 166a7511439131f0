"""Configuration: defaults, overrides and every kind of mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from fair_hep.bundle.errors import ConfigError
from fair_hep.provenance.configuration import Config, apply_overrides, load_config


def _file(folder: Path, text: str) -> Path:
    path = folder / "try.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_and_overrides(tmp_path: Path) -> None:
    path = _file(tmp_path, "name: try\ntrain: {epochs: 4}\n")
    config = load_config(path, ["train.epochs=3", "model.preset=lite", "explain.target=[0, 1]", "register.name=x"])
    assert config.train.epochs == 3
    assert config.train.batch_size == Config(name="x").train.batch_size
    assert config.model == {"preset": "lite"}
    assert config.explain.target == [0.0, 1.0]
    assert config.register_.name == "x"


def test_overrides_leave_their_input_alone() -> None:
    values = {"train": {"epochs": 4}}
    assert apply_overrides(values, ["train.epochs=1"]) == {"train": {"epochs": 1}}
    assert values == {"train": {"epochs": 4}}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.epoch=3", "unknown key 'train.epoch', did you mean 'train.epochs'?"),
        ("trian.epochs=3", "did you mean 'train'?"),
        ("epochs=3", "command line, epochs=3: unknown key 'epochs', did you mean 'train.epochs' or 'prune.epochs'?"),
        ("limit=3", "unknown key 'limit', did you mean 'train.limit' or 'evaluate.limit'?"),
        ("train.lr=3", "unknown key 'train.lr', did you mean 'train.learning_rate'?"),
        ("train.qqq=3", "unknown key 'train.qqq', known in train: epochs, batch_size, learning_rate"),
        ("qqq=3", "unknown key 'qqq', known: name, seed, model, data"),
        ("train.epochs=0", "train.epochs: got 0"),
        ("train.epochs=many", "train.epochs: got 'many'"),
        ("train.epochs", "expected key=value"),
        ("=3", "expected key=value"),
        ("train..epochs=3", "expected key=value"),
        ("train.epochs=[", "isn't YAML"),
        ("seed=-1", "seed: got -1"),
        ("explain.bias=exclude", "explain: bias exclude needs precision float64: its denominators cross zero"),
        ("data.source=cloud", "data.source: got 'cloud'"),
        ("name=../elsewhere", "name: got '../elsewhere'"),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path: Path, override: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(_file(tmp_path, "name: try\n"), [override])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_mistake_is_where_it_was_written(tmp_path: Path) -> None:
    path = _file(tmp_path, "name: try\ntrain: {epoch: 1}\n")
    with pytest.raises(ConfigError) as error:
        load_config(path, ["seed=-1", "explain.size=3"])
    assert str(error.value) == (
        "command line, seed=-1: seed: got -1, input should be greater than or equal to 0; "
        f"{path}: unknown key 'train.epoch', did you mean 'train.epochs'?"
    )
    with pytest.raises(ConfigError, match=r"^command line, train=\{epoch: 2\}: unknown key 'train.epoch'"):
        load_config(_file(tmp_path, "name: try\n"), ["train={epoch: 2}"])


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"epoch'.*sede'"):
        load_config(_file(tmp_path, "name: try\ntrain: {epoch: 1}\nsede: 3\n"))


@pytest.mark.parametrize(
    ("text", "words"),
    [("- a\n", "expected keys"), ("a: [", "not YAML"), ("seed: 3\n", "'name' is missing"), ("", "None")],
)
def test_files_that_are_no_configuration(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(_file(tmp_path, text))
    assert words in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "none.yaml")


def test_a_value_that_may_be_several_things_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("name: c\n")
    for override, said in {
        "export.temperature=hot": "export.temperature: got 'hot', expected none, a number above 0 that a tagger's "
        "logits are divided by, or fit: what makes the validation labels most likely",
        "name=a/b": "name: got 'a/b', expected letters, digits, '_', '.' and '-', beginning with a letter or a digit",
    }.items():
        with pytest.raises(ConfigError) as found:
            load_config(path, [override])
        assert str(found.value) == f"command line, {override}: {said}"
