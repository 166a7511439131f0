"""Who a project is, what was asked for, and what made a folder."""

from .git import git_commit
from .steps import FILE, brief, checksums, record, require

__all__ = ["FILE", "brief", "checksums", "git_commit", "record", "require"]
