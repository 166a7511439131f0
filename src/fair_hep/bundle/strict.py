"""Values that people write or send, validated once at the edge: unknown keys are errors, and an error is one line."""

from __future__ import annotations

import difflib
import itertools
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from .errors import ConfigError
from .http import without_secrets
from .reading import check_regular
from .text import parse_yaml, shown

__all__ = ["WORDS", "Strict", "load_yaml", "told", "validate", "validated"]

T = TypeVar("T", bound=BaseModel)
#: How alike two names must be for one to be a misspelt other (0 to 1), and how many are suggested.
_SIMILAR = 0.6
_MEANT = 3
#: Under this name, a field with a pattern says in `json_schema_extra` what may stand there in words.
WORDS = "words"


class Strict(BaseModel):
    """A part of a configuration: frozen, and unknown keys are errors.

    Examples
    --------
    >>> from fair_hep import Strict
    >>> from pydantic import Field
    >>> class Hyperparameters(Strict):
    ...     width: int = Field(64, ge=1, description="width of the hidden layers")
    >>> Hyperparameters(width=32).width
    32
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping.

    Raises
    ------
    ConfigError
        If the file is missing, isn't YAML, claims too much by aliases, or holds something else.
    """
    try:
        if path.exists():
            check_regular(path, ConfigError)
        value = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; configurations lie in configs/") from error
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: got {type(value).__name__}, expected keys and values")
    return value


def validate(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Validate values against a pydantic model; turn its errors into one line.

    Parameters
    ----------
    kind
        Class of the options, such as a `Strict`.
    values
        Values by name, as a configuration gives them.
    where
        Section of the configuration, for messages.

    Raises
    ------
    ConfigError
        If anything doesn't fit.

    Examples
    --------
    >>> from fair_hep import DataOptions, validate
    >>> validate(DataOptions, {"max_constituents": 40}, "data.options").max_constituents
    40
    """
    return validated(kind, values, lambda key: where)


def validated(kind: type[T], values: Mapping[str, Any], where: Callable[[str], str]) -> T:
    """Validate values that come from several places; ``where`` says of a dotted key which place it came from.

    Raises
    ------
    ConfigError
        If anything doesn't fit: one line, which names the mistakes of each place together.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(told(error, kind, where)) from error


def told(error: ValidationError, kind: type[BaseModel], where: Callable[[str], str]) -> str:
    """Return all that pydantic found wrong in one line.

    Parameters
    ----------
    error, kind
        What pydantic raised, and what the values should have been.
    where
        Says of a dotted key from which place its value came: the line begins with that.
    """
    lines: dict[str, list[str]] = {}
    problems: list[Mapping[str, Any]] = [dict(problem) for problem in error.errors(include_url=False)]
    for _, same in itertools.groupby(problems, key=lambda problem: _field_at(kind, problem["loc"])[0]):
        for dotted, line in _lines(kind, list(same)):
            lines.setdefault(where(dotted), []).append(line)
    return "; ".join(f"{place}: {'; '.join(said)}" for place, said in lines.items())


def _lines(kind: type[BaseModel], problems: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Give dotted key and line for the problems of one field; for all of them together where it may be several things.

    Else a value would be told wrong once for each of the things that it isn't.
    """
    keys, field = _field_at(kind, problems[0]["loc"])
    if len(problems) > 1 and field is not None and field.description and _several(field.annotation):
        dotted, location = ".".join(keys), problems[0]["loc"]
        at = ".".join(str(part) for part in location[len(keys) : -1])
        got = f"{without_secrets(shown(problems[0]['input']))}{f' at {at}' if at else ''}"
        yield dotted, f"{dotted}: got {got}, expected {field.description}"
        return
    for problem in problems:
        yield ".".join(str(part) for part in problem["loc"]), _explain(kind, problem)


def _several(annotation: Any) -> bool:
    """Say whether there may be things of several kinds, itself or within it."""
    parts = get_args(annotation)
    return get_origin(annotation) in (Union, types.UnionType) or any(_several(part) for part in parts)


def _field_at(kind: type[BaseModel], location: Sequence[str | int]) -> tuple[tuple[str, ...], FieldInfo | None]:
    """Return the keys that lead to the field in which a place lies, and that field; None: there is no such key."""
    keys: list[str] = []
    for part in location:
        keys.append(str(part))
        field = next((f for name, f in kind.model_fields.items() if part in (name, f.alias)), None)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return tuple(keys), field
        kind = field.annotation
    return tuple(keys), None


def _explain(kind: type[BaseModel], problem: Mapping[str, Any]) -> str:
    location = [str(part) for part in problem["loc"]]
    dotted = ".".join(location)
    if problem["type"] == "extra_forbidden":
        return f"unknown key {dotted!r}, {_hint(kind, location)}"
    if problem["type"] == "missing":
        return f"key {dotted!r} is missing"
    if problem["type"] == "value_error" and isinstance(problem["input"], Mapping):
        # A whole part is wrong, no single value.
        return ": ".join(filter(None, (dotted, without_secrets(str(problem["ctx"]["error"])))))
    got, field = without_secrets(shown(problem["input"])), _field_at(kind, problem["loc"])[1]
    if problem["type"] == "string_pattern_mismatch" and field and isinstance(field.json_schema_extra, dict):
        return f"{dotted}: got {got}, expected {field.json_schema_extra[WORDS]}"
    return f"{dotted}: got {got}, {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _hint(kind: type[BaseModel], location: Sequence[str]) -> str:
    """Say which key may be meant: a similar one beside it, one of that name elsewhere, or any that there is."""
    beside = _keys(kind, location[:-1])
    meant = [".".join([*location[:-1], name]) for name in _similar(location[-1], beside)]
    if not meant and len(location) == 1:
        inner = {part: _keys(kind, [part]) for part in beside}
        meant = [f"{part}.{name}" for part, names in inner.items() for name in _similar(location[0], names)]
    if meant:
        return f"did you mean {' or '.join(map(repr, meant[:_MEANT]))}?"
    there = f" in {'.'.join(location[:-1])}" if location[:-1] else ""
    return f"known{there}: {', '.join(beside)}" if beside else f"there are no keys{there or ' here'}"


def _similar(name: str, known: Sequence[str]) -> list[str]:
    """Return the known names that a name may stand for, the best first: the same, initials (lr), or nearly the same.

    Examples
    --------
    >>> _similar("lr", ["loss", "learning_rate"]), _similar("epoch", ["epochs", "export"]), _similar("x", ["loss"])
    (['learning_rate'], ['epochs'], [])
    """
    if name in known:
        return [name]
    initials = [other for other in known if len(name) > 1 and name == "".join(word[:1] for word in other.split("_"))]
    return initials or difflib.get_close_matches(name, known, n=1, cutoff=_SIMILAR)


def _keys(kind: type[BaseModel], location: Sequence[str]) -> list[str]:
    """Return the known keys at a place in a (nested) pydantic model; none where a place has no keys of its own."""
    for part in location:
        fields = {field.alias or name: field for name, field in kind.model_fields.items()}
        inner = fields[part].annotation if part in fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        kind = inner
    return [field.alias or name for name, field in kind.model_fields.items()]
