"""The command ``fair-hep``: use a published model by its folder or its DOI, without a project and without Python.

It needs what the library always needs: no training framework. ``serve`` and ``plot`` have an extra each, and so have
files that aren't ``.npz`` and tables that aren't CSV.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..bundle.errors import DataError
from .common import output_is_log, parts_options, show, start, there

if TYPE_CHECKING:
    from ..bundle.columns import Columns
    from ..bundle.parts import Part
    from ..bundle.runtime import Judge, LoadedModel

__all__ = ["columns_option", "command", "index", "main"]

log = logging.getLogger(__name__)
_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
#: Which columns of a file are what, for files of other names than the model's.
columns_option = click.option(
    "--columns",
    metavar="MAP",
    help="Which columns of FILE are what: a YAML file, or a map that ships: jetclass, nanoaod, pfnano.",
)
#: Features that a line about an element names.
_NAMED = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a `ProjectError` becomes one line on standard error and exit code 1."""
    start(command, arguments)


def _version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        from .. import __version__

        click.echo(f"fair-hep {__version__}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Say the version.")
def command() -> None:
    """Use a published model: verify it, ask it, and let it explain itself.

    BUNDLE is the folder of a bundle, or the DOI of a published one, which is fetched once into ~/.cache/fair-hep.
    """


def _verb(name: str, help_text: str) -> Callable[[Callable[..., dict[str, Any] | None]], click.Command]:
    """Make a sub-command of a function that returns a result, which is shown."""

    def decorate(function: Callable[..., dict[str, Any] | None]) -> click.Command:
        def call(as_json: bool, **options: Any) -> None:
            with output_is_log():
                result = function(**options)
            if result is not None:
                show(result, as_json=as_json)

        made = click.command(name, help=help_text, params=getattr(function, "__click_params__", [])[::-1])(call)
        made = click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON.")(made)
        command.add_command(made)
        return made

    return decorate


@_verb("show", "Say what a model is: task, inputs, outputs, units, limits, rules, licences, DOI.")
@click.argument("bundle")
def show_(bundle: str) -> dict[str, Any]:
    """Describe a bundle by its own files."""
    from ..bundle.summary import lines, summary

    told = summary(_folder(bundle))
    return {"headline": lines(told), **told}


@_verb("verify", "Check that a bundle is whole and gives its stored answers and relevances here.")
@click.argument("bundle")
@click.option("--url", help="A running server to ask too: ours, or `mlflow models serve`.")
@click.option("--image", help="An image to start and ask too; ENGINE names the engine  [default: docker, else podman]")
def verify(bundle: str, url: str | None, image: str | None) -> dict[str, Any]:
    """Compare checksums, answers and relevances."""
    from dataclasses import asdict

    from ..bundle.folder import check_files
    from ..bundle.stored import Stored, compare, complaint, table
    from ..export.faces import faces

    model = _model(bundle)
    files, checks = check_files(model.folder), list(model.verify())
    stored = Stored.read(model.folder)
    # The first two are PyTorch, which nobody needs here, and ONNX Runtime, which has answered.
    for face in faces(None, url, image)[2:]:
        if not face.absent:
            checks += compare(face.name, face.answer(stored), stored)
    result: dict[str, Any] = {
        "headline": [f"{files} files have their checksums", *table(checks)],
        "files": files,
        "checks": [asdict(check) for check in checks],
    }
    return {**result, "problem": line} if (line := complaint(checks)) else result


@_verb("predict", "Score the examples of a file: .npz, or columns in Parquet or ROOT.")
@click.argument("bundle")
@click.argument("file", type=_FILE, callback=there)
@click.option("--output", type=_FILE, required=True, help="Table to write: .csv, .parquet or .h5.")
@columns_option
@parts_options
def predict(  # noqa: PLR0917
    bundle: str, file: Path, output: Path, columns: str | None, part: Part | None, join: int | None
) -> dict[str, Any]:
    """Write a row for each example."""
    from ..bundle.scoring_parts import score

    return score(_model(bundle), file, output, part=part, join=join, columns=_columns(columns))


@_verb("explain", "Say what answers owe to their inputs: of a file's examples, or of those stored in the bundle.")
@click.argument("bundle")
@click.argument("file", type=_FILE, required=False, callback=there)
@click.option("--output", type=_FILE, help="Table to write, a row for each example; without it, some are shown.")
@click.option("--count", type=click.IntRange(1), default=3, show_default=True, help="Examples that are shown.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="Elements of each that are shown.")
@columns_option
def explain(  # noqa: PLR0917
    bundle: str, file: Path | None, output: Path | None, count: int, top: int, columns: str | None
) -> dict[str, Any]:
    """Write or show relevances."""
    from ..bundle.answer import answer
    from ..bundle.runtime import Judge
    from ..bundle.scoring import score_file

    model = _model(bundle)
    if output is not None:
        return score_file(model, file or _stored(model), output, explain=True, columns=_columns(columns, file))
    given = list(islice(_examples(model, file, columns), count))
    judge = Judge(model.signature)
    found = answer(model, given, {"explain": True, "top": top}, judge=judge)
    _say(judge)
    told = [line for number, one in enumerate(found) for line in _explained(model, number, one)]
    return {"headline": told, "explanations": found}


@_verb("plot", "Draw why an example got its answer (needs the extra [plot]).")
@click.argument("bundle")
@click.argument("file", type=_FILE, required=False, callback=there)
@click.option("--output", type=_FILE, required=True, help="Picture to write: .png, .pdf or .svg.")
@click.option("--example", type=click.IntRange(0), default=0, show_default=True, help="Number of the example.")
@columns_option
def plot_(bundle: str, file: Path | None, output: Path, example: int, columns: str | None) -> dict[str, Any]:
    """Write a picture of one explanation."""
    from ..bundle.files import new_file
    from ..bundle.plot import plot
    from ..bundle.runtime import Judge

    model = _model(bundle)
    chosen = next(islice(_examples(model, file, columns), example, None), None)
    if chosen is None:
        raise DataError(f"--example {example}: there aren't that many; they count from 0")
    judge = Judge(model.signature)
    (why,) = model.explain({name: [values] for name, values in chosen.items()}, first=example, judge=judge)
    _say(judge)
    picture = plot(model.signature, chosen, why)
    try:
        with new_file(output) as temporary:
            picture.savefig(temporary)
    except ValueError as error:  # Matplotlib names the formats that it knows
        raise DataError(f"{output.name}: {' '.join(str(error).split())}") from error
    return {"headline": [f"example {example} drawn: {output}"], "output": str(output), "example": example}


@_verb("cite", "Say how to cite a model, and what it refers to.")
@click.argument("bundle")
@click.option("--bibtex", is_flag=True, help="As BibTeX.")
def cite_(bundle: str, bibtex: bool) -> dict[str, Any]:
    """Read the citation of a bundle."""
    from ..bundle.cite import cite

    found = cite(_folder(bundle))
    return {"headline": [found.bibtex.rstrip() if bibtex else found.text], "text": found.text, "bibtex": found.bibtex}


@_verb(
    "serve",
    "Answer HTTP requests, as the image does, until Ctrl-C (needs the extra [serve]). Each BUNDLE is at "
    "/v2/models/NAME, the first one also at /invocations.",
)
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
def serve_(bundles: tuple[str, ...], host: str, port: int) -> None:
    """Serve bundles."""
    from ..serve.server import serve

    serve(*map(_folder, bundles), host=host, port=port)


@_verb("triton", "Write a model repository for Triton Inference Server: both graphs, as two models.")
@click.argument("bundle")
@click.argument("folder", metavar="DIR", type=_FOLDER)
def triton_(bundle: str, folder: Path) -> dict[str, Any]:
    """Write a bundle's graphs with their configurations."""
    from ..publish import triton

    return triton.run(_folder(bundle), folder)


@_verb("index", "Gather bundles into a folder that any web server can show.")
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...")
@click.option("--output", type=_FOLDER, required=True, help="Folder to write.")
@click.option("--title", default="Models", show_default=True, help="Title of the page.")
@click.option("--url", help="Address that the folder will have.")
def index(bundles: tuple[str, ...], output: Path, title: str, url: str | None) -> dict[str, Any]:
    """Write a page, a listing for programs, and copies of the bundles."""
    from ..describe.index import run

    return run([_folder(place) for place in bundles], output, title=title, url=url)


def _folder(place: str) -> Path:
    """Return the folder of a bundle, and say what is wanted if there is none: who asks here has nothing to export."""
    from ..bundle.runtime import find_bundle
    from ..bundle.signature import SIGNATURE

    folder = find_bundle(place)
    if not (folder / SIGNATURE).is_file():
        raise DataError(f"{place}: there is no bundle (no {SIGNATURE}): give its folder, or its DOI")
    return folder


def _model(place: str) -> LoadedModel:
    from ..bundle.runtime import load

    return load(_folder(place))


def _say(judge: Judge) -> None:
    """Say on standard error, in one line, what is outside of what the model knows."""
    if judge.line:
        log.warning("%s", judge.line)


def _stored(model: LoadedModel) -> Path:
    return model.folder / "examples" / "inputs.npz"


def _columns(given: str | None, file: Path | None = Path()) -> Columns | None:
    """Return the map of columns that was asked for."""
    from ..bundle.columns import find_columns

    if given is not None and file is None:
        raise DataError("--columns says what the columns of a file are: give FILE too")
    return None if given is None else find_columns(given)


def _examples(model: LoadedModel, file: Path | None, columns: str | None) -> Any:
    """Give the examples of a file, or the stored ones, one at a time: values by the names of the inputs."""
    from ..bundle.readers import read_examples

    for some in read_examples(file or _stored(model), model.signature, 16, columns=_columns(columns, file)):
        names = list(some)
        yield from (dict(zip(names, one, strict=True)) for one in zip(*some.values(), strict=True))


def _explained(model: LoadedModel, number: int, found: dict[str, Any]) -> list[str]:
    """Return lines about one explanation: what is explained, and the elements that mattered most, by falling |R|."""
    from ..bundle.plot_text import combination

    columns = model.signature.relevant.columns
    what = combination(model.signature, found, formulas=False)
    lines = [f"example {number}: explained {what}{' = ' if what else ''}{found['explained']:+.4g}"]
    for element, relevance in zip(found["elements"], found["relevance"], strict=True):
        most = sorted(zip(relevance, columns, strict=True), key=lambda pair: -abs(pair[0]))[:_NAMED]
        parts = ", ".join(f"{name} {value:+.3g}" for value, name in most)
        lines.append(f"  element {element}: |R| {sum(map(abs, relevance)):.4g}, R {sum(relevance):+.4g} ({parts})")
    return lines
