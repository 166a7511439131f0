"""Who may ask, by which name a request goes, and over what: a bearer token, request ids, TLS."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os
import re
import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..bundle.errors import DataError

__all__ = ["Access", "request_id"]

#: What asks for no token: whether it lives, and what everybody may know of a published model.
_OPEN = frozenset({
    "/ping", "/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready",
    "/", "/card", "/page.css", "/page.js", "/openapi.json",
})  # fmt: skip
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
#: A shorter token could be guessed.
_SHORTEST = 16
#: Ids that nobody else gives; to ask the system for random bytes each time would let go of the interpreter's lock.
_START, _COUNT = uuid.uuid4().hex[:16], itertools.count()


@dataclass(frozen=True)
class Access:
    """What clients need.

    Attributes
    ----------
    digest
        SHA-256 of the token; empty: none is asked for.
    tls
        Of the server's certificate; None: connections aren't encrypted.
    """

    digest: bytes = b""
    tls: ssl.SSLContext | None = None

    @classmethod
    def read(cls, given: Mapping[str, str] | None = None) -> Access:
        """Read ``SERVE_TOKEN`` or the file ``SERVE_TOKEN_FILE``, ``SERVE_TLS_CERTIFICATE`` and ``SERVE_TLS_KEY``.

        Raises
        ------
        DataError
            If the token is too short, or a file can't be read.
        """
        variables = os.environ if given is None else given
        token = _token(variables)
        return cls(hashlib.sha256(token.encode()).digest() if token else b"", _tls(variables))

    def allows(self, path: str, authorization: str) -> bool:
        """Say whether a request may be answered; a comparison takes as long for every wrong token.

        Parameters
        ----------
        path
            Of the request.
        authorization
            Its header of that name.
        """
        if not self.digest or path in _OPEN:
            return True
        scheme, _, token = authorization.partition(" ")
        given = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(given, self.digest) and scheme.lower() == "bearer"


def request_id(given: str) -> str:
    """Return the id that a client gave its request, or a new one if that is none or could harm a log.

    Examples
    --------
    >>> request_id("job-17"), len(request_id("<script>"))
    ('job-17', 32)
    """
    return given if _ID.fullmatch(given) else f"{_START}{next(_COUNT):016x}"


def _token(given: Mapping[str, str]) -> str:
    token, name = given.get("SERVE_TOKEN", ""), "SERVE_TOKEN"
    if file := given.get("SERVE_TOKEN_FILE", ""):
        if token:
            raise DataError("SERVE_TOKEN, SERVE_TOKEN_FILE: got both, expected one of them")
        name = "SERVE_TOKEN_FILE"
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{name}: can't read {file}: {getattr(error, 'strerror', error)}") from error
    elif "SERVE_TOKEN" not in given:
        return ""
    if len(token) < _SHORTEST or not token.isprintable() or " " in token or not token.isascii():
        raise DataError(
            f"{name}: got {len(token)} characters, expected at least {_SHORTEST} of ASCII without spaces, "
            "for example from `openssl rand -hex 32`"
        )
    return token


def _tls(given: Mapping[str, str]) -> ssl.SSLContext | None:
    certificate, key = given.get("SERVE_TLS_CERTIFICATE", ""), given.get("SERVE_TLS_KEY", "")
    if not certificate and not key:
        return None
    if not certificate:
        raise DataError("SERVE_TLS_KEY: got a key without a certificate: set SERVE_TLS_CERTIFICATE too")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # A key with a passphrase would ask for it on the terminal.
        context.load_cert_chain(certificate, key or None, password=lambda: "")
    except (OSError, ValueError) as error:  # ssl's errors are both
        what = f"SERVE_TLS_CERTIFICATE {certificate}" + (f", SERVE_TLS_KEY {key}" if key else "")
        raise DataError(f"{what}: {getattr(error, 'strerror', None) or error}; expected PEM files") from error
    return context
