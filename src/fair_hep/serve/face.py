"""A model as the Open Inference Protocol sees it: the two graphs of a bundle are two models, each with its own name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..bundle.answer import OUTSIDE
from ..bundle.signature import Signature, TensorSpec
from .tensors import BYTES, described

__all__ = ["EXPLAINED", "LENGTHS", "Face"]

#: The input that says how many elements of each example aren't padding; it may be left out.
LENGTHS = "lengths"
#: The output that says what is explained of each example.
EXPLAINED = "explained"


class Face(NamedTuple):
    """A model as the protocol sees it: one of the two graphs of a bundle, under its own name.

    Attributes
    ----------
    name, version
        What a request asks for.
    signature
        Of the bundle.
    explains
        Whether it is the graph that explains.
    """

    name: str
    version: str
    signature: Signature
    explains: bool

    @property
    def inputs(self) -> list[TensorSpec]:
        """What a request must give; of the graph that explains the last one may be left out."""
        known = self.signature.explained
        return known.inputs if self.explains and known else self.signature.inputs

    @property
    def outputs(self) -> list[TensorSpec]:
        """What the graph gives."""
        known = self.signature.explained
        return known.outputs if self.explains and known else self.signature.outputs

    @property
    def set_axis(self) -> str | None:
        """The axis that counts elements."""
        return next((spec.set_axis for spec in self.signature.inputs if spec.set_axis), None)

    @property
    def takes_lengths(self) -> bool:
        """Whether a request may say how long sets are: not where padding isn't known to change nothing."""
        taken = {spec.name for spec in self.inputs}
        return self.set_axis is not None and self.signature.padded and LENGTHS not in taken

    @property
    def lengths(self) -> TensorSpec:
        """The input that says how long sets are."""
        return self._numbers(LENGTHS, "int64", "elements of each example that aren't padding")

    def extras(self) -> list[TensorSpec]:
        """Return what stands beside the outputs of the graph, as numbers of each example."""
        told = "what is explained: relevances and ledger sum to it"
        return [self._numbers(EXPLAINED, "float64", told)] if self.explains else []

    def metadata(self, versions: Sequence[str]) -> dict[str, Any]:
        """Return what the protocol tells of a model."""
        counted = self.signature.inputs[0].axes[0]
        meaning = "what of the example the model wasn't made for; empty: nothing"
        own: dict[str, Any] = {"title": self.signature.title, "summary": self.signature.summary}
        optional = [self.inputs[-1].name] if self.explains else []
        if self.takes_lengths:
            own["sets"] = f"padded with zeros; {LENGTHS} (INT64, [{counted}]) says how long each is"
            optional.append(LENGTHS)
        if optional:
            own["optional_inputs"] = ", ".join(optional)
        outside = {"name": OUTSIDE, "datatype": BYTES, "shape": [-1], "parameters": {"meaning": meaning}}
        return {
            "name": self.name,
            "versions": list(versions),
            "platform": "onnx_onnxv1",
            "inputs": [described(spec) for spec in self.inputs],
            "outputs": [*(described(spec) for spec in (*self.outputs, *self.extras())), outside],
            "parameters": own,
        }

    def _numbers(self, name: str, dtype: str, meaning: str) -> TensorSpec:
        """Describe one number for each example."""
        counted = self.signature.inputs[0].axes[0]
        return TensorSpec(name=name, axes=(counted,), dynamic=(counted,), sizes={}, dtype=dtype, meaning=meaning)
