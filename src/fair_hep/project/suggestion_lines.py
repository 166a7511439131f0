"""Suggestions in words, each with the very setting to type."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ..bundle.symbols import plain

__all__ = ["lines", "settings"]


def settings(question: str, change: Mapping[str, Any] | None) -> list[str]:
    """Return what is typed behind a verb for what a question suggests.

    Examples
    --------
    >>> settings("neighbours", {"neighbours": {"graphs.0": 4}})
    ['prune.neighbours={graphs.0: 4}']
    >>> settings("elements", {"data.options.max_constituents": 16}), settings("features", None)
    (['data.options.max_constituents=16'], [])
    """
    section = "" if question == "elements" else "prune."
    return [f"{section}{key}={_flow(value)}" for key, value in (change or {}).items()]


def _flow(value: Any) -> str:
    return str(value) if isinstance(value, int) else yaml.safe_dump(value, default_flow_style=True, width=10**6).strip()


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Give what was found as lines for a human.

    Parameters
    ----------
    told
        What `fair_hep.project.suggest` found.
    """
    metric, may_lose = told["metric"]["name"], told["may_lose"]
    why = "prune.loss" if may_lose["errors"] is None else f"{may_lose['errors']:g} errors; prune.loss says otherwise"
    yield (
        f"{_text(metric, told['metric'])} on {told['examples']['measured']:,} validation examples; a suggestion may "
        f"lose {may_lose['value']:.4f} of it ({why}), and nothing is trained again"
    )
    yield _features(metric, told["features"])
    yield _neighbours(metric, told["neighbours"])
    yield from _elements(metric, told["elements"])
    if told["together"] is not None:
        yield _together(metric, told)


def _features(metric: str, found: Mapping[str, Any]) -> str:
    order, kept = found["order"], found["kept"]
    if found["change"] is None:
        if len(order) == 1:
            return "features: there is one only"
        last = f"{order[-1]} ({found['share'][-1]:.1%} of |relevance|)"
        return f"features: all {len(order)} are needed: without {last} it is {_text(metric, found['curve'][1])}"
    return (
        f"features: {kept['kept']} of {len(order)}, with {kept['share']:.1%} of |relevance|, give "
        f"{_text(metric, kept)}; no multiply-add is saved, as a feature that is 0 is multiplied all the same: "
        f"{_command('features', found['change'])}"
    )


def _neighbours(metric: str, found: Mapping[str, Any]) -> str:
    if "reason" in found:
        return f"neighbours: {found['reason']}"
    graphs = found["graphs"]
    if found["change"] is None:
        fewer = [
            f"{name} with {row['curve'][1]['kept']} of {row['k']}: {_text(metric, row['curve'][1])}"
            for name, row in graphs.items()
            if row["k"] > 1
        ]
        return f"neighbours: all are needed: {'; '.join(fewer) or 'there is one only'}"
    parts = ", ".join(f"{name} {row['kept']} of {row['k']}{_share(row)}" for name, row in graphs.items())
    return (
        f"neighbours: {parts} give {_text(metric, found)}, {_cost(found['macs'])}: "
        f"{_command('neighbours', found['change'])}"
    )


def _share(row: Mapping[str, Any]) -> str:
    if row["share"] is None:
        return " (no place has the relevance of their messages)"
    own = "" if row["itself"] is None else f"itself {row['itself']:.1%}, "
    return f" ({own}the nearest {row['kept']} {sum(row['share'][: row['kept']]):.1%} of |relevance|)"


def _elements(metric: str, found: Mapping[str, Any]) -> Iterator[str]:
    if "reason" in found:
        yield f"elements: {found['reason']}"
        return
    kept, largest = found["stored"]["kept"], found["largest"]
    if kept["kept"] == largest:
        fewer = found["stored"]["curve"][1:2]
        told = f": with the first {fewer[0]['kept']} it is {_text(metric, fewer[0])}" if fewer else ""
        yield f"elements, {found['order']}: all (up to {largest}) are needed{told}"
    else:
        typed = settings("elements", found["change"])
        setting = f"{typed[0]}, for every verb" if typed else "the model has no setting for it"
        yield (
            f"elements, {found['order']}: the first {kept['kept']} of up to {largest}, with {kept['share']:.1%} of "
            f"|relevance|, give {_text(metric, kept)}, {_cost(found['macs'])}: {setting}"
        )
    best = found["relevance"]["kept"]
    yield (
        f"elements by |relevance|, which is known only afterwards: {best['kept']} of up to {largest}, with "
        f"{best['share']:.1%} of it, give {_text(metric, best)}; no setting does that"
    )


def _together(metric: str, told: Mapping[str, Any]) -> str:
    found = told["together"]
    words = [w for name in ("features", "neighbours", "elements") for w in settings(name, told[name].get("change"))]
    more = "" if found["good"] else ", which is more than may be lost, unless training makes up for it"
    return f"together: {_text(metric, found)}{more}, {_cost(found['macs'])}: {shlex.join(['prune', *words])}"


def _cost(macs: float) -> str:
    if round(macs, 3) >= 1:
        return "no multiply-add of a matrix product is saved (what sums and searches take isn't counted)"
    return f"{macs:.1%} of the multiply-adds are left"


def _text(metric: str, found: Mapping[str, Any]) -> str:
    return f"{plain(metric)} {found['value']:.4f}" + ("" if found["error"] is None else f" +- {found['error']:.4f}")


def _command(question: str, change: Mapping[str, Any] | None) -> str:
    return shlex.join(["prune", *settings(question, change)])
