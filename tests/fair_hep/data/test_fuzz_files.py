"""Damaged files of every kind that is read: done, or one line of ours; never a traceback, the memory or the time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward
import h5py
import numpy as np
import pyarrow
import pytest
import uproot
from pyarrow import parquet

from fair_hep.bundle import Signature, TensorSpec
from fair_hep.bundle.columns import Columns
from fair_hep.bundle.errors import ProjectError
from fair_hep.bundle.readers import read_examples
from fair_hep.bundle.unpack import unpack
from fair_hep.data.blocks import Blocks
from fair_hep.data.delphes import Event, write_events
from fair_hep.data.toptag import Block, write_table
from fair_hep.jets.reader import open_table
from fair_hep.models.weights.state import read_state
from fair_hep.particleflow.reader import read_file
from fair_hep.study.relevances import Column, read_relevances, write_relevances
from support.fuzzing import clean, damaged, fuzz

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.slow,
    # What is damaged may look like anything to a library, which may warn of it.
    pytest.mark.filterwarnings("ignore"),
]

NAMES = ("E", "px", "py", "pz")
SPEC = TensorSpec(
    name="particles",
    axes=("jets", "constituents", "component"),
    dynamic=("jets", "constituents"),
    sizes={"component": 4},
    dtype="float32",
    meaning="",
    columns=NAMES,
    unit="GeV",
)
SCORES = TensorSpec(
    name="scores", axes=("jets", "class"), dynamic=("jets",), sizes={"class": 2}, dtype="float32", meaning=""
)
SIGNATURE = Signature(
    model="m", title="t", summary="s", version="1", inputs=[SPEC], outputs=[SCORES], features=SPEC, opset=20
)
MAP = Columns(elements={name: name for name in NAMES})
#: Constituents of some jets.
COUNTS = np.array([3, 0, 5])


def lists() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {name: random.exponential(size=int(COUNTS.sum())) + 1 for name in NAMES}


def write_root(path: Path) -> None:
    with uproot.recreate(path) as file:
        file.mktree("events", dict.fromkeys(NAMES, "var * float64")).extend(
            {name: awkward.unflatten(values, COUNTS) for name, values in lists().items()}
        )


def write_rntuple(path: Path) -> None:
    with uproot.recreate(path) as file:
        file.mkrntuple("events", {name: awkward.unflatten(values, COUNTS) for name, values in lists().items()})


def write_parquet(path: Path) -> None:
    ragged = {name: awkward.unflatten(values, COUNTS).to_list() for name, values in lists().items()}
    parquet.write_table(pyarrow.table(ragged), path)


def padded() -> np.ndarray:
    array = np.zeros((len(COUNTS), int(COUNTS.max()), 4), np.float32)
    for number, values in enumerate(lists().values()):
        array[..., number][np.arange(array.shape[1]) < COUNTS[:, None]] = values
    return array


def write_npz(path: Path) -> None:
    array = padded()
    columns: dict[str, Any] = {name: array[..., number] for number, name in enumerate(NAMES)}
    np.savez_compressed(path, particles=array, **columns)


def write_padded(path: Path) -> None:
    array = padded()
    with h5py.File(path, "w", libver="earliest") as file:
        for number, name in enumerate(NAMES):
            file.create_dataset(name, data=array[..., number], compression="gzip")


def write_vlen(path: Path) -> None:
    with h5py.File(path, "w", libver="earliest") as file:
        for name in NAMES:
            data = file.create_dataset(name, (len(COUNTS),), h5py.vlen_dtype(np.float64))
            for row, values in enumerate(np.split(lists()[name], np.cumsum(COUNTS)[:-1])):
                data[row] = values


def read_columns(path: Path) -> None:
    """Read a file by its own names, where they are known, and by a map; say what is wrong with the first."""
    wrong: list[ProjectError] = []
    for columns in (None, MAP):
        try:
            if columns is not None or path.suffix != ".h5":
                list(read_examples(path, SIGNATURE, 2, columns=columns))
        except ProjectError as error:
            wrong.append(error)
    if wrong:
        raise wrong[0]


def write_jets(path: Path) -> None:
    particles = np.zeros((3, 200, 4), np.float32)
    particles[:, :5] = np.random.default_rng(0).exponential(size=(3, 5, 4)) + 1
    write_table(path, [Block(particles, np.zeros((3, 4), np.float32), np.array([0, 1, 0]), 0)])


def read_jets(path: Path) -> None:
    with open_table(path) as table:
        list(table.chunks(2))


def write_particle_flow(path: Path) -> None:
    elements, particles = np.ones((4, 12)), np.ones((4, 7))
    elements[:, 3:5] = particles[:, 3:5] = np.sqrt(0.5)
    write_events(path, [Event(elements, particles, particles)] * 2)


def read_particle_flow(path: Path) -> None:
    read_file(path)


def write_relevance(path: Path) -> None:
    part = {"example/elements": COUNTS, "element/relevance": np.ones((int(COUNTS.sum()), 4), np.float32)}
    layout = {"example/elements": Column("[n]"), "element/relevance": Column("[n, 4]", "example/elements")}
    write_relevances(path.parent, Blocks("key", 1, lambda numbers: [part]), layout, {}).rename(path)


def read_relevance(path: Path) -> None:
    list(read_relevances(path))


def write_weights(path: Path) -> None:
    import torch

    torch.save({"state_dict": {"a.weight": torch.ones(3, 4), "a.bias": torch.zeros(3)}, "epoch": 3}, path)


def write_safetensors(path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"a.weight": torch.ones(3, 4), "a.bias": torch.zeros(3)}, path)


def read_weights(path: Path) -> None:
    read_state(path)


def write_zip(path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.txt", "b/c.txt"):
            archive.writestr(f"bundle/{name}", b"some text, " * 20)


def read_zip(path: Path) -> None:
    import shutil

    target = path.parent / "unpacked"
    shutil.rmtree(target, ignore_errors=True)
    before = sorted(path.parent.iterdir())
    try:
        unpack(path, target)
    finally:
        assert sorted(entry for entry in path.parent.iterdir() if entry != target) == before, "something lies elsewhere"


TARGETS: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], None], int]] = {
    "ttree": ("jets.root", write_root, read_columns, 30),
    "rntuple": ("jets.root", write_rntuple, read_columns, 40),
    "parquet": ("jets.parquet", write_parquet, read_columns, 100),
    "npz": ("jets.npz", write_npz, read_columns, 100),
    "padded": ("jets.h5", write_padded, read_columns, 100),
    "vlen": ("jets.h5", write_vlen, read_columns, 100),
    "toptag": ("jets.h5", write_jets, read_jets, 40),
    "delphes": ("events.pkl.bz2", write_particle_flow, read_particle_flow, 100),
    "relevances": ("relevances.h5", write_relevance, read_relevance, 100),
    "pt": ("weights.pt", write_weights, read_weights, 100),
    "safetensors": ("weights.safetensors", write_safetensors, read_weights, 100),
    "zip": ("model.zip", write_zip, read_zip, 100),
}


@pytest.mark.parametrize("target", TARGETS)
def test_a_damaged_file_is_read_or_refused_in_one_line(target: str, tmp_path: Path) -> None:
    name, write, read, examples = TARGETS[target]
    path = tmp_path / name
    write(path)
    read(path)
    content = path.read_bytes()

    def check(data: bytes) -> None:
        path.write_bytes(data)
        with clean():
            read(path)

    fuzz(target, check, damaged(content), examples)
