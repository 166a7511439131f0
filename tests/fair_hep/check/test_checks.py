"""Every promise of the contract: kept by the models here, and each broken by a fault that its check finds by name."""

from __future__ import annotations

import importlib
import json
import logging
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn.models import MLP

from fair_hep.bundle.columns import Columns
from fair_hep.check import CHECKS, NotPossible, Outcome, check_model
from fair_hep.cli.project import main
from fair_hep.lrp import register
from fair_hep.lrp.treatments import as_it_is
from fair_hep.project import check as verb
from fair_hep.provenance.configuration import Config
from support.command import command
from support.faults import FAULTS, Fault
from support.recipes import FOLDER, SLUGS
from support.recipes import model as model_named
from support.sets import Body, Network, Sets
from support.small import make_project

GRAPHS = ("onnx_parity", "explained_onnx_parity")
QUICK = [name for name in CHECKS if name not in GRAPHS]
CONFIG = Config(name="check")


@pytest.mark.parametrize(
    "check", [pytest.param(check, marks=[pytest.mark.slow] if check == "figures_are_drawn" else []) for check in QUICK]
)
@pytest.mark.parametrize("name", SLUGS)
def test_promise_is_kept(name: str, check: str) -> None:
    # Graphs of these models are compared by `export`, in the tests of the bundle.
    example = importlib.import_module(f"support.example_{name}")
    CHECKS[check](model_named(name), example.HYPERPARAMETERS, FOLDER / name / "sample")


def test_every_check_finds_a_fault_of_its_own() -> None:
    assert {fault.check for fault in FAULTS} == set(CHECKS)


@pytest.mark.slow
def test_a_model_without_a_fault_passes_every_check(tmp_path: Path) -> None:
    told: list[str] = []
    outcomes = check_model(Sets(tmp_path), CONFIG, sample=tmp_path, report=lambda outcome: told.append(outcome.name))
    assert told == list(CHECKS)
    assert {(outcome.name, outcome.verdict, outcome.reason) for outcome in outcomes} == {
        (name, "passed", "") for name in CHECKS
    }


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault.name.replace(" ", "-"), marks=[pytest.mark.slow] if fault.check in GRAPHS else [])
        for fault in FAULTS
    ],
)
def test_planted_fault_is_caught_by_name(fault: Fault, tmp_path: Path) -> None:
    names = [fault.check] if fault.check in GRAPHS else QUICK
    outcomes = {
        outcome.name: outcome for outcome in check_model(fault.model(tmp_path), CONFIG, sample=tmp_path, names=names)
    }
    caught = outcomes[fault.check]
    assert caught.verdict == "failed"
    assert re.search(fault.words, caught.reason)
    assert caught.remedy
    assert "\n" not in caught.reason + caught.remedy
    # Nothing else is blamed, but for what follows from the same fault.
    assert sum(outcome.verdict == "failed" for outcome in outcomes.values()) <= 6


class Counting(torch.nn.Module):
    """Keeps as many rows as there are real elements: an export of outputs can, a recorded explanation can't."""

    def forward(self, rows: Tensor, mask: Tensor) -> Tensor:
        kept = rows * mask[..., None]
        return kept if int(mask.sum()) else 2.0 * kept


class Valued(Body):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.counting = Counting()
        register(Counting, as_it_is)

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        return super().pooled(self.counting(rows, mask), mask)


class ValuedSets(Sets):
    class network(Network):  # noqa: N801
        def __init__(self, width: int) -> None:
            super().__init__(width)
            self.body = Valued(width)


def test_what_cannot_be_recorded_is_a_verdict_of_its_own(tmp_path: Path) -> None:
    (outcome,) = check_model(ValuedSets(tmp_path), CONFIG, sample=tmp_path, names=["explained_onnx_parity"])
    assert outcome.verdict == "not possible"
    assert "can't be recorded: " in outcome.reason
    with pytest.raises(NotPossible):
        CHECKS["explained_onnx_parity"](ValuedSets(tmp_path), {})


def test_what_stops_everything_is_told_once(tmp_path: Path) -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "one feature too many")
    outcomes = check_model(fault.model(tmp_path), CONFIG, sample=tmp_path)
    assert [outcome.name for outcome in outcomes] == list(CHECKS)
    assert [outcome.name for outcome in outcomes if outcome.verdict == "failed"] == ["network_runs"]
    lines = verb.headline(outcomes)
    assert sum("network_runs failed, on which it stands" in line for line in lines) == 1
    assert len(lines) == 2 + 3 + 1 + 1, "passed twice, one finding of three lines, what wasn't tried, the sum"
    assert "compute as many in network.features as FEATURES in inputs.py names" in lines[4]


def test_pooling_that_is_not_told_the_number_of_graphs_is_just_that() -> None:
    from torch_geometric.nn import GCNConv, global_mean_pool

    from fair_hep.nets.graphs import GraphBody

    class Pooled(torch.nn.Module):
        def __init__(self, told: bool) -> None:
            super().__init__()
            self.layer, self.told = GCNConv(3, 2, add_self_loops=False), told

        def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor, graphs: int) -> Tensor:
            found: Tensor = global_mean_pool(self.layer(x, edge_index), batch, graphs if self.told else None)
            return found

    features, mask = torch.rand(4, 5, 3), torch.ones(4, 5, dtype=torch.bool)
    for told in (True, False):
        said = GraphBody(Pooled(told), 2).eval().complaint(features, features[..., :2], mask)
        assert ("write global_mean_pool(x, batch, graphs)" in said) == (not told)
        assert ("8 rows for 9 graphs" in said) == (not told)


def outcomes_of(body: type[Body], folder: Path, *names: str, config: Config = CONFIG) -> dict[str, Outcome]:
    class Changed(Network):
        def __init__(self, width: int) -> None:
            super().__init__(width)
            self.body = body(width)

    class Model(Sets):
        network = Changed

    return {outcome.name: outcome for outcome in check_model(Model(folder), config, sample=folder, names=names)}


class Encoded(Body):
    """A transformer encoder as torch has it: dropout in its modules, and attention that keeps it as a number."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        layer = nn.TransformerEncoderLayer(width, 2, width, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        return super().pooled(self.encoder(rows, src_key_padding_mask=~mask), mask)


class Perceptron(Body):
    """The MLP of PyTorch Geometric: a list of probabilities of dropout."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.perceptron = MLP([width, width, width], norm=None, dropout=0.5)

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        return super().pooled(self.perceptron(rows), mask)


class Random(Body):
    """Dropout whose probability stands where nobody finds it."""

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        return super().pooled(nn.functional.dropout(rows, 0.3, self.training), mask)


def test_dropout_is_neither_order_nor_padding(tmp_path: Path) -> None:
    names = ("padding_ignored", "order_ignored")
    for body in (Encoded, Perceptron):
        found = outcomes_of(body, tmp_path, *names)
        assert {(one.verdict, one.reason) for one in found.values()} == {("passed", "")}
    for outcome in outcomes_of(Random, tmp_path, *names).values():
        assert outcome.reason.startswith("the network draws random numbers in training outside of torch.nn.Dropout")
        assert "attribute `dropout`" in outcome.remedy
    # What isn't random is blamed as before.
    padded = check_model(
        next(fault for fault in FAULTS if fault.check == "padding_ignored").model(tmp_path), CONFIG, names=names[:1]
    )
    assert "padding changes the outputs" in padded[0].reason


def test_layers_of_torch_that_do_all_in_one_call_are_told_what_to_write(tmp_path: Path) -> None:
    found = outcomes_of(Encoded, tmp_path, "any_size", "rule_for_every_module")
    for outcome in found.values():
        assert outcome.verdict == "failed"
        assert "enable_nested_tensor=False" in outcome.remedy
    assert found["any_size"].reason.startswith("an example without elements: ")
    assert "torch.nn.TransformerEncoder packs sets" in found["rule_for_every_module"].reason
    assert "write attention out" in found["rule_for_every_module"].remedy


@pytest.mark.slow
def test_what_pytorch_itself_cannot_say_is_no_difference(tmp_path: Path) -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "nothing divided by nothing")
    (outcome,) = check_model(fault.model(tmp_path), CONFIG, sample=tmp_path, names=["onnx_parity"])
    assert outcome.reason.startswith("nothing but padding: PyTorch itself gives NaN")
    assert "tolerance" not in outcome.reason


def test_files_of_another_layout_are_to_be_replaced(tmp_path: Path) -> None:
    sample = FOLDER / "graph" / "sample"

    class Elsewhere(type(model_named("custom"))):  # type: ignore[misc]
        columns = Columns(elements={"px": "px", "py": "py", "pz": "pz", "E": "E"}, label="is_signal")

    (outcome,) = check_model(Elsewhere(), CONFIG, sample=sample, names=["dataset_fits"])
    assert "missing columns px, py, pz, E, is_signal" in outcome.reason
    assert outcome.remedy.startswith("the files in sample/ aren't what data.py describes: replace them by files of")


class Scaled(Body):
    """A factor for every channel, in a module that nobody told of."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.factors = nn.PReLU(width)

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        return super().pooled(self.factors(rows.transpose(1, 2)).transpose(1, 2), mask)


class Normal(Body):
    """A norm over channels that is no layer: each that goes changes all others."""

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        return super().pooled(rows / rows.norm(dim=2, keepdim=True).clamp(min=1e-3), mask)


def test_channels_that_cannot_go_are_no_broken_promise_and_those_that_change_others_are(tmp_path: Path) -> None:
    unknown = outcomes_of(Scaled, tmp_path, "channels_can_go")["channels_can_go"]
    assert unknown.verdict == "not possible"
    assert re.search(r"factors \(PReLU\); tell it by .*`prune` will say the same", unknown.reason)
    changed = outcomes_of(Normal, tmp_path, "channels_can_go")["channels_can_go"]
    assert changed.verdict == "failed"
    assert changed.reason.startswith("without half of the channels that each.2, whole.0 share, the outputs differ by ")
    kept = Config.model_validate({"name": "check", "prune": {"keep": ["each.2"]}})
    assert outcomes_of(Normal, tmp_path, "channels_can_go", config=kept)["channels_can_go"].verdict == "passed"


class Exploding(Sets):
    def build(self, **hyperparameters: object) -> torch.nn.Module:
        raise MemoryError


def test_every_verdict_is_there_whatever_is_raised(tmp_path: Path) -> None:
    outcomes = check_model(Exploding(tmp_path), CONFIG, sample=tmp_path)
    assert [outcome.name for outcome in outcomes] == list(CHECKS)
    failed = {outcome.name: outcome.reason for outcome in outcomes if outcome.verdict == "failed"}
    assert failed.keys() == {"network_runs"}
    assert failed["network_runs"].startswith(
        "building the network raised MemoryError: without a word (test_checks.py, "
    )
    alone = check_model(Exploding(tmp_path), CONFIG, sample=tmp_path, names=["outputs_fit", "any_size"])
    assert {outcome.reason for outcome in alone} == {"raised MemoryError: without a word"}


def test_the_command_names_every_check_and_ends_with_1_if_one_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    project = make_project(tmp_path / "project")
    (fault,) = (fault for fault in FAULTS if fault.name == "a branch on a value")
    monkeypatch.setenv("FAIR_HEP_PROJECT", str(project.root))
    monkeypatch.setattr(verb, "recipe", lambda project: fault.model(tmp_path))
    configuration = tmp_path / "check.yaml"
    configuration.write_text("name: check\n")
    with caplog.at_level(logging.INFO), pytest.raises(SystemExit) as ended:
        main(["check", "--json", "--config", str(configuration)])
    assert ended.value.code == 1
    output, log = capfd.readouterr()
    verdicts = {check["name"]: check for check in json.loads(output)["checks"]}
    assert list(verdicts) == list(CHECKS)
    assert [name for name, check in verdicts.items() if check["verdict"] == "failed"] == ["onnx_parity"]
    # The reason has the line of the network, the remedy says what to write instead.
    assert "faults.py" in verdicts["onnx_parity"]["reason"]
    assert "no branch on values" in verdicts["onnx_parity"]["remedy"]
    assert verdicts["explained_onnx_parity"]["verdict"] == "not possible"
    told = [record.getMessage().split("  ")[-1].split(" ")[0] for record in caplog.records if "s)" in record.message]
    assert told == list(CHECKS)
    assert log.splitlines()[-1] == f"error: 1 of {len(CHECKS)} checks failed: onnx_parity"
    lines = verb.headline(check_model(fault.model(tmp_path), CONFIG, sample=tmp_path, names=["onnx_parity"]))
    starts = ["FAILED  onnx_parity", "seen", "to do", "0 of 1 checks passed"]
    assert [line.split(":")[0].strip() for line in lines] == starts


def test_a_misspelt_hyperparameter_is_one_line_and_no_broken_promise(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path / "project")
    done = command(project, "check", "model.no_such_option=1", capture=capfd)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"error: model: .*no_such_option", done.stderr)
    assert "checks failed" not in done.stderr
