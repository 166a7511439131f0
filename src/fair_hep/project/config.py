"""The verb ``config``: what is asked for, and every key that may be."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..models.contract import Model
from ..models.options import SECTIONS
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project

__all__ = ["Key", "fields", "keys", "run"]

_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}

#: A pattern that names a few choices.
_CHOICES = re.compile(r"^\^\(([\w|]+)\)\$$")


@dataclass(frozen=True)
class Key:
    """One key of a configuration.

    Parameters
    ----------
    key
        Dotted name, as an override writes it.
    type
        What may stand there.
    default
        What holds where nothing stands there, as YAML in one line; "needed" if something must.
    meaning
        What it does.
    """

    key: str
    type: str
    default: str
    meaning: str


def run(project: Project, config: Config, *, listed: bool = False) -> dict[str, Any]:
    """Return the configuration as it holds, overrides included, or every key that there is (``listed``)."""
    if not listed:
        values = config.model_dump(mode="json", by_alias=True)
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True).rstrip()
        return {"headline": text.splitlines(), "configuration": values}
    rows = list(keys(recipe(project)))
    width, types_width = (max(len(getattr(row, name)) for row in rows) for name in ("key", "type"))
    lines = [f"{r.key.ljust(width)}  {r.type.ljust(types_width)}  [{r.default}]  {r.meaning}" for r in rows]
    return {"headline": lines, "keys": [asdict(row) for row in rows]}


def keys(model: Model) -> Iterator[Key]:
    """Give every key of a configuration, those of a model in the places where they belong."""
    yield from _keys(Config, "", model.settings())


def fields(kind: type[BaseModel]) -> Iterator[Key]:
    """Give every field of a class that validates something, such as a part of a signature."""
    yield from _keys(kind, "", {})


def _keys(kind: type[BaseModel], before: str, own: Mapping[str, type[BaseModel]]) -> Iterator[Key]:
    for name, field in kind.model_fields.items():
        key = f"{before}{field.alias or name}"
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _keys(inner, f"{key}.", own)
        elif key in own and own[key].model_fields:
            yield from _keys(own[key], f"{key}.", {})
        elif key in SECTIONS:
            yield Key(key, "no keys", "{}", f"{field.description}: this model has none")
        else:
            yield Key(key, _type(field), _default(field), field.description or "")


def _type(field: FieldInfo) -> str:
    """Return what may stand there, with its limits: ``int >= 1``."""
    choices = next((match[1] for part in field.metadata if (match := _CHOICES.match(str(_pattern(part))))), None)
    if choices:
        return choices.replace("|", " | ")
    limits = [
        f" {sign} {getattr(part, name)}"
        for part in field.metadata
        for name, sign in _BOUNDS.items()
        if getattr(part, name, None) is not None
    ]
    kind, *others = _words(field.annotation).split(" | ")
    return " | ".join([kind + "".join(limits), *others])


def _pattern(part: Any) -> str | None:
    return getattr(part, "pattern", None)


def _words(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(json.dumps(part).strip('"') for part in parts)
    if origin in (Union, types.UnionType):
        return " | ".join(_words(part) for part in parts)
    if hasattr(annotation, "__metadata__"):  # a type with limits of its own, as one of several
        return _words(parts[0])
    if annotation is type(None):
        return "null"
    if origin is not None:
        return f"{origin.__name__} of {_words(next(part for part in reversed(parts) if part is not Ellipsis))}"
    return {"str": "text", "Path": "path", "Any": "any", "bool": "true | false"}.get(
        annotation.__name__, annotation.__name__
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).splitlines()[0]
