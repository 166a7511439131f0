"""The table of names: what the tensors of somebody else's network are called in ours.

::

    prefixes: [module.]             # taken off the front of their names, in this order
    key: state_dict                 # where the tensors are in a checkpoint; left out: found
    ignore: ["loss.{what}"]         # theirs that ours has no use for
    names:
      convs.{i}.weight: body.blocks.{i}.edge.weight

A word in braces stands for one part of a name, between two dots. The first entry that fits a name counts, and a name
that none fits stays as it is.
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field

from ...bundle.errors import ConfigError
from ...bundle.strict import Strict, load_yaml, validate

__all__ = ["Names", "load_names"]

_WORD = re.compile(r"\{([A-Za-z_]\w*)\}")


class Names(Strict):
    """How names are mapped; empty: they are ours already."""

    prefixes: list[str] = Field([], description="taken off the front of their names, in this order")
    key: str | None = Field(None, description="where the tensors are in a checkpoint, joined by dots")
    ignore: list[str] = Field([], description="patterns of names that ours has no use for")
    names: dict[str, str] = Field({}, description="patterns of their names, and ours")

    def ours(self, name: str) -> str | None:
        """Return our name of a tensor; None if it is ignored.

        Examples
        --------
        >>> table = Names(prefixes=["module."], names={"convs.{i}.{what}": "body.blocks.{i}.edge.{what}"})
        >>> table.ours("module.convs.2.weight")
        'body.blocks.2.edge.weight'
        """
        for prefix in self.prefixes:
            name = name.removeprefix(prefix)
        if any(_compiled(pattern).fullmatch(name) for pattern in self.ignore):
            return None
        for pattern, target in self.names.items():
            if found := _compiled(pattern).fullmatch(name):
                return _WORD.sub(lambda word, found=found: found[word[1]], target)  # type: ignore[misc]
        return name


def load_names(model: str, folder: Path, given: str | None) -> Names:
    """Read a table: from a YAML file, or one that lies in the folder of the recipe, by its name.

    Raises
    ------
    ConfigError
        If there is no such table, or it doesn't hold what it should.
    """
    if given is None:
        return Names()
    path = Path(given)
    if path.suffix not in {".yaml", ".yml"}:
        path = folder / f"{given}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(table.stem for table in folder.glob("*.yaml"))) or "none"
            raise ConfigError(
                f"--names {given}: got no such table of {model}, expected a .yaml file or one of: {known}"
            )
    table = validate(Names, load_yaml(path), path.name)
    for pattern, target in [*table.names.items(), *((pattern, "") for pattern in table.ignore)]:
        unknown = sorted(set(_WORD.findall(target)) - set(_WORD.findall(pattern)))
        if unknown:
            raise ConfigError(f"{path.name}: {target!r} has {{{', '.join(unknown)}}}, which {pattern!r} hasn't")
    return table


def _compiled(pattern: str) -> re.Pattern[str]:
    """Turn a pattern into a regular expression; the same word twice stands for the same part."""
    parts, seen = [], set()
    for number, part in enumerate(_WORD.split(pattern)):
        if number % 2 == 0:
            parts.append(re.escape(part))
        else:
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>[^.]+)")
            seen.add(part)
    return re.compile("".join(parts))
