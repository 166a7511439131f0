"""Who a project is, what was asked for, and what made a folder."""

from .git import git_commit
from .steps import FILE, checksums, provenance_text, record, require, versions

__all__ = ["FILE", "checksums", "git_commit", "provenance_text", "record", "require", "versions"]
