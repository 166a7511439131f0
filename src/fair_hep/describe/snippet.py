"""The lines of a card that run: how a stranger who has nothing but the record gets from it to an answer."""

from __future__ import annotations

from .. import bundle
from ..pages.document import Block, Code, Items, Paragraph, Section
from .facts import Facts
from .onnx_program import onnx_program
from .software import SOFTWARE, carried

__all__ = ["ways_to_run"]

_LIBRARY = "https://github.com/FAIR4HEP/cookiecutter-fair-hep"
_PORT = 8080


def ways_to_run(facts: Facts) -> tuple[Section, ...]:
    """Return three ways to an answer, each whole: the library, ONNX Runtime alone, and HTTP.

    All of them work in the folder of the bundle, wherever that came from.
    """
    return (
        Section("With the library fair-hep", _library(facts)),
        Section("With ONNX Runtime alone", _onnx(facts)),
        Section("Over HTTP", _http(facts)),
    )


def _library(facts: Facts) -> tuple[Block, ...]:
    wheel, doi, signature = carried(facts.folder), facts.project.doi, facts.signature
    lines = [
        "import numpy as np",
        "from fair_hep import load\n",
        'model = load(".")  # the folder of this card' + (f'; load("{doi}") fetches it' if doi else ""),
        'examples = dict(np.load("examples/inputs.npz"))  # put yours in their place: by the names of the inputs',
        "outputs = model.predict(examples)"
        + ("  # a list of arrays of different lengths, or one padded array" if signature.padded else ""),
        *(["why = model.explain(examples)  # relevances of all features"] if signature.explained else []),
    ]
    code = Code("\n".join(lines) + "\n", "python")
    needs = "It needs NumPy and ONNX Runtime but no training framework, and runs nothing of the bundle but its graphs"
    if wheel is None:
        return (Paragraph(f"With the library [fair-hep]({_LIBRARY}). {needs}:"), code)
    shell = [f"sha256sum --check --quiet {bundle.SUMS}", f"pip install {SOFTWARE}/{wheel.name}", "fair-hep show ."]
    return (
        Paragraph(f"With the library fair-hep, whose wheel lies in the bundle. {needs}. In the bundle's folder:"),
        Code("\n".join(shell), "bash"),
        code,
        Paragraph(
            "With own files: `fair-hep predict . FILE --output scores.csv`. Parquet, ROOT and HDF5 need the wheel's "
            f"extra `[files]`, `fair-hep plot` needs `[plot]`: `pip install '{SOFTWARE}/{wheel.name}[files,plot]'`."
        ),
    )


def _onnx(facts: Facts) -> tuple[Block, ...]:
    padded = (
        " Zeros behind the elements of an example change nothing, so examples of different lengths go into one array."
        if facts.signature.padded
        else ""
    )
    return (
        Paragraph(
            "The graphs need nothing of ours: any program that runs ONNX gives the same answers, in any language. This "
            f"one needs NumPy and ONNX Runtime, and runs as it stands in the bundle's folder.{padded}"
        ),
        Code(onnx_program(facts.signature), "python"),
    )


def _http(facts: Facts) -> tuple[Block, ...]:
    wheel, signature = carried(facts.folder), facts.signature
    install = [f'pip install "{SOFTWARE}/{wheel.name}[serve]"'] if wheel else []
    needs = "" if wheel else f" (of the library [fair-hep]({_LIBRARY}), with its extra `[serve]`)"
    names = ", ".join(f"`{spec.name}`" for spec in signature.outputs)
    told = [
        f'`{bundle.REQUEST}` is such a request: `{{"inputs": [...]}}`, each example a mapping from the names of the '
        "inputs to nested lists, of any lengths.",
        f'The answer is `{{"predictions": [...]}}`, in the same order: of each example {names}, and `outside`, which '
        "says what of it the model wasn't made for.",
        "What doesn't fit gets status 400 and one line that says what and where.",
    ]
    ask = [_curl(bundle.REQUEST)]
    if signature.explained:
        told.insert(
            2,
            'With `"params": {"explain": true, "top": 3}` each answer also holds `explained`, `ledger` and the '
            "`relevance` of its three most relevant elements (`elements`: which), and `columns`, which names features, "
            "entries of the ledger and classes in their order.",
        )
        # Nothing is written here: a bundle holds what its checksums list.
        ask.append(f"""sed 's/}}$/, "params": {{"explain": true, "top": 3}}}}/' {bundle.REQUEST} | {_curl("-")}""")
    return (
        Paragraph(f"A small server answers until Ctrl-C{needs}; the image of this bundle runs the same one:"),
        Code("\n".join([*install, f"fair-hep serve . --port {_PORT}"]), "bash"),
        Paragraph("Any client may ask it, from another terminal for example:"),
        Code("\n".join(ask), "bash"),
        Items(tuple(told)),
    )


def _curl(file: str) -> str:
    return (
        "curl --silent --show-error --fail --header 'Content-Type: application/json' "
        f"--data @{file} http://127.0.0.1:{_PORT}/invocations"
    )
