"""The tensors of a file that somebody else made: safetensors, or what ``torch.save`` wrote, without running anything.

A pickle may call any function. ``torch.load(weights_only=True)`` builds tensors and plain containers only and refuses
everything else before it is called; what it refuses is named here.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...bundle.errors import DataError
from ...bundle.reading import line, reading

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["read_state"]

#: Where trainings keep the state of the network in a checkpoint, the usual name first.
_USUAL = ("state_dict", "model_state_dict", "model")
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_STUMBLED = re.compile(r"WeightsUnpickler error:\s*([^\n]+)")
_DEPTH = 3


def read_state(path: Path, key: str | None = None) -> dict[str, Tensor]:
    """Read the named tensors of a file.

    Parameters
    ----------
    path
        A ``.safetensors`` file, or a ``state_dict`` that ``torch.save`` wrote, bare or inside of a checkpoint.
    key
        Where in a checkpoint, as names joined by dots; by default the only place with tensors, or the usual one.

    Raises
    ------
    DataError
        If there is no such file, it is damaged, asks for anything but tensors, or holds no state or several.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected .safetensors, or a state_dict that torch.save wrote")
    content = _safetensors(path) if path.suffix == ".safetensors" else _saved(path)
    state = _chosen(dict(_states(content)), key, path)
    others = [f"{name} ({type(value).__name__})" for name, value in state.items() if not _is_tensor(value)]
    if others:
        raise DataError(
            f"{path.name}: got {', '.join(others)} among the tensors, expected tensors only; save network.state_dict()"
        )
    return {name: tensor.detach() for name, tensor in state.items()}


def _safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    with reading(path.name, "a safetensors file"):
        return load_file(path)


def _saved(path: Path) -> Any:
    import torch

    _check_size(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    # A file that isn't what it should be makes the unpickler raise anything.
    except Exception as error:
        if found := _GLOBAL.search(str(error)):
            raise DataError(
                f"{path.name}: asks for {found[1]}; refused: a pickle may run any code. Whoever made it can save "
                "tensors only: torch.save(network.state_dict(), path)"
            ) from error
        raise DataError(
            f"{path.name}: not a file of tensors that torch.load(weights_only=True) reads, or damaged "
            f"({_reason(error)})"
        ) from error


def _reason(error: Exception) -> str:
    """Return what the unpickler stumbled over; torch puts it behind advice to load the file without any protection."""
    text = str(error)
    if found := _STUMBLED.search(text):
        return " ".join(found[1].split())[:200]
    return type(error).__name__ if "weights_only" in text else line(error)


def _check_size(path: Path) -> None:
    """Refuse an archive that grows when it is read: ``torch.save`` compresses nothing."""
    with reading(path.name, "a file that torch.save wrote"):
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            total = sum(entry.file_size for entry in archive.infolist())
    if total > path.stat().st_size:
        raise DataError(f"{path.name}: holds {total:,} bytes in {path.stat().st_size:,}; torch.save compresses nothing")


def _states(content: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give every mapping from names with a tensor in it, with its place."""
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        return
    if any(_is_tensor(value) for value in content.values()):
        yield ".".join(place), content
    elif len(place) < _DEPTH:
        for name, value in content.items():
            yield from _states(value, (*place, name))


def _chosen(states: Mapping[str, Mapping[str, Any]], key: str | None, path: Path) -> Mapping[str, Any]:
    usual = [name for name in _USUAL if name in states]
    chosen = key if key is not None else next(iter(states)) if len(states) == 1 else usual[0] if usual else None
    if chosen is not None and chosen in states:
        return states[chosen]
    found = ", ".join(name or "the whole file" for name in states) or "no named tensors"
    wanted = f"tensors under {key!r}" if key is not None else "one state_dict"
    raise DataError(f"{path.name}: got {found}, expected {wanted}; name the place by `key` in the table of names")


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)
