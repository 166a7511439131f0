"""An index of packages on loopback, for tests of what pip chooses: it offers what a test gives it, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import urllib.parse
import zipfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

__all__ = ["PackageIndex", "make_wheel"]


def make_wheel(name: str, version: str, files: Mapping[str, str]) -> tuple[str, bytes]:
    """Return the file name and the bytes of a wheel that needs nothing."""
    folder = f"{name}-{version}.dist-info"
    contents = {
        **files,
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    target, record = io.BytesIO(), ""
    with zipfile.ZipFile(target, "w") as wheel:
        for path, text in contents.items():
            wheel.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
            record += f"{path},sha256={digest},{len(text.encode())}\n"
        wheel.writestr(f"{folder}/RECORD", f"{record}{folder}/RECORD,,\n")
    return f"{name}-{version}-py3-none-any.whl", target.getvalue()


class PackageIndex:
    """A server of the simple repository (PEP 503) while its context is open.

    Parameters
    ----------
    wheels
        Bytes by file name.
    """

    def __init__(self, wheels: Mapping[str, bytes]) -> None:
        self.asked: list[str] = []
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                body = index.answer(urllib.parse.unquote(self.path))
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/zip")
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.wheels = dict(wheels)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple/"

    def answer(self, path: str) -> bytes | None:
        """Return the page of a project, or a wheel; None for everything else."""
        name = path.strip("/").rpartition("/")[2]
        if not path.endswith("/"):
            return self.wheels.get(name)
        found = [file for file in self.wheels if file.partition("-")[0].replace("_", "-").lower() == name]
        links = "".join(f'<a href="/wheels/{file}">{file}</a>\n' for file in found)
        return f"<!DOCTYPE html><html><body>{links}</body></html>".encode() if found else None

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()
