"""What stands above the picture of one explanation: which example it is, and the account of what is explained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .account import account, uncertain
from .derived import Elements, derivable, derived_values
from .domain import jet_quantities
from .signature import Signature, TensorSpec

__all__ = ["accounted", "combination", "described"]

#: Terms of what is explained that are written out.
_TERMS = 3


def described(signature: Signature, spec: TensorSpec, values: np.ndarray) -> str:
    """Return in one line which model and what example it is.

    Parameters
    ----------
    signature
        Of the model.
    spec, values
        The first input, and the real elements of the example ``[elements, columns]``.
    """
    parts = [f"{len(values)} {spec.set_axis or 'elements'}"]
    kinematic = {q.value: q for q in jet_quantities(spec.name) if q.of == "sum" and derivable(q, spec)}
    elements = Elements(spec, values[np.newaxis])
    for name, symbol in (("pt", "$p_T$"), ("mass", "$m$")):
        # Of a whole event neither says much.
        if name in kinematic and signature.outputs[0].set_axis is None:
            parts.append(f"{symbol} = {derived_values(kinematic[name], elements)[0]:.0f} GeV")
    rules = f"; rules: {signature.explained.how.composite}" if signature.explained else ""
    return f"{signature.title}: {', '.join(parts)}{rules}"


def accounted(signature: Signature, explanation: Mapping[str, np.ndarray], relevance: float) -> str:
    """Return in one line what is explained, as the sum of all relevances and of what the ledger says.

    Parameters
    ----------
    signature
        Of the model.
    explanation
        What `LoadedModel.explain` returned.
    relevance
        Sum of all relevances.
    """
    bias, epsilon, lost = (float(value) for value in explanation["ledger"][:3])
    parts = {"ledger/inputs": relevance, "ledger/bias": bias, "ledger/epsilon": epsilon, "ledger/lost": lost}
    row = {"example/explained": float(explanation["explained"]), **parts}
    what = combination(signature, explanation) or "explained"
    return f"{what} = {account(row)}{_probability(signature, explanation)}"


def combination(signature: Signature, explanation: Mapping[str, Any], *, formulas: bool = True) -> str:
    """Return what is explained as a sum of outputs; nothing where it is another combination, or a long one.

    Parameters
    ----------
    signature, explanation
        Of the model, and what it said of one example: arrays, or lists as a server answers.
    formulas
        Whether logits are formulas of Matplotlib, or plain text.
    """
    known = signature.explained
    raw = [spec for spec in signature.outputs if spec.raw]
    if known is None or any(spec.set_axis or spec.name not in explanation for spec in raw):
        return ""
    weights, values = np.array(known.how.target), np.concatenate([explanation[spec.name] for spec in raw], -1)
    terms = [(weight, name) for weight, name in zip(weights, known.inputs[-1].columns, strict=True) if weight]
    if len(terms) > _TERMS or not np.isclose((values * weights).sum(), explanation["explained"], rtol=1e-3, atol=1e-3):
        return ""
    text = ""
    for weight, name in sorted(terms, reverse=True):
        sign = ("- " if weight < 0 else "+ ") if text else ("-" if weight < 0 else "")
        text += (
            f"{' ' if text else ''}{sign}{'' if abs(weight) == 1 else f'{abs(weight):.3g} '}{_symbol(name, formulas)}"
        )
    return text


def _symbol(name: str, formulas: bool) -> str:
    if not formulas:
        return f"z_{name.removeprefix('logits_')}" if name.startswith("logits_") else name
    plain = name.removeprefix("logits_").replace("_", " ").replace("$", "")
    return rf"$z_\mathrm{{{plain.replace(' ', chr(92) + ' ')}}}$" if name.startswith("logits_") else plain


def _probability(signature: Signature, explanation: Mapping[str, np.ndarray]) -> str:
    """Return the probability of the last class, where an example has one."""
    spec = next((spec for spec in signature.outputs if not spec.raw and not spec.set_axis and spec.columns), None)
    if spec is None or spec.name not in explanation:
        return ""
    return f"; probability of {spec.columns[-1]} {uncertain(float(explanation[spec.name][-1]))}"
