"""Who a project is, what was asked for, and what made a folder."""

from .steps import FILE, brief, checksums, git_commit, record, require

__all__ = ["FILE", "brief", "checksums", "git_commit", "record", "require"]
