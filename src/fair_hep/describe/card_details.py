"""What the card says first: version, licences, what it costs, what it was made from, and the files of the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import bundle
from ..models.building import of_recipe
from ..models.contract import Model
from ..pages.document import Items, Table
from ..provenance.git import DIRTY
from .facts import Facts
from .people import authors
from .software import SOFTWARE

__all__ = ["CONFIGURATION", "details", "doi", "files"]

#: The configuration that made a bundle, to make it again.
CONFIGURATION = "configuration.yaml"


def details(facts: Facts, model: Model) -> Items:
    """Return who, what, when and under which licence."""
    project, signature, made = facts.project, facts.signature, facts.bundled
    chosen = ", ".join(f"{key}={value}" for key, value in of_recipe(signature.hyperparameters).items())
    licences = {"code": project.licenses.code, "weights": project.licenses.weights}
    rows = {
        "Version": f"{project.version}, of {facts.made}",
        "DOI": doi(project.doi),
        "Network": signature.title + (f" ({chosen})" if chosen else ""),
        "Parameters": f"{facts.training['parameters']:,}" if "parameters" in facts.training else None,
        "Cost": _cost(facts.metrics),
        "Pruned": _pruned(facts),
        "Training": facts.elsewhere.sentence() if facts.elsewhere else None,
        "Architecture": f"{model.citation['authors']}, {model.citation['title']}, {doi(model.citation['doi'])}",
        "Authors": "; ".join(author.name for author in authors(project)),
        "Licences": ", ".join(f"{what} {licence}" for what, licence in licences.items() if licence),
        "Code": f"<{project.repository}>" if project.repository else None,
        "Commit": _commit(made.get("git_commit")),
        "Questions": f"<{project.repository}/issues>" if project.repository else None,
    }
    return Items(tuple(f"{name}: {value}" for name, value in rows.items() if value))


def _cost(metrics: Mapping[str, Any]) -> str | None:
    """Say what an answer costs, where that was counted."""
    found = metrics.get("cost")
    return None if found is None else f"{found['macs']:,.0f} multiply-adds for one of the stored examples, in the mean"


def _pruned(facts: Facts) -> str | None:
    """Say what a network was made smaller from, what was kept, and what that saves."""
    found = facts.pruned
    if found is None:
        return None
    metric, same = found["validation"], found["explanations"]
    kept = f"keeps {metric['kept']:.1%} of {metric['metric']} ({metric['before']:.4f}, now {metric['after']:.4f}, on "
    looks = (
        f"; its explanations order elements like those before with a rank correlation of {same['rank_correlation']:.3f}"
        f" ± {same['rank_correlation_error']:.3f} ({same['examples']} examples)"
        if "rank_correlation" in same
        else ""
    )
    return (
        f"from `{found['from']}` by {found['criterion']}; {kept}{metric['examples']:,} validation examples) at "
        f"{found['macs']['share']:.1%} of the multiply-adds and {found['parameters']['share']:.1%} of the "
        f"parameters{looks}"
    )


def _commit(commit: str | None) -> str | None:
    """Name the commit of the code, and say if nobody can check out what made the bundle."""
    if commit is None or not commit.endswith(DIRTY):
        return f"`{commit}`" if commit else None
    return f"`{commit.removesuffix(DIRTY)}`, with changes that weren't committed: the code that made it isn't there"


def files(folder: Path) -> Table:
    """Return what each file of a bundle is."""
    known = {
        bundle.MODEL: "the network, for ONNX Runtime: raw values in, features and graph are made inside",
        bundle.EXPLAINED: "the same network, which also says what its answers owe to its inputs",
        bundle.WEIGHTS: "the weights, for PyTorch",
        bundle.SIGNATURE: "names, axes, units and meaning of inputs and outputs; `schema.json` says how it is built",
        "examples/": "stored inputs and answers with tolerances, and a request for the server",
        "metrics.json": "everything that was measured",
        "parity.json": "how ONNX Runtime compared with PyTorch",
        "figures/": "the pictures",
        f"{SOFTWARE}/": "the wheel of fair-hep, which loads, runs and explains it: to install by its path",
        CONFIGURATION: "the configuration that made it",
        "provenance/": "what made it, step by step: versions, seeds, checksums of inputs",
        bundle.SUMS: f"checksum of every file: `sha256sum --check {bundle.SUMS}`",
    }
    rows = [(f"`{name}`", text) for name, text in known.items() if (folder / name).exists() or name == bundle.SUMS]
    return Table("Files of the bundle", ("file", "what it is"), tuple(rows))


def doi(name: str | None) -> str | None:
    """Return a DOI as a link, None for none."""
    return f"[doi:{name}](https://doi.org/{name})" if name else None
