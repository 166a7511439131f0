"""Answer one request of a server: examples in, plain lists out, or one line that says what is wrong and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import DataError, ProjectError
from .runtime import Answer, Judge, LoadedModel
from .signature import Signature

__all__ = ["NAMES", "OUTSIDE", "PARAMETERS", "LoadedModel", "ProjectError", "answer", "check_parameters", "described"]

#: The field of an answer that says what of its example the model wasn't made for.
OUTSIDE = "outside"
#: The field of an explained answer that names features, entries of the ledger and classes.
NAMES = "columns"
#: What a request may ask for, and its default: relevances too, of how many elements (0: all), and of edges.
PARAMETERS: Mapping[str, bool | int] = {"explain": False, "top": 0, "edges": False}


def answer(
    model: LoadedModel, examples: Any, parameters: Mapping[str, Any] | None = None, *, judge: Judge | None = None
) -> list[dict[str, Any]]:
    """Score examples, and explain them if that is asked for.

    Parameters
    ----------
    model
        The model.
    examples
        A list of examples: mappings from the names of the inputs to values, or the bare values where there is one
        input. Lengths may differ.
    parameters
        Some of `PARAMETERS`.
    judge
        Takes what is outside of what the model knows, for a line about all examples.

    Returns
    -------
    answers
        For each example its outputs by name, as nested lists, and ``outside``: a text for each thing of the example
        that the model wasn't made for, none if it lies inside. With ``explain`` also ``explained``, ``ledger`` and
        ``relevance``: of all ``elements`` in order, or of the ``top`` ones with the largest sum of absolute relevances,
        the most relevant first; with ``edges`` also what belongs to the edges of these elements. Then ``columns`` says
        by the name of a field what its numbers mean, in their order.

    Raises
    ------
    DataError
        If examples or parameters aren't what they should be.
    MissingStepError
        If relevances are asked of a bundle without an explained graph.
    """
    wanted = check_parameters({} if parameters is None else parameters)
    columns = _columns(model.signature, examples)
    # The field of each answer says what is outside: whoever asks over HTTP sees no warning.
    asked = judge or Judge(model.signature)
    found = model.explain(columns, judge=asked) if wanted["explain"] else model.predict_each(columns, judge=asked)
    return [described(model.signature, number, one, wanted) for number, one in enumerate(found)]


def described(signature: Signature, number: int, one: Answer, wanted: Mapping[str, bool | int]) -> dict[str, Any]:
    """Return the answer of one example as plain lists, with what was asked for besides.

    Parameters
    ----------
    signature
        Of the model that answered.
    number
        Of the example, for the message.
    one
        What `LoadedModel.predict_each` or `LoadedModel.explain` gave.
    wanted
        What `check_parameters` gave.

    Raises
    ------
    DataError
        If a value isn't finite.
    """
    bad = [name for name, values in one.items() if not np.isfinite(values).all()]
    if bad:
        raise DataError(f"inputs[{number}]: the model's {', '.join(bad)} isn't finite; JSON has no word for it")
    if wanted["explain"]:
        told = _told(one, int(wanted["top"]), edges=bool(wanted["edges"]))
        return {**told, NAMES: _names(signature)}
    return {**{name: values.tolist() for name, values in one.items()}, OUTSIDE: one.outside}


def check_parameters(given: Any) -> dict[str, bool | int]:
    """Return what a request asks for, with the defaults of `PARAMETERS` where it says nothing.

    Raises
    ------
    DataError
        If it asks for something else.
    """
    if not isinstance(given, Mapping):
        raise DataError(f"params: got {type(given).__name__}, expected keys and values")
    unknown = sorted(str(name) for name in given if name not in PARAMETERS)
    if unknown:
        raise DataError(f"params: got {', '.join(unknown)}, expected {', '.join(PARAMETERS)}")
    for name, value in given.items():
        kind = type(PARAMETERS[name])
        if type(value) is not kind:
            raise DataError(f"params.{name}: got {value!r}, expected {'true or false' if kind is bool else 'a number'}")
    if given.get("top", 0) < 0:
        raise DataError(f"params.top: got {given['top']}, expected 0 (all elements) or more")
    return {**PARAMETERS, **given}


def _columns(signature: Signature, examples: Any) -> dict[str, list[Any]]:
    """Turn a list of examples into a list of values for each input."""
    names = [spec.name for spec in signature.inputs]
    if not isinstance(examples, Sequence) or isinstance(examples, str):
        raise DataError(f"inputs: got {type(examples).__name__}, expected a list of {signature.inputs[0].axes[0]}")
    if not len(examples):
        raise DataError("inputs: got no examples, expected at least one")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for number, example in enumerate(examples):
        named = example if isinstance(example, dict) or len(names) > 1 else {names[0]: example}
        if not isinstance(named, dict) or set(named) != set(names):
            got = ", ".join(map(str, named)) if isinstance(named, dict) else type(named).__name__
            raise DataError(f"inputs[{number}]: got {got}, expected {', '.join(names)}")
        for name in names:
            columns[name].append(named[name])
    return columns


def _names(signature: Signature) -> dict[str, list[str]]:
    """Return the names of the entries along the last axis of every field that has some."""
    known = signature.explained.outputs if signature.explained else signature.outputs
    return {spec.name: list(spec.columns) for spec in known if spec.columns}


def _told(explanation: Answer, top: int, *, edges: bool) -> dict[str, Any]:
    """Return an explanation as plain lists."""
    relevance = explanation["relevance"]
    order = np.argsort(-np.abs(relevance).sum(tuple(range(1, relevance.ndim))), kind="stable")
    elements = order[:top] if top else np.arange(len(relevance))
    whole = {name: values for name, values in explanation.items() if not name.startswith("edge")}
    told: dict[str, Any] = {name: values.tolist() for name, values in whole.items()}
    told |= {"elements": elements.tolist(), "relevance": relevance[elements].tolist(), OUTSIDE: explanation.outside}
    if edges:
        told |= {name: values[elements].tolist() for name, values in explanation.items() if name not in whole}
    return told
