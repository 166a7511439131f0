"""A network against rule-based particle flow: what each measure says of particles that were made for it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fair_hep.bundle.errors import DataError
from fair_hep.bundle.quantities import difference_in_phi
from fair_hep.models.contract import Evaluation
from fair_hep.particleflow import evaluation
from fair_hep.particleflow.candidates import momenta_of
from fair_hep.particleflow.comparison import FLOWS, compare
from fair_hep.particleflow.comparison_rows import rows_of
from fair_hep.particleflow.evaluation import decisive, metrics_of, not_worse
from fair_hep.particleflow.event_measures import cluster, jet_responses, missing_momentum
from fair_hep.particleflow.measures import (
    confusions,
    efficiency,
    efficiency_at,
    f1,
    fake_rate,
    jackknife,
    margins,
    response,
    width,
)
from fair_hep.particleflow.particles import by_event, read_rows
from fair_hep.particleflow.synthetic import events as example

Arrays = dict[str, np.ndarray]
NAMES = ("mlpf", "rules")


def made(events: int = 24, seed: int = 0) -> tuple[Arrays, Arrays]:
    """Return outputs that are all right, and targets whose candidates are the generated particles themselves."""
    batch = example(events, seed, longest=50)
    real = batch["elements"][..., 0] > 0
    gen = batch["gen"][real]
    logits = torch.nn.functional.one_hot(gen[:, 0].long(), 6).float() * 8
    outputs = {"logits": logits.numpy(), "momenta": momenta_of(gen)[0].numpy()}
    offsets = np.concatenate([[0], real.sum(1).cumsum(0).numpy()])
    rows = {"elements": batch["elements"][real].numpy(), "gen": gen.numpy(), "cand": gen.numpy()}
    return outputs, {**rows, "offsets": offsets}


def metrics(outputs: Arrays, targets: Arrays) -> dict[str, float]:
    """Return the numbers of an evaluation, without its figures."""
    found = compare(outputs, targets)
    jets = {flow: jet_responses(particles, found.truth, found.offsets) for flow, particles in found.flows.items()}
    return dict(metrics_of(rows_of(found, jets), found, "mlpf"))


def evaluate(outputs: Arrays, targets: Arrays, folder: Path) -> Evaluation:
    return evaluation.evaluate(outputs, targets, folder, name="mlpf", title="MLPF")


@pytest.fixture(scope="module")
def perfect() -> dict[str, float]:
    return metrics(*made())


def test_what_is_all_right_is_efficient_pure_and_sharp(perfect: dict[str, float]) -> None:
    found = perfect
    assert found[decisive("mlpf")] == 1.0
    for flow in NAMES:
        for kind in ("charged_hadron", "neutral_hadron", "photon"):
            assert found[f"{flow}_efficiency_{kind}"] == 1.0
            assert found[f"{flow}_fake_rate_{kind}"] == 0.0
            assert found[f"{flow}_multiplicity_bias_{kind}"] == 0.0
            for quantity in ("pt", "energy", "eta", "phi"):
                assert abs(found[f"{flow}_{quantity}_resolution_{kind}"]) < 1e-5
        assert found[f"{flow}_met_resolution_gev"] < 1e-3
        assert found[f"{flow}_jet_efficiency"] == 1.0
        assert found[f"{flow}_charge_right_charged_hadron"] == 1.0


def test_both_flows_have_the_same_numbers_if_they_say_the_same(perfect: dict[str, float]) -> None:
    for name, value in perfect.items():
        if name.startswith("mlpf_"):
            assert perfect["rules_" + name.removeprefix("mlpf_")] == pytest.approx(value, abs=1e-4), name


@pytest.mark.slow
def test_all_numbers_are_finite_and_files_are_there(tmp_path: Path) -> None:
    found = evaluate(*made(3), tmp_path)
    assert all(np.isfinite(value) for value in found.metrics.values())
    assert sorted(found.files) == sorted(path.name for path in tmp_path.iterdir())
    with (tmp_path / "comparison.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {"quantity", "class", "bin", "entries", "mlpf", "mlpf_error", "rules", "rules_error"} == set(rows[0])
    assert all("\n" not in line for line in found.headline)


def test_inputs_are_not_changed() -> None:
    outputs, targets = made(4)
    before = {name: values.copy() for name, values in (outputs | targets).items()}
    metrics(outputs, targets)
    for name, values in (outputs | targets).items():
        np.testing.assert_array_equal(values, before[name])


def test_a_smearing_comes_back_as_resolution_and_a_scale_as_bias() -> None:
    outputs, targets = made(200, seed=1)
    random = np.random.default_rng(2)
    factor = 1.1 * (1 + 0.05 * random.standard_normal(len(targets["gen"])))
    outputs["momenta"][:, 1] += np.log(factor)
    found = metrics(outputs, targets)
    bias, spread = found["mlpf_pt_bias_charged_hadron"], found["mlpf_pt_resolution_charged_hadron"]
    assert abs(bias - 0.1) < 5 * found["mlpf_pt_bias_charged_hadron_error"] + 1e-4
    assert abs(spread - 0.055) < 5 * found["mlpf_pt_resolution_charged_hadron_error"]
    assert abs(found["mlpf_pt_core_charged_hadron"] - 0.055) < 5 * found["mlpf_pt_core_charged_hadron_error"]
    assert abs(found["rules_pt_resolution_charged_hadron"]) < 1e-6


def test_order_of_events_and_elements_changes_no_value() -> None:
    outputs, targets = made(10)
    random = np.random.default_rng(0)
    targets["cand"] = targets["cand"] * (1 + 0.1 * random.random(targets["cand"].shape)).round(2)
    targets["cand"][:, 0] = targets["gen"][:, 0]
    pieces = [np.arange(a, b) for a, b in zip(targets["offsets"], targets["offsets"][1:], strict=False)]
    order = [random.permutation(pieces[number]) for number in random.permutation(len(pieces))]
    rows = np.concatenate(order)
    moved = {name: values[rows] for name, values in targets.items() if name != "offsets"}
    moved["offsets"] = np.cumsum([0, *map(len, order)])
    first = compare(outputs, targets)
    second = compare({name: values[rows] for name, values in outputs.items()}, moved)
    np.testing.assert_array_equal(first.confusions("rules").sum(0), second.confusions("rules").sum(0))
    for flow in FLOWS:
        a, b = (np.sort(response(c.flows[flow][c.agreed(1)], c.truth[c.agreed(1)], "pt")) for c in (first, second))
        np.testing.assert_allclose(a, b)


@pytest.mark.slow
def test_nothing_but_none_is_an_answer_too(tmp_path: Path) -> None:
    outputs, targets = made(5)
    outputs["logits"] = np.zeros_like(outputs["logits"])
    outputs["logits"][:, 0] = 1.0
    found = evaluate(outputs, targets, tmp_path)
    assert found.metrics["mlpf_efficiency_charged_hadron"] == 0.0
    assert "mlpf_fake_rate_charged_hadron" not in found.metrics
    assert "mlpf_pt_resolution_charged_hadron" not in found.metrics


@pytest.mark.slow
def test_classes_that_never_occur_are_said_so(tmp_path: Path) -> None:
    outputs, targets = made(8)
    rows = targets["gen"][:, 0] == 5
    for name in ("gen", "cand"):
        targets[name] = np.where(rows[:, None], 0, targets[name])
    found = evaluate(outputs, targets, tmp_path)
    assert "mlpf_efficiency_muon" not in found.metrics
    assert "no element of the test events is: muon" in found.headline


def test_one_event_has_values_without_errors() -> None:
    outputs, targets = made(2)
    start = targets["offsets"][1]
    one = {name: values[start:] for name, values in targets.items()} | {"offsets": targets["offsets"][1:] - start}
    found = metrics({name: values[start:] for name, values in outputs.items()}, one)
    assert not [name for name in found if name.endswith("_error")]
    assert found[decisive("mlpf")] == 1.0


def test_no_elements_are_one_line(tmp_path: Path) -> None:
    outputs, targets = made(2)
    empty = {name: values[:0] for name, values in targets.items()} | {"offsets": np.zeros(3, np.int64)}
    with pytest.raises(DataError, match="got no elements"):
        evaluate({name: values[:0] for name, values in outputs.items()}, empty, tmp_path)


def test_a_network_is_not_worse_than_itself_but_a_shuffled_one_is() -> None:
    outputs, targets = made(20)
    good, reason = not_worse(outputs, outputs, targets)
    assert good
    assert "is not worse" in reason
    shuffled = outputs | {"logits": np.random.default_rng(0).permutation(outputs["logits"])}
    bad, reason = not_worse(shuffled, outputs, targets)
    assert not bad
    assert "is worse" in reason
    assert "\n" not in reason


def test_confusions_count_every_element_once() -> None:
    random = np.random.default_rng(0)
    truth, found, event = (random.integers(0, top, 500) for top in (6, 6, 9))
    total = confusions(truth, found, event, 9)
    assert total.shape == (9, 6, 6)
    for number in range(9):
        for row, column in np.ndindex(6, 6):
            assert total[number, row, column] == ((event == number) & (truth == row) & (found == column)).sum()


def test_rates_of_a_table_by_hand() -> None:
    table = np.zeros((6, 6), int)
    table[1, 1], table[1, 0], table[2, 1] = 6, 2, 4
    assert efficiency(table)[[1, 2]].tolist() == [0.75, 0.0]
    assert fake_rate(table)[1] == pytest.approx(0.4)
    assert f1(table)[1] == pytest.approx(12 / 18)
    assert np.isnan(efficiency(table)[5])
    assert np.isnan(fake_rate(table)[2])


def test_efficiency_at_a_fake_rate_by_hand() -> None:
    margin = np.array([4.0, 3.0, 2.0, 1.0, 0.0])
    is_it = np.array([True, True, False, True, False])
    assert efficiency_at(margin, is_it, 0.0) == pytest.approx(2 / 3)
    assert efficiency_at(margin, is_it, 0.25) == 1.0
    assert np.isnan(efficiency_at(margin, np.zeros(5, bool), 0.5))


def test_margins_are_positive_for_the_largest_logit_alone() -> None:
    logits = np.random.default_rng(0).standard_normal((40, 6))
    found = margins(logits)
    assert (found > 0).sum(1).tolist() == [1] * 40
    assert found.argmax(1).tolist() == logits.argmax(1).tolist()


def test_the_jackknife_error_of_a_mean_is_the_known_one() -> None:
    values = np.random.default_rng(0).standard_normal(4000)
    found = jackknife(lambda chosen: float(values[chosen].mean()), np.arange(4000), 4000)
    assert found is not None
    assert found.error is not None
    assert found.error == pytest.approx(1 / np.sqrt(4000), rel=0.5)


def test_the_width_of_a_gaussian_is_its_sigma() -> None:
    assert width(np.random.default_rng(0).standard_normal(100_000)) == pytest.approx(1.0, abs=0.02)
    assert np.isnan(width(np.zeros(0)))


def test_rows_without_pt_or_energy_are_completed_as_if_massless() -> None:
    rows = np.array(
        [
            [1, 1, 5.0, 1.0, 0.0, 1.0, 0.0],
            [2, 0, 0.0, -2.0, 1.0, 0.0, 10.0],
            [1, 1, 0.0, 999.9, 0.0, 1.0, 0.0],
            [0, 0, 0.0, 0.0, 0.0, 0.0, 0.0],
        ]
    )
    found = read_rows(rows)
    assert found.energy[0] == pytest.approx(5 * np.cosh(1))
    assert found.pt[1] == pytest.approx(10 / np.cosh(2))
    assert found.phi[1] == pytest.approx(np.pi / 2)
    assert found.known.tolist() == [True, True, False, False]
    assert np.isfinite(found.energy).all()
    assert found.pid.tolist() == [1, 2, 1, 0]


def test_angles_turn_around() -> None:
    assert difference_in_phi(np.array([3.0]), np.array([-3.0]))[0] == pytest.approx(6 - 2 * np.pi)


def test_missing_momentum_balances_what_is_seen() -> None:
    rows = np.array([[1, 1, 3.0, 0, 0, 1, 0], [1, 1, 4.0, 0, 1, 0, 0], [2, 0, 0, 0, 0, 1, 2.0]])
    found = missing_momentum(read_rows(rows), np.array([0, 0, 2]), 3)
    np.testing.assert_allclose(found, [[-3, -4], [0, 0], [-2, 0]], atol=1e-12)


def test_jets_are_matched_to_the_nearest_and_lost_ones_are_counted() -> None:
    one = [1, 1, 20.0, 0.5, 0.0, 1.0, 0.0]
    near = [1, 1, 22.0, 0.6, 0.0, 1.0, 0.0]
    other = [1, 1, 30.0, -2.0, 0.0, 1.0, 0.0]
    truth, found = read_rows(np.array([one, other])), read_rows(np.array([near, [0] * 7]))
    jets = jet_responses(found, truth, np.array([0, 2]))
    assert jets["pt"].tolist() == pytest.approx([30.0, 20.0])
    assert np.isnan(jets["response"][0])
    assert jets["response"][1] == pytest.approx(0.1)
    assert len(cluster(read_rows(np.zeros((0, 7))))) == 0
    nothing = replace(found, pid=np.zeros(2, int))
    assert np.isnan(jet_responses(nothing, truth, np.array([0, 2]))["response"]).all()


def test_every_element_has_its_event() -> None:
    assert by_event(np.array([0, 2, 2, 5])).tolist() == [0, 0, 2, 2, 2]
