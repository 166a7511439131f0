"""What made the model: the chain of steps, closed by checksums from the data to the weights that are published."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..bundle import WEIGHTS
from ..bundle.files import sha256
from ..provenance.about import NAME, About
from ..provenance.git import DIRTY
from ..provenance.steps import FILE
from .documents import in_bundle, read_object
from .evidence import Case, Failure, Unpublished

__all__ = ["data_provenance", "evaluation", "provenance", "software", "source", "training"]

SPLITS = ("train", "val", "test")
_SUM = re.compile(r"[0-9a-f]{64}")
_AGAIN = "run `data`, `train`, `evaluate` and `export` again"


def _made(case: Case, name: str) -> dict[str, Any]:
    return read_object(in_bundle(case, name))


def _training(case: Case) -> str:
    """Return the name of the record of the training, or of the import that took its place."""
    return NAME if (case.bundle / NAME).is_file() else "provenance/train.json"


def provenance(case: Case) -> str:
    """Follow the checksums: what was exported is what was evaluated, and what was evaluated is in the bundle."""
    weights = sha256(in_bundle(case, WEIGHTS))
    exported, evaluated = _made(case, FILE), _made(case, "provenance/evaluate.json")
    _made(case, _training(case))
    for name, made in (("export", exported), ("evaluate", evaluated)):
        if weights not in dict(made.get("inputs") or {}).values():
            raise Failure(f"`{name}` was made from other weights than those in the bundle", _AGAIN)
        missing = [key for key in ("finished", "python", "versions", "configuration") if not made.get(key)]
        if missing:
            raise Failure(f"the provenance of `{name}` lacks {', '.join(missing)}", _AGAIN)
    return f"`evaluate` and `export` read the weights {weights[:12]} of the bundle; when and with what is recorded"


def data_provenance(case: Case) -> str:
    """Follow the checksums from the evaluation to the files of the data, for every split."""
    counted = 0
    # Data that a training elsewhere didn't read have no part in it.
    splits = SPLITS if _training(case) != NAME else [s for s in SPLITS if s in _recorded(case) or s == "test"]
    for split in splits:
        made = _made(case, f"provenance/data-{split}.json")
        files = dict(made.get("inputs") or {})
        bad = [name for name, checksum in files.items() if not _SUM.fullmatch(str(checksum))]
        if not files or bad:
            raise Failure(
                f"data-{split}.json links no data file by checksum: {', '.join(bad) or 'none listed'}", _AGAIN
            )
        counted += len(files)
    tested = dict(_made(case, "metrics.json").get("test_set") or {}).get("files") or {}
    known = set(dict(_made(case, "provenance/data-test.json")["inputs"]).values())
    if not tested or not set(tested.values()) <= known:
        raise Failure("metrics.json was measured on other files than data-test.json lists", _AGAIN)
    return f"{counted} data files of {len(splits)} splits by checksum; the test set of metrics.json is among them"


def training(case: Case) -> str:
    """Read how the network was trained: settings, seed, data, libraries, machine."""
    if _training(case) == NAME:
        return _elsewhere(_made(case, NAME))
    made = _made(case, "provenance/train.json")
    configuration = made.get("configuration") or {}
    parts: Mapping[str, Any] = {
        "settings": configuration.get("train"),
        "network": configuration.get("model"),
        "source of the data": (configuration.get("data") or {}).get("source"),
        "seed": made.get("seed"),
        "libraries": made.get("versions"),
        "machine": made.get("system"),
        "time": made.get("finished"),
    }
    missing = [name for name, value in parts.items() if value in (None, "", {})]
    if missing:
        raise Failure(f"provenance/train.json doesn't say: {', '.join(missing)}", "run `train` and `export` again")
    epochs = configuration["train"].get("epochs")
    return f"{epochs} epochs, seed {made['seed']}, on {made['system']}, data: {parts['source of the data']}"


def _elsewhere(made: Mapping[str, Any]) -> str:
    """Read what is known of a training elsewhere; what is needed to do it again must be among it."""
    about = About.model_validate(made.get("about") or {})
    stated = {"trained_by": about.trained_by, "code": about.code, "dataset": about.dataset or about.dataset_doi}
    missing = [name for name, value in {**stated, "epochs": about.epochs}.items() if value in (None, [])]
    if missing:
        raise Failure(
            f"{NAME}: the network was trained elsewhere, and nobody said: {', '.join(missing)}",
            "write what you know into a file, then `import` (with --about FILE), `evaluate` and `export` again",
        )
    return about.sentence()


def _recorded(case: Case) -> set[str]:
    return {path.stem.removeprefix("data-") for path in (case.bundle / "provenance").glob("data-*.json")}


def evaluation(case: Case) -> str:
    """Read what was measured: figures with their errors, on a test set that checksums identify."""
    metrics = _made(case, "metrics.json")
    values = {
        key: value for key, value in dict(metrics.get("metrics") or {}).items() if isinstance(value, (int, float))
    }
    errors = [key for key in values if key.endswith(("_error", "_limit95"))]
    test_set = dict(metrics.get("test_set") or {})
    if not values or not errors:
        raise Failure("metrics.json has no figures with errors", "run `evaluate` and `export` again")
    if not _SUM.fullmatch(str(test_set.get("sha256"))) or not test_set.get("examples"):
        raise Failure("metrics.json doesn't identify its test set", "run `evaluate` and `export` again")
    figures = f"{len(values) - len(errors)} figures and {len(errors)} errors"
    return f"{figures} on {test_set['examples']} examples of a test set that is known by its checksum"


def software(case: Case) -> str:
    """Compare the libraries that made the bundle with those that the project declares."""
    import tomllib

    path = case.root / "pyproject.toml"
    if not path.is_file():
        raise Failure("pyproject.toml is missing", "run `git checkout pyproject.toml`")
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    declared = [
        *project.get("dependencies", []),
        *(d for e in project.get("optional-dependencies", {}).values() for d in e),
    ]
    open_ended = [d for d in project.get("dependencies", []) if not re.search(r"[<>=~]", d)]
    if not declared or open_ended:
        raise Failure(
            f"dependencies without a version: {', '.join(open_ended) or 'all'}", "write a lowest version each"
        )
    names = {re.split(r"[^A-Za-z0-9._-]", d)[0].lower() for d in declared}
    used = dict(_made(case, FILE).get("versions") or {})
    if not used:
        raise Failure("the bundle doesn't say which libraries made it", "run `export` again")
    return f"{len(names)} dependencies with versions; the bundle names {len(used)} that made it, with theirs"


def source(case: Case) -> str:
    """Look for the address of the source code and the commit that the bundle was made from."""
    commit = _made(case, FILE).get("git_commit")
    if not case.project.repository:
        raise Unpublished("project.yaml has no repository yet, so the source code has no address")
    if not re.match(r"https://\S+\.\S+/\S+", case.project.repository):
        raise Failure(f"project.yaml: repository is {case.project.repository!r}", "write its https address")
    if not commit:
        raise Failure("the bundle doesn't name the commit that made it", "commit, then run `export` again")
    if str(commit).endswith(DIRTY):
        raise Failure(f"the bundle was made from changed files ({commit})", "commit, then run `export` again")
    return f"commit {str(commit)[:12]} of {case.project.repository}"
