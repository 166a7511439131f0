"""Media types of the files of a bundle and of raw data, by their ends."""

from __future__ import annotations

from pathlib import PurePosixPath

__all__ = ["media_type"]

_BINARY = "application/octet-stream"
_TYPES = {
    "": "text/plain",
    ".bz2": "application/x-bzip2",
    ".cff": "application/yaml",
    ".csv": "text/csv",
    ".h5": "application/x-hdf5",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".md": "text/markdown",
    ".npz": "application/zip",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}


def media_type(name: str) -> str:
    """Return the media type of a file; what has none registered (ONNX, safetensors) is a stream of bytes."""
    return _TYPES.get(PurePosixPath(name).suffix.lower(), _BINARY)
