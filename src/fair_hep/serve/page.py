"""The page at ``/``: what is served, how it is asked, a form to try it and see why; it asks no other server."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bundle.errors import ProjectError
from ..bundle.folder import REQUEST
from ..bundle.runtime import LoadedModel
from ..bundle.summary import lines, summary
from .limits import Limits
from .refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

__all__ = ["Page"]

#: The page runs its own script and asks its own server; nothing of it may be shown inside another page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"
}  # fmt: skip
_CARD = "README.md"
_HERE = Path(__file__).parent


class Page:
    """The page of one bundle, and what belongs to it.

    Parameters
    ----------
    model
        The model that is served.
    limits
        What a request may take.
    token
        Whether a token is asked for.
    """

    def __init__(self, model: LoadedModel, limits: Limits, *, token: bool) -> None:
        self.model, self.limits, self.token = model, limits, token
        card = model.folder / _CARD
        self._card = card.read_bytes() if card.is_file() else None
        self._text = self._html().encode()
        self._files = {name: (_HERE / name).read_bytes() for name in ("page.css", "page.js")}

    def routes(self) -> list[Route]:
        """Return the addresses of the page."""
        from starlette.routing import Route

        return [
            Route("/", self._page), Route("/card", self._answer_card),
            Route("/page.css", self._style), Route("/page.js", self._script),
        ]  # fmt: skip

    async def _page(self, request: Request) -> Response:
        return _response(self._text, "text/html; charset=utf-8")

    async def _style(self, request: Request) -> Response:
        return _response(self._files["page.css"], "text/css; charset=utf-8")

    async def _script(self, request: Request) -> Response:
        return _response(self._files["page.js"], "text/javascript; charset=utf-8")

    async def _answer_card(self, request: Request) -> Response:
        if self._card is None:
            raise Refusal(404, f"card: {self.model.folder.name} has no {_CARD}", "address")
        return _response(self._card, "text/markdown; charset=utf-8")

    def _html(self) -> str:
        """Write the page."""
        told = _summary(self.model)
        title = f"{told['title'] or told['network']} {told['version']}"
        first, task, *rest = lines(told)
        facts = "\n".join(f"<li>{escape(line)}</li>" for line in rest)
        explains = self.model.signature.explained is not None
        token = (
            '<p><label>Token <input id="token" type="password" autocomplete="off"></label></p>' if self.token else ""
        )
        authorization = " \\\n  --header 'Authorization: Bearer TOKEN'" if self.token else ""
        checked = " checked" if explains else " disabled"
        about = f"<p>{escape(told['description'])}</p>" if told["description"] else ""
        return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css">
<script src="page.js" defer></script>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
<p>{escape(task)}</p>
{about}
<h2>Try it</h2>
<form id="try" data-explained="{escape(_explained(self.model))}">
<p><label for="request">One example, as a request has it</label></p>
<textarea id="request" rows="8" spellcheck="false">{escape(_request(self.model))}</textarea>
<p><label><input type="checkbox" id="explain"{checked}> and say why</label></p>
{token}<p><button>Ask</button></p>
</form>
<div id="answer" role="status" aria-live="polite"><noscript>This form needs JavaScript; the command below does not.
</noscript></div>
<h2>Ask it from a program</h2>
<pre tabindex="0">curl SERVER/invocations{authorization} \\
  --header 'Content-Type: application/json' \\
  --data '{{"inputs": [...], "params": {{"explain": true}}}}'</pre>
<p>A request may have {self.limits.examples:,} examples with {self.limits.elements:,} elements together, and
{self.limits.megabytes:g} MiB. <a href="openapi.json">What every address takes and gives (OpenAPI)</a>,
<a href="card">the model's card</a>.</p>
<h2>What it is</h2>
<p>{escape(first)}</p>
<ul>
{facts}
</ul>
</main>
</body>
</html>
"""


def _summary(model: LoadedModel) -> dict[str, Any]:
    """Return what the bundle's files say; a bundle that tells little is served all the same."""
    try:
        return summary(model.folder)
    except ProjectError:
        known = model.signature
        told = {"title": known.title, "version": known.version, "network": known.title, "task": known.summary}
        empty: dict[str, Any] = {"description": None, "doi": None, "authors": [], "licenses": {}, "limits": []}
        return {
            **told, **empty, "domain": [],
            "inputs": [spec.model_dump(mode="json") for spec in known.inputs],
            "outputs": [spec.model_dump(mode="json") for spec in known.outputs],
            "features": known.features.model_dump(mode="json") if known.features else None,
            "rules": known.explained.how.model_dump(mode="json") if known.explained else None,
        }  # fmt: skip


def _explained(model: LoadedModel) -> str:
    """Return what is explained by default, as a difference of outputs; empty if that is a long sum or nothing."""
    known = model.signature.explained
    if known is None or len(known.inputs[-1].columns) != len(known.how.target):
        return ""
    parts = [(weight, name) for weight, name in zip(known.how.target, known.inputs[-1].columns, strict=True) if weight]
    if not 0 < len(parts) <= 3:
        return ""
    parts.sort(key=lambda part: part[0] < 0)
    signs = {True: "+", False: "\N{MINUS SIGN}"}
    told = [f"{signs[weight > 0]} {abs(weight):g} {name}".replace(" 1 ", " ") for weight, name in parts]
    return " ".join(told).removeprefix("+ ")


def _request(model: LoadedModel) -> str:
    """Return the first stored example as text, an element in a line."""
    path = model.folder / REQUEST
    if not path.is_file():
        return '{"inputs": [[]]}'
    first = json.loads(path.read_bytes())["inputs"][0]
    text = json.dumps({"inputs": [first]})
    return text.replace("], [", "],\n  [")


def _response(content: bytes, media_type: str) -> Response:
    from starlette.responses import Response

    return Response(content, headers={**_HEADERS, "Content-Type": media_type})
