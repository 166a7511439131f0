"""A published model that takes Awkward arrays and can be sent to other processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..bundle.columns import Columns, Map, find_columns
from ..bundle.errors import BundleError, DataError, MissingStepError
from ..bundle.extras import need
from ..bundle.folder import EXPLAINED
from ..bundle.signature import UNEXPLAINED, Signature, TensorSpec, read_signature
from .answers import answers, records
from .nested import Nested, columns_for, nested, take
from .partitions import is_lazy, map_partitions
from .sessions import Source, opened

__all__ = ["ArrayModel"]

Verb = Literal["elements", "predict", "explain"]


class ArrayModel:
    """A published model for Awkward arrays: eager, virtual or of dask-awkward.

    It may be sent to other processes: what travels is where its bundle lies and the checksum of its checksums, below a
    kilobyte. Each process opens the bundle once, when it is first asked, and refuses another one.

    Parameters
    ----------
    place
        Folder of the bundle, under a name that all processes see, or its DOI.
    threads
        Threads of ONNX Runtime in each process; 0: as many as there are cores. One is right where a cluster runs a
        task on every core.

    Raises
    ------
    MissingStepError, DataError, BundleError
        As `load` does; also where Awkward isn't installed.

    Examples
    --------
    Two events with one jet and none, its constituents with pt, eta, phi (in GeV and radians) and mass:

    >>> import awkward
    >>> from fair_hep.analysis import ArrayModel
    >>> model = ArrayModel("bundle")
    >>> constituents = {"pt": [310.0, 290.0], "eta": [0.1, 0.3], "phi": [0.0, 0.2], "mass": [0.0, 0.0]}
    >>> events = awkward.Array([[awkward.zip(constituents).to_list()], []])
    >>> scores = model.predict(events)
    >>> awkward.num(scores).to_list(), scores.probabilities.fields
    ([1, 0], ['QCD', 'top'])
    >>> why = model.explain(events)
    >>> awkward.num(why.relevance, axis=2).to_list()
    [[2], []]
    """

    def __init__(self, place: str | Path, *, threads: int = 1) -> None:
        need("a model for arrays", ("awkward",), "analysis")
        if type(threads) is not int or threads < 0:
            raise DataError(f"threads: got {threads!r}, expected 0 (as many as there are cores) or more")
        self.source, folder = Source.of(place, threads)
        self._signature: Signature | None = read_signature(folder)

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self.source, "_signature": None}

    def __dask_tokenize__(self) -> tuple[str, str, int, str]:
        return (type(self).__name__, self.source.place, self.source.threads, self.source.sums)

    def __repr__(self) -> str:
        return f"ArrayModel({self.source.place!r}, threads={self.source.threads})"

    @property
    def signature(self) -> Signature:
        """What goes in and what comes out."""
        if self._signature is None:
            self._signature = opened(self.source).signature
        return self._signature

    def elements(self, array: Any, *, columns: Map | None = None) -> Any:
        """Return what the model gets of every element, in the lists of the array: to select examples, or to look at.

        Parameters
        ----------
        array
            An Awkward array, eager or virtual, or a dask-awkward one. Its records are elements in lists: of examples,
            or of examples in events, as deep as it goes. With a map of a file's layout, whose rows are events, it
            is the array of the events.
        columns
            Which fields are what: the name of a map that ships (``nanoaod``, ``pfnano``, ``jetclass``), a YAML file, or
            keys and values. None: the fields have the names of the model's columns, or are pt, eta, phi and mass (or
            energy), or px, py, pz and energy (or mass).

        Returns
        -------
        elements
            Records of the columns that the model takes, in its units, in lists. They may be given to `predict` and
            `explain` without a map. A model with several inputs gives those of the first.

        Raises
        ------
        ConfigError
            If the map doesn't give what the model takes.
        DataError
            If fields are missing, or hold what no example can have; the line says which and where.
        """
        return self._apply("elements", array, columns, None)

    def predict(self, array: Any, *, columns: Map | None = None) -> Any:
        """Score examples.

        Parameters
        ----------
        array, columns
            As for `elements`.

        Returns
        -------
        scores
            For each example a record: every output of the signature, numbers by the names of its columns; and
            ``outside``, a list of texts that say what of it the model wasn't made for (`count` counts them). Outputs
            of elements are lists as long as those of the array; elements that are zero in all columns are padding, and
            their outputs 0.

        Raises
        ------
        ConfigError, DataError
            As for `elements`.
        """
        return self._apply("predict", array, columns, None)

    def explain(self, array: Any, target: Sequence[float] | None = None, *, columns: Map | None = None) -> Any:
        """Score examples and explain each.

        Parameters
        ----------
        array, columns
            As for `elements`.
        target
            Weights of the raw outputs that are explained, ``[outputs]`` in the order of the signature's target input.
            None: what the model explains by default.

        Returns
        -------
        explanations
            What `predict` gives, and for each example ``relevance`` of every feature of every element, the ``ledger``,
            and ``explained``, to which both sum up. Relevances of edges are what `load(...).explain` gives.

        Raises
        ------
        MissingStepError, BundleError
            If the bundle was published without an explained graph, or can't have one.
        ConfigError, DataError
            As for `elements`.
        """
        known = self.signature.explained
        if not self.signature.explainable:
            raise BundleError(f"{self.source.place}: {UNEXPLAINED}")
        if known is None:
            raise MissingStepError(f"{Path(self.source.place).name}/{EXPLAINED}", "export")
        weights = None if target is None else _weights(target, known.inputs[-1], len(known.how.target))
        return self._apply("explain", array, columns, weights)

    __call__ = predict

    def _apply(self, verb: Verb, array: Any, columns: Map | None, target: tuple[float, ...] | None) -> Any:
        import awkward

        lazy = is_lazy(array)
        if not lazy and not isinstance(array, awkward.Array):
            raise DataError(f"inputs: got {type(array).__name__}, expected an Awkward array, or one of dask-awkward")
        known = columns_for(self.signature, awkward.fields(array)) if columns is None else find_columns(columns)
        step = _Step(self, verb, known, target)
        return map_partitions(step, array, verb) if lazy else step(array)


@dataclass(frozen=True)
class _Step:
    """What is done with a partition. Of an array without data it gives one of the type that comes."""

    model: ArrayModel
    verb: Verb
    columns: Columns
    target: tuple[float, ...] | None

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return (self.model.__dask_tokenize__(), self.verb, self.columns.model_dump_json(), self.target)

    def __call__(self, array: Any) -> Any:
        import awkward

        signature = self.model.signature
        taken = take(signature, self.columns, array)
        if awkward.backend(array) != "typetracer":
            return self._of(nested(signature, self.columns, taken))
        # What is looked at is what will be read.
        empty = {name: awkward.typetracer.length_zero_if_typetracer(values) for name, values in taken.items()}
        found = self._of(nested(signature, self.columns, empty))
        return awkward.Array(found.layout.to_typetracer(forget_length=True))

    def _of(self, given: Nested) -> Any:
        import awkward

        signature, first = self.model.signature, given.first
        if self.verb == "elements":
            values = records(signature.inputs[0], first.as_given(first.values))
            return given.lists(awkward.unflatten(values, first.given))
        if self.verb == "predict":
            return answers(
                signature,
                signature.outputs,
                given,
                lambda some, start, judge: opened(self.model.source).predict_each(some, first=start, judge=judge),
                explain=False,
            )
        assert signature.explained is not None
        wanted = [spec for spec in signature.explained.outputs if not spec.name.startswith("edge")]
        target = None if self.target is None else list(self.target)
        return answers(
            signature,
            wanted,
            given,
            lambda some, start, judge: opened(self.model.source).explain(some, target, first=start, judge=judge),
            explain=True,
        )


def _weights(target: Sequence[float], spec: TensorSpec, width: int) -> tuple[float, ...]:
    try:
        weights = np.asarray(target, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("target: got something else than numbers") from error
    if weights.shape != (width,) or not np.isfinite(weights).all():
        raise DataError(
            f"target: got {list(np.shape(weights))} weights, expected {width} finite ones: {', '.join(spec.columns)}"
        )
    return tuple(weights.tolist())
