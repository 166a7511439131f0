"""Values that people write or send, validated once at the edge: unknown keys are errors, and an error is one line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import ConfigError

__all__ = ["Strict", "load_yaml", "validate"]

T = TypeVar("T", bound=BaseModel)


class Strict(BaseModel):
    """A part of a configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping.

    Raises
    ------
    ConfigError
        If the file is missing, isn't YAML, or holds something else.
    """
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; configurations lie in configs/") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: got {type(value).__name__}, expected keys and values")
    return value


def validate(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Validate values against a pydantic model; turn its errors into one line.

    Raises
    ------
    ConfigError
        If anything doesn't fit.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        lines = [_explain(kind, dict(problem)) for problem in error.errors(include_url=False)]
        raise ConfigError(f"{where}: {'; '.join(lines)}") from error


def _explain(kind: type[BaseModel], problem: Mapping[str, Any]) -> str:
    location = [str(part) for part in problem["loc"]]
    dotted = ".".join(location)
    if problem["type"] == "extra_forbidden":
        known = _keys(kind, location[:-1])
        close = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.0)
        return f"unknown key {dotted!r}, did you mean {'.'.join([*location[:-1], *close])!r}?"
    if problem["type"] == "missing":
        return f"key {dotted!r} is missing"
    if problem["type"] == "value_error" and isinstance(problem["input"], Mapping):
        return f"{dotted}: {problem['ctx']['error']}"  # a whole part is wrong, no single value
    return f"{dotted}: got {problem['input']!r}, {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _keys(kind: type[BaseModel], location: Sequence[str]) -> list[str]:
    """Return the known keys at a place in a (nested) pydantic model."""
    for part in location:
        fields = {field.alias or name: field for name, field in kind.model_fields.items()}
        inner = fields[part].annotation if part in fields else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            kind = inner
    return [field.alias or name for name, field in kind.model_fields.items()]
