"""What good software of the field has: a manual, tests, somebody who runs them, and a word to contributors."""

from __future__ import annotations

from .evidence import Case, Failure

__all__ = ["practice"]

_FILES = {
    "README.md": "what the model is and how to use it",
    "CONTRIBUTING.md": "how to take part",
    "pyproject.toml": "how to install it",
}
_SHORTEST = 200


def practice(case: Case) -> str:
    """Look for a manual, tests of the recipe, and a workflow that runs them."""
    missing = [f"{name} ({why})" for name, why in _FILES.items() if not _holds_text(case, name)]
    tests = sorted((case.root / "tests").glob("test_*.py"))
    if not tests:
        missing.append("tests (tests/test_*.py)")
    workflows = sorted((case.root / ".github" / "workflows").glob("*.yml"))
    run = [path.name for path in workflows if "make test" in path.read_text(encoding="utf-8")]
    if not run:
        missing.append("a workflow that runs `make test`")
    if missing:
        raise Failure(
            f"missing: {'; '.join(missing)}",
            "bring them back with `git checkout` or `cruft update`",
        )
    return f"{', '.join(_FILES)}, {len(tests)} test files, and {run[0]} runs them"


def _holds_text(case: Case, name: str) -> bool:
    path = case.root / name
    return path.is_file() and len(path.read_text(encoding="utf-8")) >= _SHORTEST
