"""Load a published model and use it: numpy and ONNX Runtime, no training framework."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .columns import Map, find_columns
from .errors import BundleError, DataError, MissingStepError, ProjectError
from .folder import EXPLAINED, MODEL, check_files
from .inputs import Weights, cuts, examples, pad
from .mapped import mapped
from .session import compute, session
from .signature import UNEXPLAINED, Signature, TensorSpec, read_signature
from .stored import OWN, RELEVANCE, Comparison, Stored, compare, complaint
from .validity import Judge

if TYPE_CHECKING:
    import onnxruntime

    from .cite import Citation

__all__ = ["Answer", "Answers", "DataError", "Judge", "LoadedModel", "ProjectError", "find_bundle", "load", "session"]

#: Examples in one pass through the graph: memory stays bounded, whatever is asked.
BATCH = 128
#: Relevance propagation keeps every layer's values: fewer examples in one pass are as fast.
EXPLAINED_BATCH = 16


class Answers(dict[str, np.ndarray]):
    """Outputs of some examples by name.

    Attributes
    ----------
    outside
        For each example a list of what lies outside of what the model knows, one text for each thing; empty: nothing.
    """

    outside: list[list[str]]


class Answer(dict[str, np.ndarray]):
    """Outputs of one example by name.

    Attributes
    ----------
    outside
        What of the example lies outside of what the model knows, one text for each thing; empty: nothing.
    """

    outside: list[str]


def load(place: str | Path, *, threads: int = 0) -> LoadedModel:
    """Load a bundle from a folder, or a published one by its DOI.

    Parameters
    ----------
    place
        Folder of the bundle, or the DOI of its record at Zenodo. That is fetched once, into ``~/.cache/fair-hep``,
        where all models lie: its checksums and its stored answers are compared before it is used.
    threads
        Threads of ONNX Runtime; 0: as many as there are cores.

    Raises
    ------
    MissingStepError
        If there is no bundle.
    DataError
        If the record can't be had, or what comes can't be trusted.
    BundleError
        If the bundle is damaged, its graph doesn't fit its signature, or a fetched one gives other answers.

    Examples
    --------
    A published model is loaded by its DOI, ``load("10.5281/zenodo.NUMBER")``; here it is one from a folder.

    >>> from fair_hep import load
    >>> model = load("bundle")
    >>> model.signature.model
    'particlenet'
    """
    return LoadedModel(find_bundle(place, threads=threads), threads=threads)


def find_bundle(place: str | Path, *, threads: int = 0) -> Path:
    """Return the folder of a bundle; a published one is fetched by its DOI, as `load` says."""
    from .remote import fetch_bundle, is_doi

    if is_doi(str(place)):
        return fetch_bundle(str(place), lambda folder: LoadedModel(folder, threads=threads).verify())
    # A bundle has a name in messages, also where it is the folder that one is in.
    return Path(place).absolute()


class LoadedModel:
    """A model from a bundle, ready to score.

    Parameters
    ----------
    folder
        Folder of the bundle.
    threads
        Threads of ONNX Runtime; 0: as many as there are cores.

    Examples
    --------
    Score jets of different lengths, each constituent as (E, px, py, pz) in GeV, and ask why:

    >>> import numpy as np
    >>> from fair_hep import load
    >>> model = load("bundle")
    >>> jets = [jet[jet[:, 0] > 0] for jet in np.load("bundle/examples/inputs.npz")["particles"]]
    >>> model.predict(jets)["probabilities"].shape
    (4, 2)
    >>> why = model.explain(jets[:1])[0]
    >>> accounted = why["relevance"].sum() + why["ledger"][:3].sum()
    >>> bool(abs(accounted - why["explained"]) < 1e-3)
    True
    """

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        self.folder = folder
        self.signature: Signature = read_signature(folder)
        self.session = session(folder / MODEL, threads=threads)
        names = (
            [value.name for value in self.session.get_inputs()],
            [value.name for value in self.session.get_outputs()],
        )
        wanted = [spec.name for spec in self.signature.inputs], [spec.name for spec in self.signature.outputs]
        if names != wanted:
            raise BundleError(f"{folder.name}/{MODEL}: inputs and outputs are {names}, but its signature says {wanted}")
        self._explained: onnxruntime.InferenceSession | None = None
        # Threads that ask for the first explanation at a time shall open one graph, not one each.
        self._opening = threading.Lock()
        self._threads = threads

    def predict(self, inputs: Any, *, batch: int = BATCH, columns: Map | None = None) -> Answers:
        """Score examples; a warning says in one line which of them lie outside of what the model knows.

        Parameters
        ----------
        inputs
            For a model with one input the values, else a mapping from the names of the inputs to values. Values are a
            padded array with all the axes of the signature, a list of one array for each example (their lengths may
            differ), an Awkward array, or a single example. Units and columns are those of the signature.
        batch
            Examples in one pass.
        columns
            Which columns are what, for an Awkward array as ``tree.arrays()`` gives it, a mapping or a table: the name
            of a map that ships (`fair_hep.bundle.columns.READY`), a YAML file, or keys and values.

        Returns
        -------
        outputs
            Arrays by the names of the signature's outputs, the examples along the first axis. Their attribute
            ``outside`` says for each example what of it the model wasn't made for.

        Raises
        ------
        DataError
            If the values don't fit the signature; the line says where.
        """
        judge = Judge(self.signature)
        found = self._whole(self._mapped(inputs, columns), judge, batch)
        if judge.line:
            warnings.warn(judge.line, stacklevel=2)
        return found

    def _mapped(self, inputs: Any, columns: Map | None) -> Any:
        return inputs if columns is None else mapped(self.signature, find_columns(columns), inputs)

    def _whole(self, inputs: Any, judge: Judge, batch: int) -> Answers:
        """Score examples; the judge takes what is outside."""
        pieces: dict[str, list[np.ndarray]] = {spec.name: [] for spec in self.signature.outputs}
        numbers: list[int] = []
        for piece, _, some in self._pieces(inputs, batch, 0, judge):
            numbers += some
            for name, values in self.run(piece).items():
                pieces[name].append(values)
        back = np.argsort(numbers)
        found = Answers({spec.name: _joined(spec, pieces[spec.name])[back] for spec in self.signature.outputs})
        found.outside = [judge.of(number) for number in sorted(numbers)]
        return found

    def predict_each(
        self, inputs: Any, *, batch: int = BATCH, first: int = 0, judge: Judge | None = None
    ) -> list[Answer]:
        """Score examples; return the outputs of each one by itself, cut to its own length where an output has one.

        The parameters are those of `predict`; ``first`` is the number of the first example in messages. Whoever brings
        a ``judge``, for several calls, says itself what is outside; else a warning does.
        """
        results: dict[int, Answer] = {}
        asked = judge or Judge(self.signature)
        spec = self.signature.inputs[0]
        element = next((axis for axis in spec.axes[1:] if axis in spec.dynamic and self.signature.padded), None)
        for piece, lengths, numbers in self._pieces(inputs, batch, first, asked):
            outputs = self.run(piece)
            for row, (number, length) in enumerate(zip(numbers, lengths, strict=True)):
                results[number] = Answer(
                    {
                        spec.name: outputs[spec.name][row][:length] if element in spec.axes else outputs[spec.name][row]
                        for spec in self.signature.outputs
                    }
                )
        found = _in_order(results, asked)
        if judge is None and asked.line:
            warnings.warn(asked.line, stacklevel=2)
        return found

    def explain(
        self,
        inputs: Any,
        target: Any = None,
        *,
        batch: int = EXPLAINED_BATCH,
        first: int = 0,
        judge: Judge | None = None,
        columns: Map | None = None,
    ) -> list[Answer]:
        """Score examples and explain each: one mapping for an example, cut to its own length.

        A warning says in one line which of them lie outside of what the model knows.

        Parameters
        ----------
        inputs
            As for `predict`.
        target
            Weights of the raw outputs that are explained, ``[outputs]`` in the order of the signature's target input
            (for sets ``[elements, outputs]`` as well): one for all examples, or a list of one for each. None: what the
            model explains by default.
        batch
            Examples in one pass.
        first
            Number of the first example, for messages.
        judge
            Takes what is outside, for several calls; whoever brings one says it itself. None: a warning says it.
        columns
            As for `predict`.

        Returns
        -------
        explanations
            For each example the outputs, ``relevance`` of every feature, the ``ledger``, ``explained`` (what is
            explained: relevances and ledger sum to it), and where the network has edges ``edge<block>_index`` and what
            belongs to it. The attribute ``outside`` says what of the example the model wasn't made for.

        Raises
        ------
        MissingStepError, BundleError
            If the bundle was published without an explained graph, or can't have one.
        DataError
            If the values don't fit the signature; the line says where.
        """
        known = self.signature.explained
        if not self.signature.explainable:
            raise BundleError(f"{self.folder.name}: {UNEXPLAINED}")
        if known is None:
            raise MissingStepError(f"{self.folder.name}/{EXPLAINED}", "export")
        with self._opening:
            if self._explained is None:
                self._explained = session(self.folder / EXPLAINED, threads=self._threads)
        names = [spec.name for spec in known.outputs]
        weigh = Weights(known.inputs[-1], known.how.target, target)
        results: dict[int, Answer] = {}
        asked = judge or Judge(self.signature)
        for piece, lengths, numbers in self._pieces(self._mapped(inputs, columns), batch, first, asked):
            shape = next(iter(piece.values())).shape
            weights = weigh([number - first for number in numbers], lengths, shape)
            values = compute(self._explained, names, {**piece, known.inputs[-1].name: weights})
            for row, (number, length) in enumerate(zip(numbers, lengths, strict=True)):
                one = Answer(
                    {
                        spec.name: values[spec.name][row][:length] if spec.set_axis else values[spec.name][row]
                        for spec in known.outputs
                    }
                )
                raw = np.concatenate([values[spec.name][row] for spec in self.signature.outputs if spec.raw], -1)
                one["explained"] = np.asarray((raw.astype(np.float64) * weights[row]).sum())
                results[number] = one
        found = _in_order(results, asked)
        if judge is None and asked.line:
            warnings.warn(asked.line, stacklevel=2)
        return found

    def answers(self, stored: Stored) -> dict[str, np.ndarray]:
        """Return the outputs of the stored inputs, and their relevances where these are stored, as they are stored."""
        # A third-party graph may have room for one example at a time.
        given = (
            self.run(stored.inputs)
            if self.signature.padded
            else dict(self._whole(stored.inputs, Judge(self.signature), BATCH))
        )
        if stored.explains:
            rows = next(iter(stored.inputs.values())).shape[1]
            # Nobody asks here whether the stored examples lie inside.
            whys = self.explain(stored.inputs, judge=Judge(self.signature))
            given[RELEVANCE] = np.stack([_lengthened(one[RELEVANCE], rows) for one in whys])
        return given

    def verify(self) -> list[Comparison]:
        """Check that the bundle is whole, and that this machine gives its stored answers and relevances.

        Returns
        -------
        checks
            One for each output: the largest difference, what is allowed, the verdict.

        Raises
        ------
        BundleError
            If a file is changed, missing or not listed, or an answer differs by more than the bundle allows.
        """
        check_files(self.folder)
        stored = Stored.read(self.folder)
        checks = compare(OWN, self.answers(stored), stored)
        if line := complaint(checks):
            raise BundleError(line)
        return checks

    def cite(self) -> Citation:
        """Return how to cite the model and what it refers to, as text and as BibTeX.

        Raises
        ------
        MissingStepError
            If the bundle has no ``CITATION.cff``.
        BundleError
            If it can't be read.
        """
        from .cite import cite

        return cite(self.folder)

    def run(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the graph on arrays of the right shape and type, without any check."""
        names = [spec.name for spec in self.signature.outputs]
        try:
            return compute(self.session, names, arrays)
        except BundleError as error:
            if not self.signature.third_party:
                raise
            # A third-party graph may refuse what its signature doesn't tell of: an index, a smallest size.
            raise DataError(f"inputs: {error}") from error

    def _pieces(
        self, inputs: Any, batch: int, first: int, judge: Judge
    ) -> Iterator[tuple[dict[str, np.ndarray], list[int], list[int]]]:
        """Give padded batches with lengths and numbers of their examples, those of like length together."""
        specs = self.signature.inputs
        named = inputs if isinstance(inputs, Mapping) else {specs[0].name: inputs}
        if set(named) != {spec.name for spec in specs}:
            raise DataError(
                f"inputs: got {', '.join(map(str, named))}, expected {', '.join(spec.name for spec in specs)}"
            )
        columns = {spec.name: examples(spec, named[spec.name]) for spec in specs}
        counts = {name: len(values) for name, values in columns.items()}
        if len(set(counts.values())) != 1:
            raise DataError(f"inputs: got different numbers of {specs[0].axes[0]}: {counts}")
        if not self.signature.padded:
            yield from self._alike(columns, batch, first, judge)
            return
        sizes = [len(example) if hasattr(example, "__len__") else 1 for example in columns[specs[0].name]]
        order = np.argsort(sizes, kind="stable").tolist()
        lengths = [sizes[place] for place in order]
        for start, stop in cuts(lengths if specs[0].set_axis else [1] * len(sizes), batch):
            places = order[start:stop]
            numbers = [first + place for place in places]
            # An empty set alone is a row of padding: what a graph makes of no rows at all, nobody has asked it.
            piece = {s.name: pad(s, [columns[s.name][p] for p in places], numbers, least=1) for s in specs}
            judge.add(piece, numbers)
            yield piece, lengths[start:stop], numbers

    def _alike(
        self, columns: Mapping[str, Sequence[Any]], batch: int, first: int, judge: Judge
    ) -> Iterator[tuple[dict[str, np.ndarray], list[int], list[int]]]:
        """Give batches of examples of the same shape: what padding does to this graph isn't known."""
        specs = self.signature.inputs
        rows = {s.name: [pad(s, [one], [first + n])[0] for n, one in enumerate(columns[s.name])] for s in specs}
        alike: dict[Any, list[int]] = {}
        for place in range(len(rows[specs[0].name])):
            alike.setdefault(tuple(rows[spec.name][place].shape for spec in specs), []).append(place)
        if any(spec.axes[0] not in spec.dynamic for spec in specs):
            batch = 1
        for places in alike.values():
            for start in range(0, len(places), batch):
                some = places[start : start + batch]
                piece = {spec.name: np.stack([rows[spec.name][place] for place in some]) for spec in specs}
                numbers = [first + place for place in some]
                judge.add(piece, numbers)
                yield piece, [0] * len(some), numbers


def _in_order(results: Mapping[int, Answer], judge: Judge) -> list[Answer]:
    """Return the answers in the order of their examples, each with what is outside."""
    for number, answer in results.items():
        answer.outside = judge.of(number)
    return [results[number] for number in sorted(results)]


def _joined(spec: TensorSpec, pieces: list[np.ndarray]) -> np.ndarray:
    """Join batches along the first axis; those with fewer elements get zeros at their end."""
    if not pieces:
        return np.zeros([0 if axis in spec.dynamic else spec.sizes[axis] for axis in spec.axes], dtype=spec.dtype)
    shape = [max(piece.shape[axis] for piece in pieces) for axis in range(1, pieces[0].ndim)]
    if all(list(piece.shape[1:]) == shape for piece in pieces):
        return np.concatenate(pieces)
    widths = [
        [(0, 0), *((0, want - have) for want, have in zip(shape, piece.shape[1:], strict=True))] for piece in pieces
    ]
    return np.concatenate([np.pad(piece, width) for piece, width in zip(pieces, widths, strict=True)])


def _lengthened(relevance: np.ndarray, rows: int) -> np.ndarray:
    """Give the relevances of an example as many rows as the stored inputs have."""
    if relevance.ndim < 2:
        return relevance
    return np.pad(relevance, [(0, rows - len(relevance)), *[(0, 0)] * (relevance.ndim - 1)])
