"""Pictures inside a page: as addresses that hold them, no larger than they need to be."""

from __future__ import annotations

import base64
import importlib.util
import io
import struct
from pathlib import Path

from .page import Shown

__all__ = ["embedded"]

#: Enough colours for a plot.
COLOURS = 256
#: Where a PNG tells its width and height: in the head of its first chunk.
_SIZE = slice(16, 24)


def embedded(path: Path, width: int | None = None) -> Shown:
    """Return a picture (PNG or SVG) as a data URI.

    A PNG gets fewer colours where that makes it smaller, and is scaled down to ``width`` pixels if it is given; without
    Pillow, which comes with Matplotlib, it stays as it is.
    """
    if path.suffix == ".svg":
        return Shown(_address("svg+xml", path.read_bytes()))
    if importlib.util.find_spec("PIL") is None:
        content = path.read_bytes()
        return Shown(_address("png", content), *struct.unpack(">II", content[_SIZE]))
    from PIL import Image

    reduced = io.BytesIO()
    with Image.open(path) as image:
        shown = image.convert("RGB")
        if width is not None and image.width > width:
            shown = shown.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
        shown.quantize(COLOURS, dither=Image.Dither.NONE).save(reduced, "PNG", optimize=True)
        smaller = reduced.tell() < path.stat().st_size or shown.size != image.size
    return Shown(_address("png", reduced.getvalue() if smaller else path.read_bytes()), *shown.size)


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
