"""What is in the bundle: unchanged, readable without us, no traces of a machine, and the stored answers."""

from __future__ import annotations

import re
from pathlib import Path

from .. import bundle
from .documents import in_bundle
from .evidence import Case, Failure
from .programs import needs

__all__ = ["checksums", "examples", "formats", "graph", "graph_metadata", "paths", "signature"]

TEXT = frozenset((".json", ".jsonld", ".yaml", ".cff", ".csv", ".md", ".txt", ".html", ".svg"))
#: Formats that are documented openly and hold no code to run; files without a suffix are text.
OPEN = TEXT | {".onnx", ".safetensors", ".npz", ".parquet", ".h5", ".png", ".pdf"}
_PICKLE = re.compile(rb"^\x80[\x02-\x05]")
#: A path of somebody's machine: a home, a scratch or a system folder, a drive with two folders (weights hold the bytes
#: of a shorter one by chance), or an address of a file.
_ABSOLUTE = re.compile(
    rb"(?<![\w./:~-])(?:/(?:home|root|Users|tmp|var|mnt|scratch|afs|eos|cvmfs|data\d*|work|opt|usr|etc|srv|media)/[\w.~-]+"
    rb"|[A-Za-z]:(?:\\{1,2}[\w.~-]{2,}){2}|file://[\w/.~-]+)"
)
_METADATA = ("title", "version", "model_license", "model_author", "weights_sha256", "architecture_doi")


def checksums(case: Case) -> str:
    """Compute the SHA-256 checksum of every file of the bundle, and compare it with ``SHA256SUMS``."""
    return f"{bundle.check_files(case.bundle)} files have the checksums in {bundle.SUMS}"


def formats(case: Case) -> str:
    """Open what can be opened: no file of an unknown format, and no pickle in any of them."""
    files = _files(case.bundle)
    unknown = [
        _name(case, path) for path in files if path.suffix and path.suffix not in OPEN and not _is_wheel(case, path)
    ]
    pickles = [_name(case, path) for path in files if _holds_pickle(path)]
    if unknown or pickles:
        wrong = [f"{name} has no known open format" for name in unknown] + [f"{name} is a pickle" for name in pickles]
        raise Failure(
            "; ".join(wrong), "store arrays as .npz or .parquet, weights as .safetensors, tables as .csv or .json"
        )
    suffixes = sorted({path.suffix for path in files} - {""})
    return f"{len(files)} files in open formats, none holds a pickle: {', '.join(suffixes)}"


def _holds_pickle(path: Path) -> bool:
    if path.suffix != ".npz":
        with path.open("rb") as stream:
            return _PICKLE.match(stream.read(2)) is not None
    from ..bundle.errors import BundleError

    try:
        bundle.read_arrays(path)
    except BundleError:
        return True
    return False


def paths(case: Case) -> str:
    """Search every text and every graph of the bundle for absolute paths."""
    found = []
    searched = 0
    for path in _files(case.bundle):
        if path.suffix and path.suffix not in TEXT | {".onnx"}:
            continue
        searched += 1
        match = _ABSOLUTE.search(path.read_bytes())
        if match:
            found.append(f"{_name(case, path)} holds {match[0][:60].decode(errors='replace')}")
    if found:
        raise Failure(
            f"absolute paths: {'; '.join(found)}", "write paths relative to the project, then run `export` again"
        )
    return f"{searched} texts and graphs searched, no absolute path in them"


def graph(case: Case) -> str:
    """Let ONNX check its graphs, with the shapes that it infers."""
    needs("onnx", "onnx")
    import onnx

    names = [bundle.MODEL] + [bundle.EXPLAINED] * (case.bundle / bundle.EXPLAINED).is_file()
    opsets = set()
    for name in names:
        path = in_bundle(case, name)
        try:
            onnx.checker.check_model(str(path), full_check=True)
            sets = onnx.load(path, load_external_data=False).opset_import
            opsets |= {f"{one.domain or 'ai.onnx'} {one.version}" for one in sets}
        except Exception as error:  # protobuf, shape inference and checker each have errors of their own
            line = " ".join(str(error).split())[:200]
            raise Failure(f"{name} is no valid ONNX graph: {line}", "run `export` again") from error
    return f"onnx.checker accepts {' and '.join(names)} with all shapes ({', '.join(sorted(opsets))})"


def graph_metadata(case: Case) -> str:
    """Read what the graph says about itself, and compare it with the project and the weights."""
    needs("onnx", "onnx")
    import onnx

    from ..bundle.files import sha256

    path = in_bundle(case, bundle.MODEL)
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # whatever protobuf says
        raise Failure(f"{bundle.MODEL} can't be read", "run `export` again") from error
    said = {entry.key: entry.value for entry in model.metadata_props}
    expected = {
        "version": case.project.version,
        "model_license": case.project.licenses.weights,
        "weights_sha256": sha256(in_bundle(case, bundle.WEIGHTS)),
    }
    wrong = [f"{key} is missing" for key in _METADATA if not said.get(key)]
    wrong += [
        f"{key} is {said[key]}, expected {value}"
        for key, value in expected.items()
        if value and said.get(key, value) != value
    ]
    if wrong:
        raise Failure(f"metadata_props of {bundle.MODEL}: {'; '.join(wrong)}", "run `export` again")
    dois = f"data {said.get('dataset_doi', 'without a DOI')}, architecture {said['architecture_doi']}"
    return f"{len(said)} metadata_props of {bundle.MODEL}: {dois}, the checksum of the weights"


def signature(case: Case) -> str:
    """Validate the signature, and look for meaning, unit and names of columns of every tensor."""
    found = bundle.read_signature(case.bundle)
    tensors = [*found.inputs, *found.outputs, *([found.features] if found.features else [])]
    unsaid = {"", bundle.UNKNOWN}
    bare = [spec.name for spec in tensors if {spec.meaning.strip(), spec.unit.strip()} & unsaid]
    if bare:
        remedy = (
            "write them into --about, then `bundle`"
            if found.third_party
            else "write them into the model's contract, then `export`"
        )
        raise Failure(f"{', '.join(bare)} without meaning or unit", remedy)
    wrong = [spec.name for spec in tensors if spec.columns and not _columns_fit(spec)]
    if wrong:
        raise Failure(f"{', '.join(wrong)}: number of columns", "correct the model's contract, then `export`")
    return f"{bundle.SIGNATURE} fits its schema; {len(tensors)} tensors have axes, unit and meaning"


def _columns_fit(spec: bundle.TensorSpec) -> bool:
    size = spec.sizes.get(spec.axes[-1])
    return size is None or len(spec.columns) == size


def examples(case: Case) -> str:
    """Give the stored inputs to ONNX Runtime, and compare its answers with the stored ones."""
    from ..bundle.runtime import load
    from ..bundle.stored import OWN, Stored, compare

    for name in ("examples/inputs.npz", "examples/outputs.npz", bundle.EXAMPLES):
        in_bundle(case, name)
    stored = Stored.read(case.bundle)
    checks = compare(OWN, load(case.bundle).answers(stored), stored)
    wrong = [str(check) for check in checks if not check.passed]
    if wrong or not checks:
        raise Failure("; ".join(wrong) or "nothing to compare", "run `verify`: it says more")
    return f"{OWN} gives the stored answers to {stored.examples.count} examples ({len(checks)} outputs compared)"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _is_wheel(case: Case, path: Path) -> bool:
    """Say whether a file is the library in ``software/``: an open format (PEP 427), and meant to be code."""
    return path.suffix == ".whl" and path.parent == case.bundle / "software"


def _name(case: Case, path: Path) -> str:
    return path.relative_to(case.root).as_posix()
