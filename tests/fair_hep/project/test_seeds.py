"""Several trainings of one configuration: which runs they are, and mean and spread as NumPy has them."""

from __future__ import annotations

import numpy as np
import pytest

from fair_hep.bundle.errors import ConfigError
from fair_hep.describe.energy import cost
from fair_hep.project.seeds import members, spread, training_seed
from fair_hep.provenance.configuration import Config, DataConfig, TrainConfig


def test_the_others_differ_by_name_and_seed_of_the_training_only() -> None:
    config = Config(name="quick", seed=11, train=TrainConfig(seeds=3, epochs=2), data=DataConfig(source="simulate"))
    first, *others = members(config)
    assert first.name == "quick"
    assert [one.name for one in others] == ["quick-seed2", "quick-seed3"]
    assert [training_seed(one) for one in (first, *others)] == [11, 12, 13]
    for one in others:
        assert one.seed == 11, "the data are the same"
        same = {"name": first.name, "train": one.train.model_copy(update={"seed": None})}
        assert one.model_copy(update=same) == first
        assert members(one) == [one]
    assert training_seed(members(config.model_copy(update={"train": TrainConfig(seeds=2, seed=2**32 - 1)}))[1]) == 0


def test_several_processes_train_one_at_a_time() -> None:
    config = Config(name="quick", train=TrainConfig(seeds=2, devices=2))
    with pytest.raises(ConfigError, match=r"train\.seeds: got 2 with 2 processes, expected 1: start one"):
        members(config)


def test_mean_and_spread_are_those_of_the_values() -> None:
    draw = np.random.default_rng(2)
    values = draw.normal(0.98, 0.001, 5)
    results = [{"metrics": {"auc": value, "auc_error": 0.002, f"only_{n}": 1.0}} for n, value in enumerate(values)]
    found = spread(results, ["a", "b", "c", "d", "e"])
    assert list(found["metrics"]) == ["auc"], "errors and what not all have are left out"
    auc = found["metrics"]["auc"]
    assert auc["values"] == values.tolist()
    assert auc["mean"] == pytest.approx(values.mean())
    assert auc["spread"] == pytest.approx(np.std(values, ddof=1))
    assert auc["error"] == pytest.approx(np.std(values, ddof=1) / np.sqrt(5))


def test_what_all_trainings_cost_is_told() -> None:
    one = {"seconds": 60.0, "processes": 1, "threads": 2, "device": "cpu"}
    alone, several = cost(one), cost({**one, "trainings": 3, "seconds_of_all": 190.0})
    assert alone is not None
    assert several is not None
    assert alone.sentence().startswith("Training took ")
    assert several.sentence().startswith("3 trainings took 3.2 min (measured)")
    assert several.kilowatt_hours == pytest.approx(alone.kilowatt_hours * 190 / 60)
