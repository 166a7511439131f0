"""Bins of pseudorapidity and energy, and what an evaluation says first: where the rules are better."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fair_hep.models.contract import Evaluation
from fair_hep.particleflow import evaluation
from fair_hep.particleflow.candidates import momenta_of
from fair_hep.particleflow.columns import CLASSES
from fair_hep.particleflow.comparison import FLOWS, NETWORK, RULES, compare
from fair_hep.particleflow.comparison_bins import BINS, FEWEST, binned_rows
from fair_hep.particleflow.comparison_rows import Row
from fair_hep.particleflow.measures import Measure
from fair_hep.particleflow.synthetic import events

PHOTON = CLASSES.index("photon")


def made(size: int = 150) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return outputs and candidates that are all right."""
    batch = events(size, 3, longest=50)
    real = batch["elements"][..., 0] > 0
    gen = batch["gen"][real]
    outputs = {"logits": torch.nn.functional.one_hot(gen[:, 0].long(), 6).float().numpy() * 8}
    outputs["momenta"] = momenta_of(gen)[0].numpy()
    offsets = np.concatenate([[0], real.sum(1).cumsum(0).numpy()])
    return outputs, {"gen": gen.numpy(), "cand": gen.numpy(), "offsets": offsets}


def blind_in_the_centre() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Let the network find no photon below |eta| of 1.5."""
    outputs, targets = made()
    lost = (targets["gen"][:, 0] == PHOTON) & (np.abs(targets["gen"][:, 3]) < 1.5)
    outputs["logits"][lost] = np.eye(6)[0]
    return outputs, targets


def table(outputs: dict[str, np.ndarray], targets: dict[str, np.ndarray]) -> dict[str, Row]:
    return {row.name(""): row for row in binned_rows(compare(outputs, targets))}


def test_every_particle_with_a_momentum_is_in_one_bin_of_each_quantity() -> None:
    found = compare(*made())
    for quantity in ("eta", "energy"):
        inside = np.stack([where.holds(found.truth) for where in BINS if where.quantity == quantity])
        np.testing.assert_array_equal(inside.sum(0), found.truth.known)


def test_a_loss_in_one_region_is_told_there_and_nowhere_else() -> None:
    rows = table(*blind_in_the_centre())
    for where in ("central", "endcap", "forward"):
        ours = rows[f"efficiency_photon_{where}"].measures[NETWORK]
        theirs = rows[f"efficiency_photon_{where}"].measures[RULES]
        assert ours is not None and theirs is not None
        assert ours.value == (0.0 if where == "central" else 1.0)
        assert theirs.value == 1.0
        assert rows[f"efficiency_photon_{where}"].worse() is (where == "central")


def test_a_resolution_in_a_bin_is_that_of_its_particles() -> None:
    outputs, targets = made()
    gen = targets["gen"]
    random = np.random.default_rng(1)
    high = (gen[:, 0] == PHOTON) & (gen[:, 6] >= 30)
    outputs["momenta"][:, 5] += np.where(high, np.log(1 + 0.2 * random.uniform(-1, 1, len(gen))), 0.0)
    rows = table(outputs, targets)
    spread = rows["energy_resolution_photon_from_30_gev"].measures[NETWORK]
    assert spread is not None and spread.error is not None
    assert abs(spread.value - 0.2 / np.sqrt(3)) < 5 * spread.error
    sharp = rows["energy_resolution_photon_below_10_gev"].measures[NETWORK]
    assert sharp is not None and sharp.value < 1e-5


def test_a_fake_rate_of_a_handful_is_not_measured() -> None:
    outputs, targets = made()
    soft = np.flatnonzero((targets["gen"][:, 0] == PHOTON) & (targets["gen"][:, 6] < 10))
    assert len(soft) > FEWEST
    outputs["logits"][soft[3:]] = np.eye(6)[0]
    row = table(outputs, targets)["fake_rate_photon_below_10_gev"]
    assert row.measures[NETWORK] is None and row.measures[RULES] is not None
    assert not row.worse()


def test_bins_of_few_particles_are_left_out() -> None:
    outputs, targets = made(2)
    counts = np.bincount(targets["gen"][:, 0].astype(int), minlength=6)
    assert (counts[1:] < 3 * FEWEST).all()
    assert all(row.entries >= FEWEST for row in table(outputs, targets).values() if row.quantity == "efficiency")


def row(quantity: str, ours: Measure | None, theirs: Measure | None) -> Row:
    return Row(quantity, "photon", 9, dict(zip(FLOWS, (ours, theirs), strict=True)))


@pytest.mark.parametrize(
    ("quantity", "ours", "theirs", "worse"),
    [
        ("efficiency", (0.5, 0.03), (0.6, 0.03), True),
        ("efficiency", (0.5, 0.04), (0.6, 0.04), False),
        ("efficiency", (0.6, 0.03), (0.5, 0.03), False),
        ("jet_efficiency", (0.4, 0.01), (0.8, 0.01), True),
        ("charge_right", (0.9, 0.01), (1.0, 0.0), True),
        ("fake_rate", (0.6, 0.03), (0.5, 0.03), True),
        ("pt_resolution", (0.1, 0.001), (0.2, 0.001), False),
        ("pt_bias", (-0.2, 0.01), (0.1, 0.01), True),
        ("pt_bias", (-0.1, 0.01), (0.1, 0.01), False),
        ("pt_core", (0.2, None), (0.1, None), True),
        ("pt_core", (0.1, None), (0.1, None), False),
    ],
)
def test_worse_means_by_more_than_two_errors(
    quantity: str, ours: tuple[float, float | None], theirs: tuple[float, float | None], worse: bool
) -> None:
    assert row(quantity, Measure(*ours), Measure(*theirs)).worse() is worse


def test_what_is_not_measured_is_not_worse() -> None:
    assert not row("efficiency", None, Measure(1.0, 0.0)).worse()
    assert not row("efficiency", Measure(0.0, 0.0), None).worse()


def evaluated(content: tuple[dict[str, np.ndarray], dict[str, np.ndarray]], folder: Path) -> Evaluation:
    wanted = {("efficiency", "photon"): "photons: efficiency"}
    return evaluation.evaluate(*content, folder, name="mlpf", title="MLPF", headline=wanted)


def test_what_is_worse_is_said_first_and_stands_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "draw", lambda *arguments: [])  # figures take seconds
    found = evaluated(blind_in_the_centre(), tmp_path)
    assert found.headline[0].startswith("worse than rule-based particle flow by more than 2 errors in ")
    assert "efficiency photon, |eta| < 1.5 0.000" in found.headline[0]
    assert all("\n" not in line for line in found.headline)
    (cells,) = (part.rows for part in found.tables)
    marks = [cell[-1] for cell in cells]
    assert marks[0] == "yes" and marks == sorted(marks, reverse=True)
    lines = [line for line in found.headline if line.startswith("photons: efficiency")]
    assert [line.split(":")[1] for line in lines] == [
        " efficiency", *(f" efficiency, {where.label}" for where in BINS if where.quantity == "eta"),
    ]  # fmt: skip
    assert found.metrics["mlpf_efficiency_photon_central"] == 0.0


def test_rounding_is_not_worse() -> None:
    assert not [row for row in table(*made()).values() if row.worse()]
