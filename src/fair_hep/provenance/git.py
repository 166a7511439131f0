"""What git says of a folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["DIRTY", "git_commit"]

#: What follows a commit if the folder's files differ from it.
DIRTY = "-dirty"
#: The file that makes a folder a project.
_IDENTITY = "project.yaml"


def git_commit(root: Path) -> str | None:
    """Return the commit that is checked out, with ``-dirty`` if the folder's files differ from it.

    A repository around the folder that ignores it, or that doesn't hold it yet, knows nothing of its files: whoever
    checks its commit out gets another thing. So there is a commit only if it holds the folder's own files. Code that
    git doesn't track differs from the commit, too; changes elsewhere in the repository don't.

    Returns
    -------
    commit
        None outside git, and if the commit doesn't hold the folder's files.
    """
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    listed = _git(root, "ls-tree", "-r", "-z", "--name-only", "HEAD")
    if not commit or not listed:
        return None
    held = set(listed.split("\0"))
    if (root / _IDENTITY).is_file() and _IDENTITY not in held:
        return None
    code = {path.relative_to(root).as_posix() for path in (root / "src").rglob("*.py")}
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return f"{commit.strip()}{DIRTY if changed or code - held else ''}"


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git prints; None where there is no git, no repository or no commit."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
