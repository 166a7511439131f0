"""One explanation as a picture: what is drawn is what was explained, and no training framework is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from fair_hep import bundle
from fair_hep.bundle.errors import DataError
from fair_hep.bundle.plot import directions, plot
from fair_hep.bundle.runtime import load
from fair_hep.bundle.symbols import formula
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.small import environment

Bundled = tuple[Project, Config]
Explained = tuple[bundle.Signature, np.ndarray, dict[str, np.ndarray]]


@pytest.fixture(scope="module")
def explained(bundled: Bundled) -> Explained:
    """A padded example of the bundle, and why it is answered as it is."""
    model = load(bundled[0].bundle, threads=1)
    name = model.signature.inputs[0].name
    example = bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")[name][0]
    return model.signature, example, model.explain(example)[0]


def test_the_picture_shows_every_element_and_its_relevance(explained: Explained, tmp_path: Path) -> None:
    signature, example, found = explained
    real = (example != 0).any(1)
    picture = plot(signature, example, found, top=7)
    left, right = picture.axes[:2]
    points: Any = next(drawn for drawn in left.collections if isinstance(drawn, PathCollection))
    assert len(points.get_offsets()) == real.sum()
    assert np.allclose(np.sort(np.asarray(points.get_array())), np.sort(found["relevance"][real].sum(1)), atol=1e-6)
    order = np.argsort(-np.abs(found["relevance"]).sum(1), kind="stable")[:7]
    assert np.allclose(np.asarray(right.images[0].get_array()), found["relevance"][order], atol=1e-6)
    assert [label.get_text() for label in right.get_yticklabels()] == [str(number) for number in order]
    assert [label.get_text() for label in right.get_xticklabels()] == [
        formula(name) for name in signature.relevant.columns
    ]
    low, high = right.images[0].get_clim()
    assert low == -high
    picture.savefig(tmp_path / "why.png")
    assert (tmp_path / "why.png").stat().st_size > 10_000


def test_padding_in_the_middle_keeps_the_numbers_of_elements(explained: Explained) -> None:
    signature, example, found = explained
    moved = np.concatenate([np.zeros_like(example[:3]), example])
    edges = {name: values for name, values in found.items() if name.startswith("edge")}
    moves = {name: values + 3 * (values >= 0) for name, values in edges.items() if name.endswith("_index")}
    later = {
        name: np.concatenate([np.zeros_like(values[:3]), values])
        for name, values in {"relevance": found["relevance"], **edges, **moves}.items()
    }
    labels = [
        [label.get_text() for label in plot(signature, values, explanation).axes[1].get_yticklabels()]
        for values, explanation in ((example, found), (moved, {**found, **later}))
    ]
    assert [int(label) + 3 for label in labels[0]] == [int(label) for label in labels[1]]


def test_edges_of_other_elements_are_refused_in_one_line(explained: Explained) -> None:
    signature, example, found = explained
    count = len(found["relevance"]) - 1
    fewer = {**found, "edge9_index": np.zeros((count, 3), np.int64), "edge9_share": np.zeros((count, 3))}
    with pytest.raises(DataError, match="plot: got edges of") as caught:
        plot(signature, example, fewer)
    assert "\n" not in str(caught.value)


def test_without_directions_only_features_are_drawn(explained: Explained) -> None:
    signature, example, found = explained
    spec = signature.inputs[0].model_copy(update={"columns": [f"x{n}" for n in range(example.shape[1])]})
    picture = plot(signature.model_copy(update={"inputs": [spec]}), example, found)
    assert len(picture.axes) == 2, "one panel and its scale"


def test_directions_are_those_of_the_momenta(explained: Explained) -> None:
    eta, phi = np.array([0.5, -1.0, 2.0]), np.array([3.1, -3.1, 3.0])
    spec = explained[0].inputs[0]
    named = {
        ("px", "py", "pz"): np.stack([np.cos(phi), np.sin(phi), np.sinh(eta)], 1) * 7,
        ("eta", "phi"): np.stack([eta, phi], 1),
        ("eta", "sin_phi", "cos_phi"): np.stack([eta, np.sin(phi), np.cos(phi)], 1),
    }
    for columns, values in named.items():
        found = directions(spec.model_copy(update={"columns": list(columns)}), values)
        assert found is not None
        assert np.allclose(found[0], eta)
        assert np.allclose(np.cos(found[1] - phi), 1)
        assert np.ptp(found[1]) < 1, "a narrow jet is one jet, also where the angle starts anew"


@pytest.mark.parametrize("wrong", ["shorter", "empty", "features"])
def test_what_does_not_belong_together_is_refused(explained: Explained, wrong: str) -> None:
    signature, example, found = explained
    if wrong == "shorter":
        example = example[:-1]
    elif wrong == "empty":
        example = np.zeros_like(example)
    else:
        found = {**found, "relevance": found["relevance"][:, :-1]}
    with pytest.raises(DataError, match=r"^plot: got "):
        plot(signature, example, found)


def test_plotting_imports_no_training_framework(bundled: Bundled) -> None:
    code = """
import sys
import numpy as np
from fair_hep import load, plot
assert "matplotlib" not in sys.modules
model = load("bundle")
example = np.load("bundle/examples/inputs.npz")[model.signature.inputs[0].name][0]
plot(model.signature, example, model.explain(example)[0]).savefig("why.png")
heavy = {"torch", "lightning", "mlflow", "mplhep", "pandas", "scipy", "onnx", "matplotlib.pyplot"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=bundled[0].root, env=environment(bundled[0]), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    (bundled[0].root / "why.png").unlink()
