"""The verb ``fair``: every statement of FAIR4RS, of the RDA and of the rubric for models, with its evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..bundle.errors import ConfigError
from ..fair import claims, contents, crates, descriptions, history, identity, licences, links, practice
from ..fair.badge import write_badge
from ..fair.evidence import Case, Evidence, Probe, State, perform
from ..fair.principles import Principle, load_principles
from ..provenance.configuration import Config
from ..provenance.project import Project

__all__ = ["CHECKS", "judge", "run"]

CHECKS: Mapping[str, Probe] = {
    check.__name__: check
    for check in (
        identity.description, identity.people, identity.identifier, identity.identifier_in_metadata,
        identity.version, identity.data_identifier, claims.data_claims,
        licences.licences, licences.licence_text,
        descriptions.citation, descriptions.codemeta, descriptions.card, descriptions.datacite,
        descriptions.croissant, descriptions.fair4ml, crates.ro_crate,
        contents.checksums, contents.formats, contents.paths, contents.graph, contents.graph_metadata,
        contents.signature, contents.examples,
        history.provenance, history.data_provenance, history.training, history.evaluation, history.software,
        history.source,
        practice.practice,
        links.resolves, links.registered,
    )
}  # fmt: skip
_PROCESSES = 2


def run(
    project: Project, config: Config | None = None, *, online: bool = False, badge: Path | None = None
) -> dict[str, Any]:
    """Check every principle.

    Parameters
    ----------
    project, config
        What is checked; the configuration isn't needed.
    online
        Resolve links too.
    badge
        File to write a badge to (SVG).

    Returns
    -------
    result
        Counts, evidence and principles; ``problem`` is there if anything failed, which a warning doesn't.
    """
    table = load_principles()
    asked = {name for principle in table for name in principle.checks}
    unknown = sorted(asked - set(CHECKS))
    if unknown:
        raise ConfigError(f"principles.yaml: no such check: {', '.join(unknown)}; known: {', '.join(CHECKS)}")
    case = Case(project, online)
    with ThreadPoolExecutor(_PROCESSES) as pool:
        found = list(pool.map(lambda name: perform(CHECKS[name], case), sorted(asked)))
    evidence = {one.check: one for one in found}
    states = {principle.id: judge(principle, evidence) for principle in table}
    counts = Counter(states.values())
    total = len(states) - counts[State.EXCEPT]
    if badge is not None:
        write_badge(badge, passed=counts[State.PASSED], failed=counts[State.FAILED], total=total)
    result = {
        "headline": _lines(table, states, evidence, total),
        "counts": {str(state): counts[state] for state in State},
        "principles": [
            {**row.model_dump(by_alias=True, exclude_none=True), "state": str(states[row.id])} for row in table
        ],
        "evidence": [asdict(evidence[name]) for name in CHECKS if name in evidence],
    }
    failed = [name for name, state in states.items() if state is State.FAILED]
    if failed:
        result["problem"] = f"{len(failed)} of {total} principles failed: {', '.join(failed)}"
    return result


def judge(principle: Principle, evidence: Mapping[str, Evidence]) -> State:
    """Return what is known about a principle: the weightiest state of its checks."""
    if principle.exempt is not None:
        return State.EXCEPT
    return max((evidence[name].state for name in principle.checks), key=lambda state: state.weight)


def _lines(
    table: Sequence[Principle], states: Mapping[str, State], evidence: Mapping[str, Evidence], total: int
) -> list[str]:
    """Return the table for humans: principles first, then what each check did, then what to do."""
    width = max(len(principle.id) for principle in table)
    lines = []
    for principle in table:
        state = states[principle.id]
        why = principle.exempt or ", ".join(name for name in principle.checks if evidence[name].state is state)
        lines.append(f"{principle.id.ljust(width)}  {state}: {why}")
    lines += ["", "what the checks did:"]
    width = max(len(name) for name in evidence)
    lines += [
        f"  {name.ljust(width)}  {evidence[name].state}: {evidence[name].did}" for name in CHECKS if name in evidence
    ]
    for state, title in ((State.FAILED, "what to do:"), (State.WARNING, "warnings, which fail nothing:")):
        found = [one for one in evidence.values() if one.state is state]
        if found:
            lines += ["", title, *(f"  {one.check}: {one.remedy}" for one in found)]
    counts = Counter(states.values())
    said = "; ".join(f"{counts[state]} {state}" for state in State if counts[state])
    return [*lines, "", f"{len(states)} principles: {said}"]
