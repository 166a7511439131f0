"""A third-party graph: a checked copy that is whole in one file, and what it says of its own inputs and outputs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ...bundle import TensorSpec
from ...bundle.errors import BundleError, ConfigError
from ...tracing.sums import losing
from .about import Notes

if TYPE_CHECKING:
    import onnx
    import onnxruntime

__all__ = ["EXAMPLES", "LIMIT", "copy_graph", "described", "opset"]

#: What the first axis is called where the graph doesn't say.
EXAMPLES = "examples"
#: The largest file that the format allows, in bytes.
LIMIT = 2**31 - 1
#: ONNX Runtime's words for the types that NumPy has too.
_TYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16", "tensor(bool)": "bool",
    **{f"tensor({kind}{bits})": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
}  # fmt: skip


def copy_graph(source: Path, target: Path) -> None:
    """Check a graph and copy it; tensors that lie in files beside it are put into the copy, else it is the same bytes.

    Raises
    ------
    BundleError
        If it is no ONNX model, damaged or too large, names a file outside of its own folder, or has sums of which
        ONNX Runtime's threads may lose terms.
    """
    import onnx

    if not source.is_file():
        raise BundleError(f"{source}: no such file; expected an ONNX model")
    if source.stat().st_size > LIMIT:
        raise BundleError(f"{source.name}: got {source.stat().st_size:,} bytes, expected at most {LIMIT:,}")
    try:
        model = onnx.load(source, load_external_data=False)
        if not model.graph.node:
            raise BundleError(f"{source.name}: got a graph without any operator, expected an ONNX model")
        if lost := losing(model):
            raise BundleError(
                f"{source.name}: adds up in ScatterND ({lost[0]}), and ONNX Runtime's threads may lose terms of such "
                "sums; whoever has the source can export it with scatter_add in the place of index_add"
            )
        outside = [tensor for tensor in _tensors(model) if tensor.data_location == onnx.TensorProto.EXTERNAL]
        total = sum(_checked(tensor, source) for tensor in outside)
        if total > LIMIT:
            raise BundleError(f"{source.name}: got {total:,} bytes of tensors beside it, expected at most {LIMIT:,}")
        if not outside:
            onnx.checker.check_model(str(source))
            shutil.copyfile(source, target)
            return
        onnx.external_data_helper.load_external_data_for_model(model, str(source.parent))
        onnx.checker.check_model(model)
        onnx.save(model, target)
    except BundleError:
        raise
    except Exception as error:  # protobuf and the checker have errors of their own
        line = " ".join(str(error).split())[:200] or type(error).__name__
        raise BundleError(f"{source.name}: not an ONNX model that onnx.checker accepts: {line}") from error


def _checked(tensor: onnx.TensorProto, source: Path) -> int:
    """Return the bytes of a tensor that lies in another file, which must be a plain one in the graph's own folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    place = PurePosixPath(location)
    path = source.parent / location
    plain = location and not place.is_absolute() and ".." not in place.parts and "\\" not in location
    if not plain or not path.resolve().is_relative_to(source.parent.resolve()) or path.is_symlink():
        raise BundleError(
            f"{source.name}: tensor {tensor.name!r} lies in {location!r}, outside of its folder; refused: save the "
            "model in one file, onnx.save(model, path, save_as_external_data=False)"
        )
    if not path.is_file():
        raise BundleError(f"{source.name}: tensor {tensor.name!r} lies in {location!r}, which is missing beside it")
    size = path.stat().st_size
    return min(size, max(0, int(entries.get("length", size))))


def _tensors(value: Any) -> Iterator[onnx.TensorProto]:
    """Give every tensor anywhere in a message: initialisers, constants, inner graphs, functions."""
    import onnx

    if isinstance(value, onnx.TensorProto):
        yield value
        return
    for field, inner in value.ListFields():
        if field.message_type is not None:
            for one in [inner] if hasattr(inner, "ListFields") else inner:
                yield from _tensors(one)


def opset(path: Path) -> int:
    """Return the version of the standard operators that a graph uses; 0 if it uses none of them."""
    import onnx

    sets = onnx.load(path, load_external_data=False).opset_import
    return max((one.version for one in sets if one.domain in {"", "ai.onnx"}), default=0)


def described(
    values: Sequence[onnxruntime.NodeArg],
    notes: Mapping[str, Notes],
    *,
    first: str | None = None,
    ranks: Mapping[str, int] | None = None,
) -> list[TensorSpec]:
    """Return what the graph says of its inputs or outputs, and what the user knows of them.

    Parameters
    ----------
    values
        As ONNX Runtime describes them.
    notes
        What the user knows, by name.
    first
        Name of the first axis; by default what the notes say, or what the graph calls it where it has one name for all.
    ranks
        Numbers of axes that were found where the graph doesn't say.

    Raises
    ------
    BundleError
        If one isn't a tensor of numbers, or its first axis can't count examples.
    ConfigError
        If the notes don't fit.
    """
    names = [value.name for value in values]
    if unknown := sorted(set(notes) - set(names)):
        raise ConfigError(f"--about: got {', '.join(unknown)}, expected names of the graph: {', '.join(names)}")
    first = first or _first(values, notes)
    return [_tensor(value, notes.get(value.name, Notes()), first, (ranks or {}).get(value.name)) for value in values]


def _first(values: Sequence[onnxruntime.NodeArg], notes: Mapping[str, Notes]) -> str:
    """Name the axis that counts the examples."""
    names = {one.axes[0] for one in notes.values() if one.axes}
    if len(names) > 1:
        raise ConfigError(
            f"--about: the first axis is called {' and '.join(sorted(names))}; it counts the same examples"
        )
    known = names or {value.shape[0] for value in values if value.shape}
    name = known.pop() if len(known) == 1 else None
    return name if isinstance(name, str) and name else EXAMPLES


def _tensor(value: onnxruntime.NodeArg, notes: Notes, first: str, rank: int | None) -> TensorSpec:
    if value.type not in _TYPES:
        raise BundleError(f"{value.name}: got {value.type}, expected a tensor of numbers: one of {', '.join(_TYPES)}")
    shape = list(value.shape) if value.shape is not None else []
    if rank is not None and len(shape) != rank:
        shape = [None] * rank
    if not shape:
        raise BundleError(f"{value.name}: got a single value, expected a first axis that counts the examples")
    if isinstance(shape[0], int) and shape[0] != 1:
        raise BundleError(
            f"{value.name}: its first axis has {shape[0]} entries always, expected one of any length that counts the "
            "examples: export the model with a dynamic first axis"
        )
    axes = notes.axes or _axes(value.name, shape, first)
    if len(axes) != len(shape) or len(set(axes)) != len(axes) or axes[0] != first:
        raise ConfigError(
            f"--about: {value.name} has {len(shape)} axes, the first of which is called {first}; got {', '.join(axes)}"
        )
    sizes = {axis: size for axis, size in zip(axes, shape, strict=True) if isinstance(size, int)}
    width = sizes.get(axes[-1])
    if notes.columns and (len(axes) < 2 or len(notes.columns) != width):
        raise ConfigError(f"--about: {value.name} has {width or 'any number of'} entries along its last axis, got "
                          f"{len(notes.columns)} columns")  # fmt: skip
    if unknown := sorted(set(notes.units) - set(notes.columns)):
        raise ConfigError(f"--about: {value.name} has units of {', '.join(unknown)}, which are no columns of it")
    return TensorSpec(
        name=value.name,
        axes=axes,
        dynamic=[axis for axis in axes if axis not in sizes],
        sizes=sizes,
        dtype=_TYPES[value.type],
        meaning=notes.meaning,
        columns=notes.columns,
        unit=notes.unit,
        units=notes.units,
        range=notes.range,
    )


def _axes(name: str, shape: Sequence[int | str | None], first: str) -> list[str]:
    """Name axes as the graph does, if it has a name for each of them."""
    plain = [f"{name}_{number}" for number in range(1, len(shape))]
    named = [size if isinstance(size, str) and size else own for size, own in zip(shape[1:], plain, strict=True)]
    return [first, *(named if len({first, *named}) == len(shape) else plain)]
