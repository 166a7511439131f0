"""Properties tried on what Hypothesis makes up: some examples with a fixed seed, or as long as somebody lets it run.

``make fuzz SECONDS=600`` gives each target its share of the time (``FUZZ_SECONDS``). What once failed lies in
``fair_hep/corpus``, a folder for each target, and is tried first, always. A long run leaves what failed, or what was
tried when the process died, in ``build/fuzz``: move it into the corpus with its mend.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from fair_hep.bundle.errors import ProjectError
from support.template import ROOT

__all__ = ["clean", "damaged", "fuzz", "json_values", "mutated"]

CORPUS = Path(__file__).parents[1] / "fair_hep" / "corpus"
LEFT = ROOT / "build" / "fuzz"
#: Bytes that reading a small file may take, over what the process has.
MEMORY = 1536 * 2**20
#: Seconds of the processor that it may take.
PATIENCE = 20.0
T = TypeVar("T")


def fuzz(target: str, check: Callable[[T], object], strategy: st.SearchStrategy[T], examples: int) -> None:
    """Try a check on its corpus, then on some examples; with ``FUZZ_SECONDS``, on as many as there is time for.

    Parameters
    ----------
    target
        Name of the folder of the corpus.
    check
        What is tried: of bytes, or of JSON values.
    strategy
        What makes them up.
    examples
        How many, without ``FUZZ_SECONDS``.
    """
    for path in sorted((CORPUS / target).glob("*")):
        content = path.read_bytes()
        check(json.loads(content) if path.suffix == ".json" else content)  # type: ignore[arg-type]
    seconds = float(os.environ.get("FUZZ_SECONDS", "0"))
    if not seconds:
        _some(check, strategy, settings(max_examples=examples, derandomize=True))
        return
    end, count = time.monotonic() + seconds, 0

    def kept(value: T) -> None:
        nonlocal count
        count += 1
        # Written before it is tried: a crash in a library leaves it.
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        LEFT.mkdir(parents=True, exist_ok=True)
        last = LEFT / f"{target}-last"
        last.write_bytes(content)
        try:
            check(value)
        except BaseException:
            last.replace(LEFT / f"{target}-{hashlib.sha256(content).hexdigest()[:12]}")
            raise

    while time.monotonic() < end:
        _some(seed(time.time_ns())(kept), strategy, settings(max_examples=100))
    (LEFT / f"{target}-last").unlink(missing_ok=True)
    print(f"{target}: {count} tried")


def _some(check: Callable[[T], object], strategy: st.SearchStrategy[T], how: settings) -> None:
    quiet = settings(how, database=None, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)

    @quiet
    @given(strategy)
    def tried(value: Any) -> None:
        check(value)

    tried()


@contextlib.contextmanager
def clean(kind: type[BaseException] = ProjectError) -> Iterator[None]:
    """Let pass what is done, or said in one line of ours, in little time and memory; nothing else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if os.name == "posix" else 0
    begun = time.process_time()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    try:
        yield
    except kind as error:
        assert "\n" not in str(error), f"more than one line: {error}"
        assert len(str(error)) < 2000, f"a long line: {error}"
        assert "more memory than there is" not in str(error), str(error)
        str(error).encode("utf-8")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert time.process_time() - begun < PATIENCE, "too slow"


def damaged(*contents: bytes) -> st.SearchStrategy[bytes]:
    """Make up damage to valid files: bits flipped, numbers replaced, ends lost, pieces moved."""
    return st.sampled_from(contents).flatmap(
        lambda content: st.lists(_damage(len(content)), min_size=1, max_size=4).map(
            lambda steps: _applied(content, steps)
        )
    )


_NUMBERS = st.sampled_from(
    [value.to_bytes(size, order) for size in (1, 2, 4, 8) for value in (0, 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
     for order in ("little", "big")]
)  # fmt: skip


def _damage(size: int) -> st.SearchStrategy[tuple[str, int, Any]]:
    place = st.integers(0, max(0, size - 1))
    return st.one_of(
        st.tuples(st.just("put"), place, st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("put"), place, _NUMBERS),
        st.tuples(st.just("flip"), place, st.integers(0, 7)),
        st.tuples(st.just("move"), place, st.tuples(place, st.integers(1, 64))),
        st.tuples(st.just("drop"), place, st.integers(1, 64)),
        st.tuples(st.just("cut"), place, st.none()),
    )


def _applied(content: bytes, steps: list[tuple[str, int, Any]]) -> bytes:
    found = bytearray(content)
    for kind, place, what in steps:
        if kind == "put":
            found[place : place + len(what)] = what
        elif kind == "flip" and place < len(found):
            found[place] ^= 1 << what
        elif kind == "move":
            start, size = what
            piece = found[start : start + size]
            found[place : place + len(piece)] = piece
        elif kind == "drop":
            del found[place : place + what]
        elif kind == "cut":
            del found[place:]
    return bytes(found)


_STRANGE: tuple[Any, ...] = (
    "",
    "100",
    "1_0",
    "\ud800",
    "../../x",
    "https://[::1",
    "é" * 300,
    -1,
    2**63,
    1e308,
    [],
    {},
    [[]],
)


def json_values(leaves: int = 8) -> st.SearchStrategy[Any]:
    """Make up JSON values, those that are no JSON number too."""
    plain = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
        st.sampled_from(_STRANGE),
    )  # fmt: skip
    return st.recursive(
        plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=leaves,
    )  # fmt: skip


def mutated(value: Any) -> st.SearchStrategy[Any]:
    """Make up JSON like one that is valid: some of its values replaced, left out, or there twice."""
    places = list(_places(value))
    change = st.tuples(st.sampled_from(places), st.sampled_from(["replace", "drop", "double"]), json_values(3))
    return st.lists(change, min_size=1, max_size=3).map(lambda changes: _changed(value, changes))


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield above
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*above, key))


def _changed(value: Any, changes: list[tuple[tuple[Any, ...], str, Any]]) -> Any:
    found = json.loads(json.dumps(value))
    for place, kind, new in changes:
        if not place:
            found = new if kind == "replace" else found
            continue
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change took it away
            inner = found
            for key in place[:-1]:
                inner = inner[key]
            if kind == "drop":
                del inner[place[-1]]
            elif kind == "double" and isinstance(inner, list):
                inner.append(inner[place[-1]])
            else:
                inner[place[-1]] = new
    return found
