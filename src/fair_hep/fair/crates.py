"""The bundle as an RO-Crate, for the official validator: it finds the context in a cache, so it needs no network."""

from __future__ import annotations

import json
import tempfile
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any

from .documents import in_bundle
from .evidence import Case, Failure
from .programs import asked, needs

__all__ = ["CRATE", "ro_crate"]

CRATE = "ro-crate-metadata.json"
#: Contexts that a crate may name. The package `rocrate` brings that of 1.3, in which every term of 1.2 has the same
#: address: both are made from the same sources, 1.3 from a newer schema.org.
CONTEXTS = ("https://w3id.org/ro/crate/1.2/context", "https://w3id.org/ro/crate/1.3/context")
#: What the crate promises, and whether the profile's own checks are all that is asked: Process Run Crate 0.5 is based
#: on RO-Crate 1.1, whose checks would refuse a crate of 1.2 for being one.
_PROFILES = (("ro-crate-1.2", ()), ("process-run-crate-0.5", ("--disable-profile-inheritance",)))


def ro_crate(case: Case) -> str:
    """Give the bundle to roc-validator, by the profiles RO-Crate 1.2 and Process Run Crate 0.5."""
    path = in_bundle(case, CRATE)
    for module, package in (("rocrate_validator", "roc-validator"), ("rocrate", "rocrate")):
        needs(module, package)
    names = sorted(file.relative_to(path.parent).as_posix() for file in path.parent.rglob("*"))
    document = path.read_bytes() + "\n".join(names).encode()
    counted = 0
    for profile, options in _PROFILES:
        report = json.loads(_report(path.parent, profile, options, document))
        issues = [f"{issue.get('violatingEntity') or CRATE}: {issue['message']}" for issue in report["issues"]]
        if issues or not report["passed"]:
            raise Failure(f"roc-validator, {profile}: {'; '.join(issues[:3]) or 'refused'}", "run `export` again")
        counted += report["statistics"]["total_passed_checks"]
    return f"roc-validator accepts bundle/ by {' and '.join(name for name, _ in _PROFILES)} ({counted} checks)"


def _report(folder: Path, profile: str, options: tuple[str, ...], document: bytes) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        cache, output = Path(scratch) / "cache", Path(scratch) / "report.json"
        _warm(cache)
        arguments = [
            "--no-interactive", "validate", "--no-paging", "--offline", "--cache-path", str(cache), *options,
            "--profile-identifier", profile, "--output-format", "json", "--output-file", str(output), str(folder),
        ]  # fmt: skip
        done, written = asked("rocrate-validator", arguments, folder, document + profile.encode(), output)
        if not written:
            line = " ".join(done.stderr.split())[-200:]
            raise Failure(f"roc-validator gave no report: {line}", "run `export` again")
        return written


def _warm(cache: Path) -> None:
    """Put the contexts into the validator's HTTP cache, as `rocrate-validator cache warm` would from the network."""
    import requests
    from requests.adapters import HTTPAdapter
    from requests_cache import CachedSession
    from urllib3 import HTTPResponse

    content = (resources.files("rocrate") / "data" / "ro-crate.jsonld").read_bytes()

    class Installed(HTTPAdapter):
        """Answer with the installed copy."""

        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            head = {"Content-Type": "application/ld+json"}
            raw = HTTPResponse(body=BytesIO(content), headers=head, status=200, preload_content=False)
            return self.build_response(request, raw)

    with CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Installed())
        for address in CONTEXTS:
            session.get(address)
