"""Configuration: one YAML file and dotted overrides, validated once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ..bundle.errors import ConfigError
from ..bundle.signature import LOOSEST
from ..bundle.strict import WORDS, Strict, load_yaml, validated
from ..bundle.text import parse_yaml, shown

__all__ = [
    "Config",
    "DataConfig",
    "EvaluateConfig",
    "ExplainConfig",
    "ExplainRules",
    "ExportConfig",
    "PruneConfig",
    "RegisterConfig",
    "TrainConfig",
    "apply_overrides",
    "load_config",
]


class DataConfig(Strict):
    """Where the examples come from, and how a loader cuts them."""

    source: Literal["sample", "simulate", "doi", "folder"] = Field(
        "sample",
        description="sample: ships with the project; simulate: by the model's generator; doi: the record of "
        "dataset.doi in project.yaml; folder: your own files",
    )
    folder: Path | None = Field(None, description="folder with raw files, for source: folder")
    files: list[str] = Field(
        [], description="globs that choose among the record's files; empty: all that the model needs"
    )
    size: int = Field(10_000, ge=10, description="number of examples, for source: simulate")
    simulation: dict[str, Any] = Field({}, description="options of the model's generator, by name")
    processes: int = Field(0, ge=0, description="processes that simulate or convert; 0: one per core")
    options: dict[str, Any] = Field({}, description="options of the model's data set, by name")


class TrainConfig(Strict):
    """How the network is trained."""

    epochs: int = Field(20, ge=1, description="passes through the training split")
    batch_size: int = Field(384, ge=1, description="examples in a step, over all processes")
    learning_rate: float = Field(3e-4, gt=0, description="where the one-cycle schedule starts and comes back to")
    peak_learning_rate: float = Field(3e-3, gt=0, description="its highest, after 40 % of the steps")
    final_learning_rate: float = Field(5e-7, gt=0, description="where it ends")
    weight_decay: float = Field(1e-4, ge=0, description="of AdamW, decoupled from the gradient")
    loss: dict[str, Any] = Field({}, description="options of the model's loss, by name")
    patience: int = Field(
        0, ge=0, description="epochs without a better validation loss before stopping; 0: never stop early"
    )
    limit: int = Field(0, ge=0, description="examples of the training split to use; 0: all")
    workers: int = Field(0, ge=0, description="processes that load batches")
    accelerator: str = Field("auto", description="auto, cpu, cuda, mps or tpu, as Lightning names them")
    devices: int = Field(
        1, ge=1, description="processes or accelerators on each node; srun and torchrun say it themselves"
    )
    nodes: int = Field(1, ge=1, description="machines; srun and torchrun say it themselves")
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = Field(
        "32-true", description="of the network while it trains; the loss is in single precision always"
    )
    threads: int = Field(0, ge=0, description="threads of each process; 0: as torch chooses")
    checkpoint_steps: int = Field(0, ge=0, description="steps between checkpoints; 0: one at the end of every epoch")
    seed: int | None = Field(
        None, ge=0, lt=2**32, description="seed of weights, order of examples and dropout; null: the configuration's"
    )
    seeds: int = Field(
        1, ge=1, description="trainings with seeds that count up: the first is the model, the others tell the spread"
    )


class EvaluateConfig(Strict):
    """How the network is evaluated."""

    batch_size: int = Field(256, ge=1, description="examples that are read together")
    limit: int = Field(0, ge=0, description="examples of the test split to use; 0: all")
    runtime: Literal["auto", "torch", "onnx"] = Field(
        "auto",
        description="what computes the body: torch; onnx: a graph in ONNX Runtime, which is faster and takes some "
        "seconds to be made; auto: the graph from 20,000 examples on, where it can be had and agrees",
    )


class ExplainConfig(Strict):
    """What is explained, and by which rules."""

    composite: str | None = Field(
        None,
        description="which rule where, by name; with +proportional behind it, maxima share relevance; null: the "
        "model's own",
    )
    bias: Literal["absorb", "exclude"] = Field(
        "absorb", description="absorb: biases take their share; exclude: they take none, for comparison, in float64"
    )
    epsilon: float = Field(1e-6, ge=0, description="stabiliser of denominators")
    size: int = Field(200, ge=1, description="examples of the test split to explain")
    batch_size: int = Field(0, ge=0, description="examples in one pass; 0: chosen by the program")
    figures: int = Field(2, ge=0, description="examples of each class to draw")
    precision: Literal["float32", "float64"] = Field(
        "float32", description="in which network and relevances are computed"
    )
    runtime: Literal["auto", "torch", "onnx"] = Field(
        "auto",
        description="what computes relevances: torch; onnx: a graph in ONNX Runtime, which is faster and takes half a "
        "minute to be made; auto: the graph from 10,000 examples on, where it can be had and agrees",
    )
    target: list[float] | None = Field(
        None, description="weights of the explained combination of outputs; null: the model's own"
    )
    options: dict[str, Any] = Field({}, description="options of the model's study, by name")

    @model_validator(mode="after")
    def _exclude_in_double(self) -> Self:
        if self.bias == "exclude" and self.precision != "float64":
            raise ValueError("bias exclude needs precision float64: its denominators cross zero")
        return self


class ExplainRules(ExplainConfig):
    """The same with nothing left open."""

    composite: str
    target: list[float]


class ExportConfig(Strict):
    """What goes into the bundle."""

    examples: int = Field(32, ge=1, description="stored example inputs")
    tolerance: float = Field(
        1e-4,
        gt=0,
        le=LOOSEST,
        description="largest difference of a raw output between two runtimes; relative for values above 1",
    )
    opset: int = Field(20, ge=18, description="of ONNX, in both graphs")
    temperature: Literal["none", "fit"] | Annotated[float, Field(gt=0)] = Field(
        "none",
        description="none, a number above 0 that a tagger's logits are divided by, or fit: what makes the validation "
        "labels most likely",
    )
    precision: Literal["float32", "float16", "int8"] = Field(
        "float32",
        description="of the published weights: float16 rounds them, int8 lets linear maps multiply integers; the graph "
        "that explains computes in float32 always",
    )


class PruneConfig(Strict):
    """How small a trained network gets, and what goes first."""

    macs: float | None = Field(None, gt=0, lt=1, description="share of the multiply-adds that is left")
    parameters: float | None = Field(None, gt=0, lt=1, description="share of the parameters that is left")
    loss: float | None = Field(
        None,
        gt=0,
        description="what the decisive metric may lose on validation examples: the smallest network within it; for "
        "suggestions null: two of its errors",
    )
    criterion: Literal["relevance", "magnitude", "taylor", "random"] = Field(
        "relevance", description="by what channels are judged; the least go first"
    )
    composite: str | None = Field(None, description="rules of relevance; null: as explanations follow")
    examples: int = Field(256, ge=1, description="training examples that they are judged on")
    steps: int = Field(3, ge=1, description="rounds of taking away and training; with loss: at most so many")
    epochs: int = Field(2, ge=0, description="passes through the training split after each round")
    smallest: int = Field(2, ge=1, description="channels that stay at least, where a layer loses some")
    most: float = Field(0.5, gt=0, le=1, description="largest share of the channels of a layer that goes in one round")
    keep: list[str] = Field([], description="layers of the body whose channels stay")
    neighbours: dict[str, int] = Field({}, description="neighbours that a graph of the body is left with, by its name")
    features: list[str] | None = Field(None, description="features that go on counting, the others become 0")
    criteria: list[Literal["relevance", "magnitude", "taylor", "random"]] = Field(
        ["relevance", "magnitude", "taylor", "random"], min_length=1, description="those that a study compares"
    )
    budgets: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.5, 0.25, 0.1], min_length=1, description="shares of the multiply-adds at which a study compares them"
    )
    suggest_examples: int | None = Field(
        None,
        ge=2,
        description="validation examples that suggestions (--suggest) are measured on; null: 1,000, or as many as have "
        "100,000 elements",
    )
    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="name of the configuration that is written; null: this one's, with -pruned",
        json_schema_extra={WORDS: "letters, digits, '_', '.' and '-', beginning with a letter or a digit"},
    )

    @property
    def empty(self) -> bool:
        """Whether nothing is asked for."""
        asked = (self.macs, self.parameters, self.loss, self.features)
        return not self.neighbours and all(value is None for value in asked)


class RegisterConfig(Strict):
    """Where the model is registered."""

    tracking_uri: str | None = Field(None, description="null: MLFLOW_TRACKING_URI, or a SQLite file in the project")
    name: str | None = Field(None, description="registered name; null: the project's slug")


class Config(Strict):
    """A whole configuration; ``name`` is the folder under ``runs/``."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="folder below runs/",
        json_schema_extra={WORDS: "letters, digits, '_', '.' and '-', beginning with a letter or a digit"},
    )
    seed: int = Field(20190222, ge=0, lt=2**32, description="of everything that draws random numbers")
    model: dict[str, Any] = Field({}, description="hyperparameters of the network")
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    explain: ExplainConfig = ExplainConfig()
    export: ExportConfig = ExportConfig()
    prune: PruneConfig = PruneConfig()
    register_: RegisterConfig = Field(RegisterConfig(), alias="register")


def apply_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return ``values`` with dotted overrides put in; the right-hand side is YAML.

    Examples
    --------
    >>> apply_overrides({"train": {"epochs": 20}}, ["train.epochs=3", "name=try"])
    {'train': {'epochs': 3}, 'name': 'try'}
    """
    result = dict(values)
    for override in overrides:
        dotted, equals, text = override.partition("=")
        if not equals or not all(dotted.split(".")):
            raise ConfigError(f"override {override!r}: expected key=value, for example train.epochs=3")
        try:
            value = parse_yaml(text)
        except ValueError as error:
            raise ConfigError(f"override {shown(override)}: the value isn't YAML ({error})") from error
        result = _replaced(result, dotted.split("."), value)
    return result


def _replaced(values: Any, keys: Sequence[str], value: Any) -> dict[str, Any]:
    inner = dict(values) if isinstance(values, Mapping) else {}
    inner[keys[0]] = value if len(keys) == 1 else _replaced(inner.get(keys[0]), keys[1:], value)
    return inner


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read and validate a configuration.

    Raises
    ------
    ConfigError
        If anything doesn't fit; one line names every wrong key, the nearest known ones, and where each was written: in
        the file, or on the command line.
    """
    values = apply_overrides(load_yaml(path), overrides)

    def where(key: str) -> str:
        # The last one counts; a mistake may lie within what an override wrote, or be all that it wrote.
        given = next((o for o in reversed(overrides) if _covers(o.partition("=")[0], key)), None)
        return str(path) if given is None else f"command line, {given}"

    return validated(Config, values, where)


def _covers(dotted: str, key: str) -> bool:
    """Say whether an override of ``dotted`` wrote what is wrong at ``key``."""
    return f"{key}.".startswith(f"{dotted}.") or f"{dotted}.".startswith(f"{key}.")
