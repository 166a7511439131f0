"""What a bundle says of its graphs and examples: ``signature.json`` and ``examples/examples.json``.

The format only grows, and only by optional fields: a reader takes those that it knows and leaves the others alone, at
any depth. Whoever writes such a description in Python is told of a misspelt field, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from pydantic import BaseModel, Field, model_validator

from .domain import Trained
from .errors import BundleError, ConfigError, MissingStepError
from .strict import Strict, validate
from .text import parse_json, shown

__all__ = [
    "EXAMPLES",
    "FORMAT",
    "LOOSEST",
    "SIGNATURE",
    "UNEXPLAINED",
    "UNKNOWN",
    "Examples",
    "Explained",
    "Relevance",
    "Signature",
    "TensorSpec",
    "read_examples",
    "read_signature",
]

FORMAT = 1
#: The largest tolerance: beyond it, other answers would count as the same.
LOOSEST = 0.1
SIGNATURE = "signature.json"
EXAMPLES = "examples/examples.json"
#: Largest length of an axis of one size: far more than any network has.
_LONGEST = 2**31
#: What stands where something must be said and isn't known.
UNKNOWN = "unknown"
#: Why a third-party graph isn't explained.
UNEXPLAINED = (
    "this bundle was made from an ONNX file without its source, and relevances need the modules of the network: "
    "bring the network and its weights (`import`), then `export`"
)
T = TypeVar("T", bound=Strict)


class TensorSpec(Strict):
    """One input or output of a network: what a stranger must know to feed or read it.

    Axes in ``dynamic`` may have any length, the others have the length in ``sizes``; the first one counts examples.

    Examples
    --------
    >>> from fair_hep import load
    >>> spec = load("bundle").signature.inputs[0]
    >>> spec.name, spec.axes, spec.columns, spec.unit
    ('particles', ('jets', 'constituents', 'component'), ('E', 'px', 'py', 'pz'), 'GeV')
    """

    name: str = Field(description="name in the batch, the ONNX graph and the signature")
    axes: tuple[str, ...] = Field(description="names of the axes in order; the first one counts the examples")
    dynamic: tuple[str, ...] = Field(description="axes of any length")
    sizes: dict[str, int] = Field(description="length of every other axis")
    dtype: str
    meaning: str
    columns: tuple[str, ...] = Field((), description="meaning of the entries along the last axis")
    unit: str = Field("1", description="unit of the columns; 1 where they have no dimension")
    range: tuple[float | None, float | None] = Field(
        (None, None), description="lowest and highest value; a caller whose values lie outside is warned"
    )
    optional: bool = Field(False, description="may be left out by the caller: then the network derives it")
    positive: tuple[str, ...] = Field((), description="columns that are above 0 in every row that isn't padding")
    ranges: tuple[tuple[float, float], ...] = Field((), description="lowest and highest value of every column")
    allowed: dict[str, tuple[float, ...]] = Field(
        {}, description="values that a column of codes may have, padding apart"
    )
    limits: dict[str, int] = Field({}, description="largest length of an axis that is accepted")
    units: dict[str, str] = Field({}, description="units of the columns that have another one than `unit`")

    @model_validator(mode="after")
    def _consistent(self) -> TensorSpec:
        """Hold what readers count on: whoever writes a signature may be anybody."""
        fixed = [axis for axis in self.axes if axis not in self.dynamic]
        if not self.axes or len(set(self.axes)) < len(self.axes):
            raise ValueError(f"{self.name}: got the axes {list(self.axes)}, expected some, each once")
        if lost := [axis for axis in fixed if not 0 <= self.sizes.get(axis, -1) <= _LONGEST]:
            raise ValueError(f"{self.name}: the axis {lost[0]} is neither dynamic nor of a size from 0 to {_LONGEST:,}")
        try:
            kind: str = np.dtype(self.dtype).kind
        except (TypeError, ValueError):
            kind = "?"
        if kind not in "fiub":
            raise ValueError(f"{self.name}: got type {self.dtype[:40]!r}, expected numbers, for example float32")
        if self.columns and self.axes[-1] in fixed and self.sizes[self.axes[-1]] != len(self.columns):
            size = self.sizes[self.axes[-1]]
            raise ValueError(f"{self.name}: got {len(self.columns)} columns, but {self.axes[-1]} is of size {size}")
        if strange := [name for name in (*self.positive, *self.allowed) if name not in self.columns]:
            raise ValueError(f"{self.name}: {strange[0][:40]!r} isn't one of its columns")
        return self

    def unit_of(self, column: str) -> str:
        """Return the unit of a column; 1 where it has no dimension."""
        return self.units.get(column, self.unit)

    @property
    def raw(self) -> bool:
        """Whether an output is the network's own, not a softmax of one."""
        return not self.name.endswith("probabilities")

    @property
    def set_axis(self) -> str | None:
        """The axis that counts the elements of a set (the second one, if it may have any length), else None."""
        return self.axes[1] if len(self.axes) > 1 and self.axes[1] in self.dynamic else None


class Relevance(Strict):
    """How relevances are made, and how closely they must be reproduced."""

    composite: str
    bias: str
    epsilon: float
    target: list[float]
    tolerance: float = Field(
        gt=0, le=LOOSEST, description="largest difference, as a fraction of an example's largest relevance"
    )
    temperature: float = Field(1.0, gt=0, description="what is explained are the network's logits divided by this")


class Explained(Strict):
    """What goes into the explained graph and what comes out; its rules are fixed, what is explained is an input."""

    inputs: list[TensorSpec] = Field(min_length=2)
    outputs: list[TensorSpec] = Field(min_length=3)
    how: Relevance


class Signature(Strict):
    """What goes into the graph and what comes out: ``signature.json``.

    Examples
    --------
    >>> from fair_hep import load
    >>> signature = load("bundle").signature
    >>> [spec.name for spec in signature.outputs], signature.explainable
    (['logits', 'probabilities'], True)
    """

    bundle_format: Literal[1] = 1
    model: str
    title: str
    summary: str
    version: str
    hyperparameters: dict[str, Any] = Field(
        {}, description="with them the network is built again from weights.safetensors"
    )
    inputs: list[TensorSpec] = Field(min_length=1)
    outputs: list[TensorSpec] = Field(min_length=1)
    features: TensorSpec | None = Field(None, description="where relevance lives; null: unknown, nothing is explained")
    target: list[float] = Field(
        [], description="weights of the combination of raw outputs that is explained by default"
    )
    opset: int
    foreign: bool = Field(
        False,
        description="a third-party graph without its source: no weights apart from it, no explanation, no padding",
    )
    explained: Explained | None = Field(None, description="of model_explained.onnx; null: there is no such graph")
    domain: list[Trained] = Field(
        [], description="where it was trained: quantities of an example with their ranges; empty: not known"
    )
    temperature: float = Field(
        1.0, gt=0, description="what the network's logits are divided by, in both graphs: 1 leaves them as trained"
    )
    precision: Literal["float32", "float16", "int8"] = Field(
        "float32",
        description="of the weights; float16: rounded to it, both graphs compute in float32; int8: linear maps of "
        "model.onnx multiply integers, weights.safetensors and model_explained.onnx hold what these stand for",
    )

    @property
    def third_party(self) -> bool:
        """Whether the graph came from others, without its source; `padded` and the rest say what follows from it."""
        return self.foreign

    @property
    def padded(self) -> bool:
        """Whether zeros behind the elements of a set change nothing; of a third-party graph that isn't known."""
        return not self.foreign

    @property
    def trainable(self) -> bool:
        """Whether the bundle holds the weights apart from the graph, so that its network can be built again."""
        return not self.foreign

    @property
    def explainable(self) -> bool:
        """Whether it is known where relevance lives; `explained` says whether a graph that explains was published."""
        return self.features is not None

    @property
    def relevant(self) -> TensorSpec:
        """The features that carry relevance; a `BundleError` where nothing is explained."""
        if self.features is None:
            raise BundleError(UNEXPLAINED)
        return self.features


class Examples(Strict):
    """The stored inputs and answers: ``examples/examples.json``."""

    count: int = Field(ge=1)
    tolerance: float = Field(
        gt=0, le=LOOSEST, description="largest difference of an output; relative for values above 1"
    )
    near_ties: list[int] = Field(
        description="answers that hang on two candidates for a neighbour which are equally near at single precision: "
        "another machine may choose the other one, so a difference in these is counted, not condemned; an answer is an "
        "example, or an element where there is an answer for each (numbered through, padding included)"
    )
    relevance: Relevance | None = None
    unsteady: list[int] = Field(
        [], description="examples whose relevances hang on rounding: differences in these are counted, not condemned"
    )


def read_signature(folder: Path) -> Signature:
    """Read ``signature.json``.

    Raises
    ------
    MissingStepError
        If there is no bundle.
    BundleError
        If it doesn't hold what it should, or is of a format that this version doesn't know.
    """
    values = _read_json(folder, SIGNATURE)
    known = values.get("bundle_format")
    if known != FORMAT:
        raise BundleError(
            f"{folder.name}/{SIGNATURE}: bundle_format is {shown(known)}, expected {FORMAT}: "
            "use a version that reads it"
        )
    return _validated(Signature, values, f"{folder.name}/{SIGNATURE}")


def read_examples(folder: Path) -> Examples:
    """Read ``examples/examples.json``; the same errors as `read_signature`."""
    return _validated(Examples, _read_json(folder, EXAMPLES), f"{folder.name}/{EXAMPLES}")


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        raise MissingStepError(f"{folder.name}/{name}", "export")
    try:
        values = parse_json(path.read_bytes(), unique=True)
    except ValueError as error:
        raise BundleError(f"{folder.name}/{name}: not JSON ({error}); fetch or export the bundle again") from error
    if not isinstance(values, dict):
        raise BundleError(f"{folder.name}/{name}: got {type(values).__name__}, expected keys and values")
    return values


def _validated(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    try:
        return validate(kind, _known(kind, values), where)
    except ConfigError as error:
        raise BundleError(str(error)) from error


def _known(kind: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the fields that this version doesn't know, at every depth."""
    fields = kind.model_fields
    return {name: _inside(fields[name].annotation, value) for name, value in values.items() if name in fields}


def _inside(annotation: Any, value: Any) -> Any:
    kinds = (annotation, *get_args(annotation))
    kind = next((one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)), None)
    if kind is not None and isinstance(value, Mapping):
        return _known(kind, value)
    if kind is not None and isinstance(value, list):
        return [_inside(kind, one) for one in value]
    return value
