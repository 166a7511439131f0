"""The command line: parse, call one verb, print what it returns."""

from __future__ import annotations

import importlib
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..bundle.errors import ConfigError, StoppedError
from ..bundle.parts import Part
from ..data.parallel import keep_freed_memory
from ..provenance.configuration import load_config
from ..provenance.library import require_pinned
from ..provenance.project import Project, load_project
from .bundles import columns_option, index
from .common import output_is_log, parts_options, read_part, show, start, there

__all__ = ["command", "main"]

DEFAULT_CONFIG = "configs/quick.yaml"
#: Where the noise of libraries goes, for the verbs that use many of them.
LOGS = Path("runs", "logs")
NOISY = frozenset(("data", "simulate", "train", "prune", "evaluate", "explain", "export", "register", "run"))
#: Verbs that make the same tensors for minutes or hours.
COMPUTING = frozenset(("train", "prune", "evaluate", "explain", "run"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a `ProjectError` becomes one line on standard error and exit code 1."""
    start(command, arguments, quiet=("mlflow", "alembic", "lightning.pytorch", "onnxscript", "torch.onnx"))


def _version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        from .. import __version__

        project = load_project()
        click.echo(f"{project.slug} {project.version} (fair-hep {__version__})")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Say the version.")
def command() -> None:
    """Train, explain, verify and publish the model of this project.

    Trailing KEY=VALUE arguments override the configuration: train.epochs=3. `config --keys` lists all of them.
    """


def _verb(name: str, help_text: str, *, module: str | None = None) -> Callable[[Any], Any]:
    """Make a sub-command of a function that turns its own options into keyword arguments of the verb."""

    def decorate(function: Callable[..., dict[str, Any]]) -> click.Command:
        def call(
            as_json: bool,
            config: Path | None = None,
            overrides: tuple[str, ...] = (),
            place: str | None = None,
            **options: Any,
        ) -> None:
            project = load_project()
            require_pinned(project.root)
            if place is not None:
                project = _with_bundle(project, place)
            chosen = load_config(config or project.root / DEFAULT_CONFIG, overrides)
            if name in COMPUTING:
                keep_freed_memory()
            asked = function(**options)
            # Parts run side by side, each with a log of its own.
            log = f"{name}-{asked['part'].folder}.log" if asked.get("part") else f"{name}.log"
            try:
                with output_is_log(project.root / LOGS / log if name in NOISY else None):
                    verb = importlib.import_module(module or f"..project.{name}", __package__).run
                    result = verb(project, chosen, **asked)
            except StoppedError as error:
                raise _with_command(error, config, overrides) from error
            show(result, as_json=as_json)

        made = click.command(name, help=help_text, params=getattr(function, "__click_params__", [])[::-1])(call)
        made = click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON.")(made)
        path = click.Path(dir_okay=False, path_type=Path)
        made = click.option("--config", type=path, help=f"Configuration file  [default: {DEFAULT_CONFIG}]")(made)
        made = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(made)
        command.add_command(made)
        return made

    return decorate


_of_bundle = click.option("--bundle", "place", metavar="BUNDLE", help="Folder or DOI of a bundle  [default: bundle]")


def _with_bundle(project: Project, place: str) -> Project:
    """Return the project with the bundle that was asked for, if that is one of its model.

    Raises
    ------
    ConfigError
        If there is no bundle, or one of another network: the recipe of this project doesn't fit it.
    """
    from ..bundle import SIGNATURE, read_signature
    from ..bundle.runtime import find_bundle

    folder = find_bundle(place)
    if not (folder / SIGNATURE).is_file():
        raise ConfigError(f"--bundle {place}: there is no bundle (no {SIGNATURE}): give its folder, or its DOI")
    signature = read_signature(folder)
    if signature.trainable and signature.model != project.model:
        raise ConfigError(
            f"--bundle {place}: holds {signature.model!r}, and this project has {project.model!r}: "
            "`fair-hep` verifies, asks and serves any bundle"
        )
    return project.with_bundle(folder)


def _with_command(error: StoppedError, config: Path | None, overrides: Sequence[str]) -> StoppedError:
    """Add the command that goes on with a training, in the words of the one that began it."""
    if error.resumable is None:
        return error
    chosen = ["--config", str(config)] if config else []
    words = [Path(sys.argv[0]).name, "train", *["--resume"] * error.resumable, *chosen, *overrides]
    how = "go on with" if error.resumable else "begin again with"
    return StoppedError(f"{error}; {how}: {shlex.join(words)}", code=error.code, resumable=error.resumable)


@_verb("config", "Say what is asked for, or every key of a configuration with type, default and meaning.")
@click.option("--keys", "listed", is_flag=True, help="Every key, those of the project's model too.")
def config(listed: bool) -> dict[str, Any]:
    """Pass the options on."""
    return {"listed": listed}


@_verb("data", "Fetch, simulate or find the data and convert them.")
@parts_options
def data(**parts: Any) -> dict[str, Any]:
    """Pass the options on."""
    return parts


@_verb("simulate", "Generate examples with the project's own generator.")
@click.option("--size", "--jets", "--events", type=click.IntRange(min=10), default=10_000, show_default=True)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write to.")
@parts_options
def simulate(size: int, output: Path, **parts: Any) -> dict[str, Any]:
    """Pass the options on."""
    return {"size": size, "output": output, **parts}


@_verb("train", "Train the network.")
@click.option("--resume", is_flag=True, help="Continue from the last checkpoint.")
def train(resume: bool) -> dict[str, Any]:
    """Pass the options on."""
    return {"resume": resume}


@_verb("import", "Bring weights that were trained elsewhere; go on at `evaluate`.", module="..project.import_")
@click.argument("weights", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--names", metavar="TABLE", help="Table of names: a YAML file, or one that ships with the model.")
@click.option("--about", type=click.Path(dir_okay=False, path_type=Path), help="YAML file: what is known of them.")
def import_(weights: Path, names: str | None, about: Path | None) -> dict[str, Any]:
    """Pass the options on."""
    return {"weights": weights, "names": names, "about": about}


@_verb("prune", "Make a smaller network of the trained one, with a configuration of its own.")
@click.option("--study", is_flag=True, help="Compare criteria and budgets, from several trainings.")
@click.option("--part", metavar="NUMBER/OF", callback=read_part, help="Do a part of a study only, such as 1/2.")
@click.option("--suggest", is_flag=True, help="Only say which features, neighbours and elements are needed.")
def prune(study: bool, part: Part | None, suggest: bool) -> dict[str, Any]:
    """Pass the options on."""
    return {"study": study, "part": part, "suggest": suggest}


@_verb("evaluate", "Measure the trained network on the test split.")
@parts_options
def evaluate(part: Part | None, join: int | None) -> dict[str, Any]:
    """Pass the options on."""
    return {"part": part, "join": join}


@_verb("explain", "Explain the network on examples of the test split.")
@parts_options
def explain(part: Part | None, join: int | None) -> dict[str, Any]:
    """Pass the options on."""
    return {"part": part, "join": join}


@_verb("export", "Write the bundle: ONNX, weights, signature, examples, card.")
def export() -> dict[str, Any]:
    """Take no options."""
    return {}


@_verb("bundle", "Publish an existing ONNX model as it is, without its source.")
@click.option("--onnx", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The model.")
@click.option(
    "--examples", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Inputs by name (.npz)."
)
@click.option("--about", type=click.Path(dir_okay=False, path_type=Path), help="YAML file: what is known of it.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Folder to write  [default: bundle]")
def bundle(onnx: Path, examples: Path, about: Path | None, output: Path | None) -> dict[str, Any]:
    """Pass the options on."""
    return {"onnx": onnx, "examples": examples, "about": about, "output": output}


@_verb("verify", "Check that the bundle is whole and gives its stored answers.")
@_of_bundle
@click.option("--url", help="A running server to ask too: ours, or `mlflow models serve`.")
@click.option("--image", help="An image to start and ask too; ENGINE names the engine  [default: docker, else podman]")
def verify(url: str | None, image: str | None) -> dict[str, Any]:
    """Pass the options on."""
    return {"url": url, "image": image}


@_verb("fair", "Check every FAIR principle against the project and the bundle, with evidence.")
@click.option("--online", is_flag=True, help="Resolve identifiers and links too.")
@click.option("--badge", type=click.Path(dir_okay=False, path_type=Path), help="Write a badge (SVG) to this file.")
def fair(online: bool, badge: Path | None) -> dict[str, Any]:
    """Pass the options on."""
    return {"online": online, "badge": badge}


@_verb("register", "Register the bundle's model; it becomes champion if it is not worse.")
def register() -> dict[str, Any]:
    """Take no options."""
    return {}


@_verb("serve", "Serve the registered champion over HTTP.")
@_of_bundle
@click.option("--port", type=click.IntRange(1, 65535), default=5001, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
def serve(port: int, host: str) -> dict[str, Any]:
    """Pass the options on."""
    return {"port": port, "host": host}


@_verb(
    "publish",
    "Prepare the bundle for an archive, reserve a DOI, upload a draft, or send copies to a hub.\n\n"
    "triton DIR writes a model repository for Triton Inference Server; kubernetes DIR --to USER/NAME the files that "
    "run the image in a cluster, with KServe, or on one machine.",
)
@click.argument(
    "target",
    type=click.Choice(["prepare", "reserve", "zenodo", "dockerhub", "huggingface", "triton", "kubernetes"]),
    default="prepare",
)
@click.argument("folder", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.option("--url", default="https://sandbox.zenodo.org", show_default=True, help="Archive to upload to.")
@click.option("--production", is_flag=True, help="Upload to the real Zenodo; asks first.")
@click.option("--release", is_flag=True, help="Publish the draft that was uploaded; asks first.")
@click.option("--to", help="Image or repository of a hub: USER/NAME.")
@click.option("--send", is_flag=True, help="Send it to the hub; without it, only say what would be sent.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def publish(  # noqa: PLR0917
    target: str,
    folder: Path | None,
    url: str,
    production: bool,
    release: bool,
    to: str | None,
    send: bool,
    yes: bool,
) -> dict[str, Any]:
    """Ask where something can't be undone, and pass the options on."""
    address = "https://zenodo.org" if production else url
    if (production or release) and not yes:
        action = "Publish the draft for good in" if release else "Upload a draft to"
        click.confirm(f"{action} {address}?", abort=True, err=True)
    return {"target": target, "url": address, "release": release, "to": to, "send": send, "folder": folder}


@_verb("report", "Write a page about the model: card, figures, and parts to click on.")
@_of_bundle
def report() -> dict[str, Any]:
    """Take no options."""
    return {}


@_verb("predict", "Score the examples of a file with the bundle's model.")
@_of_bundle
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), callback=there)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write to.")
@click.option("--explain", "explained", is_flag=True, help="Write relevances too.")
@columns_option
@parts_options
def predict(file: Path, output: Path, explained: bool, columns: str | None, **parts: Any) -> dict[str, Any]:
    """Pass the options on."""
    return {"file": file, "output": output, "explain": explained, "columns": columns, **parts}


@_verb("check", "Try every promise that the model makes.")
def check() -> dict[str, Any]:
    """Take no options."""
    return {}


@_verb("run", "Run the whole chain: data, train, evaluate, explain, export, verify, register.")
def run() -> dict[str, Any]:
    """Take no options."""
    return {}


command.add_command(index)
