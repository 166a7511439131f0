"""The verb ``report``: one HTML page about the model, whole in itself, from the bundle and the runs that made it."""

from __future__ import annotations

import html
import logging
from typing import TYPE_CHECKING, Any

from .. import bundle, provenance
from ..bundle.errors import BundleError
from ..bundle.files import read_json, sha256, write_text
from ..describe.card import card_sections
from ..describe.facts import Facts, gather
from ..describe.index import REPORT, report_mark
from ..describe.people import authors
from ..describe.sample import sample_sentence
from ..pages.interactive import drawing_library, widgets_html, widgets_scripts
from ..pages.page import facts_html, inline, page, section_html, slug
from ..pages.pictures import embedded
from ..provenance.configuration import Config
from ..provenance.project import Project
from .precision import evaluation_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..models.contract import Model
    from ..pages.interactive import Widget

__all__ = ["FILE", "run"]

#: Where the page goes.
FILE = REPORT
_GLANCE, _WHY, _INSIDE = "At a glance", "Why it answers as it does", "Look inside"
#: As many lines on the explanation are seen at once: what was explained, and how much of it biases carry.
_SHOWN = 3

log = logging.getLogger(__name__)


def run(project: Project, config: Config) -> dict[str, Any]:
    """Write ``report/index.html``: the model card with its pictures, and parts to click on.

    Raises
    ------
    MissingStepError
        If there is no bundle.
    BundleError
        If the bundle was changed since it was exported, or the runs are of another one.
    ProjectError
        If plotly is needed and isn't installed.
    """
    bundle.check_files(project.bundle)
    facts = gather(project)
    temperature = facts.metrics.get("temperature", {}).get("value", 1.0)
    parts = [part.divided(temperature) for part in _parts(project, config, facts.model)] if facts.model else []
    path = project.root / FILE
    write_text(path, _page(facts, parts))
    size = path.stat().st_size
    line = f"{FILE} written: {size / 2**20:.1f} MiB, {len(parts)} interactive parts; open it in a browser"
    return {"headline": [line], "file": FILE, "bytes": size, "parts": [part.title for part in parts]}


def _parts(project: Project, config: Config, model: Model) -> Sequence[Widget]:
    """Return the model's parts, if the runs that they are drawn from are of the bundle's weights."""
    precision = bundle.read_signature(project.bundle).precision
    evaluation = evaluation_folder(project, config, precision)
    explanation = project.run(config.name, "explain")
    if not (evaluation / provenance.FILE).is_file():
        log.info("%s isn't here: the report gets no interactive parts", evaluation.relative_to(project.root))
        return ()
    if not _of_bundle(project, evaluation):
        raise BundleError(
            f"{evaluation.relative_to(project.root)} is of other weights than {project.bundle.name}: run `evaluate` "
            "and `export` again, or give the configuration that the bundle was made with"
        )
    if not _of_bundle(project, explanation):
        log.warning("runs/%s/explain isn't of the bundle's weights: run `explain` to see them explained", config.name)
        return tuple(model.widgets(evaluation, None))
    return tuple(model.widgets(evaluation, explanation))


def _of_bundle(project: Project, folder: Path) -> bool:
    """Return whether a verb finished in a folder, with the weights that the bundle has."""
    path = folder / provenance.FILE
    return path.is_file() and sha256(project.bundle / bundle.WEIGHTS) in read_json(path)["inputs"].values()


def _first(facts: Facts) -> dict[str, str]:
    """Return the first screen by heading: what was measured on what, and what the answers owe to what."""
    measured = [line for line in (sample_sentence(facts), *facts.metrics["headline"]) if line]
    reasons = list(facts.metrics.get("explanation", {}).get("headline", ()))
    found = {_GLANCE: _items(measured)}
    if reasons:
        more = f"<details><summary>{len(reasons) - _SHOWN} more lines</summary>{_items(reasons[_SHOWN:])}</details>"
        found[_WHY] = _items(reasons[:_SHOWN]) + more * (len(reasons) > _SHOWN)
    return found


def _items(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{inline(line)}</li>" for line in lines) + "</ul>"


def _page(facts: Facts, parts: Sequence[Widget]) -> str:
    project, sections = facts.project, card_sections(facts)
    library = drawing_library() if parts else ""
    short = {
        "Network": facts.signature.title,
        "Version": f"{project.version}, {facts.made}",
        "Authors": "; ".join(author.name for author in authors(project)),
        "DOI": f"[{project.doi}](https://doi.org/{project.doi})" if project.doi else None,
        "Licence of the weights": project.licenses.weights,
    }
    first = _first(facts)
    inside = f'<section><h2 id="look-inside">{_INSIDE}</h2>{widgets_html(parts, library)}</section>' if parts else ""
    above = "".join(f'<section><h2 id="{slug(title)}">{title}</h2>{text}</section>' for title, text in first.items())
    body = section_html(sections, lambda picture: embedded(facts.folder / picture.path))
    title, lead = html.escape(project.title), inline(project.description)
    return page(
        project.title,
        description=project.description,
        header=f'<h1>{title}</h1><p class="lead">{lead}</p>{facts_html(short)}',
        contents=[*first, *([_INSIDE] if parts else []), *(one.title for one in sections)],
        body="\n".join([above, inside, body]),
        footer="<p>This page is whole in one file and asks nothing of any server. Its text is the bundle's card.</p>",
        scripts=widgets_scripts(parts),
        trusted=[library] if parts else [],
        head=report_mark(facts.folder),
    )
