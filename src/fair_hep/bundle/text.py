"""JSON and YAML that others wrote: finite, bounded, and each key once where a second reader may take the other one."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import yaml

__all__ = ["parse_json", "parse_yaml", "shown"]

#: Characters of a YAML text, far more than anybody writes: its parser is slow.
_LONGEST = 2**20
#: Values after every alias was replaced by what it stands for; the largest configuration has some hundred.
_VALUES = 100_000
#: Half of a character beyond 2^16, escaped: alone it is no text.
_HALVES = re.compile(r"\\u[dD][89a-fA-F]")
#: Characters of a value in a message.
_SHOWN = 200


def parse_json(text: str | bytes, *, unique: bool = False) -> Any:
    """Read JSON as its standard has it: no NaN, no Infinity, no number beyond them, no half characters.

    Parameters
    ----------
    text
        The JSON, in UTF-8 if it is bytes.
    unique
        Whether a key may be in an object only once: two readers may else take different ones.

    Raises
    ------
    ValueError
        If it is something else, or nested deeper than Python reads.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parse_json('{"a": 1e999}')
    Traceback (most recent call last):
        ...
    ValueError: got 1e999, expected a finite number
    """
    text = text.decode("utf-8") if isinstance(text, bytes) else text
    try:
        found = json.loads(
            text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_each_once if unique else None
        )
        if _HALVES.search(text):
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        return found
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse(word: str) -> float:
    raise ValueError(f"got {word}, expected a finite number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text[:40])


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def parse_yaml(text: str, *, plain: bool = False) -> Any:
    r"""Read YAML of plain values; aliases may not stand for more than a hand could write.

    Nine lines of aliases of aliases stand for 10^9 values, which anything that goes through them, a message too, would
    wait for.

    Parameters
    ----------
    text
        The YAML.
    plain
        Whether every value is text: 0.10 stays what it is, and so does a date.

    Raises
    ------
    ValueError
        If it isn't YAML, holds too much, or what no value can be.

    Examples
    --------
    >>> parse_yaml("a: &one [1]\nb: *one")
    {'a': [1], 'b': [1]}
    """
    if len(text) > _LONGEST:
        raise ValueError(f"got {len(text):,} characters, expected at most {_LONGEST:,}")
    try:
        return yaml.load(text, _PlainLoader if plain else _Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        # The parser takes some values for dates or tags that they aren't.
        raise ValueError(f"not YAML of plain values ({type(error).__name__}: {error})") from error


class _Counting:
    """Counts what aliases stand for before any of it is made."""

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()  # type: ignore[misc]
        if node is not None:
            _count(node, {}, set())
        return node


class _Loader(_Counting, yaml.SafeLoader):
    pass


class _PlainLoader(_Counting, yaml.BaseLoader):
    pass


def _count(node: yaml.Node, known: dict[int, int], above: set[int]) -> int:
    """Return how many values a node stands for."""
    if id(node) in above:
        raise ValueError("an alias stands for something that it is part of")
    if id(node) not in known:
        above.add(id(node))
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.ScalarNode):
            node.value.encode("utf-8")
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            inner = node.value
        total = 1
        for part in inner:
            total += _count(part, known, above)
            if total > _VALUES:
                raise ValueError(f"holds more than {_VALUES:,} values, some of them by aliases of aliases")
        above.discard(id(node))
        known[id(node)] = total
    return known[id(node)]


def shown(value: Any) -> str:
    """Return a value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
