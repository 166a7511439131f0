"""The command ``index``: gather bundles into a folder that any web server can show: page, listing and markup."""

from __future__ import annotations

import html
import logging
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import bundle
from ..bundle.errors import ConfigError
from ..bundle.files import new_folder, sha256, write_json, write_text
from ..pages.page import facts_html, inline, json_block, page
from ..pages.pictures import embedded
from .listing import LISTING, SCHEMA, Listed, Listing, list_bundle, schema
from .schema_org import catalogue

__all__ = ["REPORT", "report_mark", "run"]

log = logging.getLogger(__name__)

#: Where `report` writes its page, beside a bundle: a folder of its own, as a web server publishes one.
REPORT = "report/index.html"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
#: Pixels of the picture of a model.
_WIDTH = 640
_FILTER = """
const field = document.getElementById("filter"), count = document.getElementById("count");
const models = [...document.querySelectorAll(".models > li")];
const update = () => {
  const words = field.value.toLowerCase().split(/\\s+/);
  for (const model of models) model.hidden = !words.every(word => model.textContent.toLowerCase().includes(word));
  const shown = models.filter(model => !model.hidden).length;
  count.textContent = shown + " of " + models.length + " models";
};
field.addEventListener("input", update);
update();
"""


def run(bundles: Sequence[Path], output: Path, *, title: str = "Models", url: str | None = None) -> dict[str, Any]:
    """Write ``index.html``, ``models.json`` and its schema, and copy every bundle and its report beside them.

    The report of a bundle is the page that `report` wrote beside it, if it is of this very bundle.

    Parameters
    ----------
    bundles
        Folders of bundles, of any projects.
    output
        Folder to write; it is replaced as a whole, and only if it holds an earlier index or nothing.
    title
        Title of the page.
    url
        Address that the folder will have, for markup with absolute addresses.

    Raises
    ------
    ConfigError
        If two bundles have the same name and version, a name can't be a folder's, or the output holds something else.
    BundleError, MissingStepError
        If a bundle isn't whole.
    """
    if output.exists() and not (output.is_dir() and ((output / LISTING).is_file() or not any(output.iterdir()))):
        raise ConfigError(f"--output {output}: it exists and holds no index; give a new folder, or an earlier index")
    listed = [list_bundle(folder, "") for folder in bundles]
    places = [_place(model) for model in listed]
    twice = sorted({place for place in places if places.count(place) > 1})
    if twice:
        raise ConfigError(f"got {', '.join(twice)} more than once: every bundle needs its own name or version")
    reports = [_report(folder) for folder in bundles]
    models = [
        model.model_copy(update={"folder": place, "report": f"{place}.html" if report else None})
        for model, place, report in zip(listed, places, reports, strict=True)
    ]
    listing = Listing(title=title, models=models)
    with new_folder(output) as temporary:
        for folder, place, report in zip(bundles, places, reports, strict=True):
            shutil.copytree(folder, temporary / place)
            if report:
                shutil.copyfile(report, temporary / f"{place}.html")
        write_json(temporary / LISTING, listing.model_dump(mode="json", by_alias=True))
        write_json(temporary / SCHEMA, schema())
        write_text(temporary / "index.html", _page(listing, temporary, url))
    total = sum(model.bytes for model in models)
    return {
        "headline": [f"{output}/index.html lists {len(models)} models ({total / 2**20:.1f} MiB)"],
        "models": places,
        "folder": str(output),
    }


def _report(folder: Path) -> Path | None:
    """Return the report of a bundle, if there is one; an older one is said and left out."""
    path = folder.resolve().parent / REPORT
    if not path.is_file():
        log.info("%s: no %s beside it: run `report` first to have it linked", folder, REPORT)
        return None
    if report_mark(folder) not in path.read_text(encoding="utf-8"):
        log.warning("%s is of another bundle than %s and left out: run `report` again", path, folder)
        return None
    return path


def report_mark(folder: Path) -> str:
    """Return the line in the head of a report by which its bundle is known."""
    return f'<meta name="bundle" content="sha256:{sha256(folder / bundle.SUMS)}">'


def _place(model: Listed) -> str:
    place = f"{model.name}-{model.version}"
    if not _SAFE.fullmatch(place):
        raise ConfigError(f"a bundle is named {place!r}: got characters that a folder and an address can't have")
    return place


def _page(listing: Listing, folder: Path, url: str | None) -> str:
    count = len(listing.models)
    search = (
        '<div class="controls"><label for="filter">Find</label> <input id="filter" type="search" autocomplete="off"> '
        f'<span id="count" role="status">{count} of {count} models</span></div>'
    )
    items = "".join(f"<li>{_item(model, folder)}</li>" for model in listing.models)
    lead = (
        "Each model is a folder of plain files: an ONNX graph, weights, examples with answers, figures, a card, and a "
        f'checksum for each. The same list for programs: <a href="{LISTING}">{LISTING}</a>.'
    )
    return page(
        listing.title,
        description=f"{count} published models: {', '.join(model.title for model in listing.models)}",
        header=f'<h1>{html.escape(listing.title)}</h1><p class="lead">{lead}</p>',
        contents=(),
        body=f'{search}<ul class="models">{items}</ul>',
        footer=f'<p>When it was made, every file had its checksum. Format: <a href="{SCHEMA}">{SCHEMA}</a>.</p>',
        scripts=[_FILTER],
        head=json_block(catalogue(listing, url), kind="application/ld+json"),
    )


def _item(model: Listed, folder: Path) -> str:
    """Return one model: what it does, how well, and where its files are."""
    name = f"{html.escape(model.title)} {html.escape(model.version)}"
    headline = "".join(f"<li>{inline(line)}</li>" for line in model.headline)
    card = f'<a href="{model.folder}/README.md">Model card of {name}</a>'
    files = "".join(_file(model, number) for number in range(len(model.files)))
    meta = f'<p class="meta">{" · ".join(_meta(model))}</p>'
    report = f' · <a href="{html.escape(model.report)}">Report of {name}</a>' if model.report else ""
    about = facts_html(
        {
            "Task": model.summary,
            "Inputs": "; ".join(model.inputs),
            "Trained on": "; ".join(model.domain) or None,
        }
    )
    text = f"{meta}<p>{inline(model.description)}</p>{about}<ul>{headline}</ul><p>{card}{report}</p>"
    return (
        f'<h2>{name}</h2><div class="beside"><div>{text}</div>{_picture(model, folder)}</div>'
        f'<details><summary>Files of {name}</summary><div class="scroll" role="region" tabindex="0" '
        f'aria-label="Files of {name}"><table><thead><tr><th scope="col">file</th><th scope="col">bytes</th>'
        f'<th scope="col">SHA-256</th></tr></thead><tbody>{files}</tbody></table></div></details>'
    )


def _meta(model: Listed) -> Iterator[str]:
    yield html.escape(model.network)
    yield model.made
    yield f"{model.bytes / 2**20:.1f} MiB"
    yield f"weights {html.escape(model.licenses.weights)}"
    if model.explains:
        yield "explains itself"
    if model.authors:
        yield html.escape("; ".join(author.name for author in model.authors))
    if model.doi:
        yield inline(f"[doi:{model.doi}](https://doi.org/{model.doi})")


def _picture(model: Listed, folder: Path) -> str:
    found = sorted((folder / model.folder / "figures" / "evaluate").glob("*.png"))
    if not found:
        return ""
    shown = embedded(found[0], _WIDTH)
    text = f"{model.title}: {found[0].stem.replace('_', ' ')} on the test set"
    return (
        f'<figure><img src="{shown.address}" alt="{html.escape(text)}" width="{shown.width}" '
        f'height="{shown.height}"></figure>'
    )


def _file(model: Listed, number: int) -> str:
    from urllib.parse import quote

    file = model.files[number]
    link = f'<a href="{html.escape(quote(f"{model.folder}/{file.path}"))}">{html.escape(file.path)}</a>'
    return f'<tr><th scope="row">{link}</th><td>{file.bytes}</td><td><code>{file.sha256}</code></td></tr>'
