"""What a card gives to copy runs: the program for ONNX Runtime, of bundles of every kind, without anything of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fair_hep import bundle
from fair_hep.bundle.stored import RELEVANCE, Stored
from fair_hep.describe.onnx_program import onnx_program
from support.kept import ARCHIVES, unpacked

#: Behind the program: what it found goes to a file, and nothing of ours may have been imported.
KEEP = """
import sys
assert not {"fair_hep", "torch", "onnx"} & set(sys.modules)
np.savez(sys.argv[1], **outputs, **({"relevance": found["relevance"], "explained": explained, "account": account}
                                    if "found" in globals() else {}))
"""


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name.partition(".")[0])
def test_the_program_gives_the_stored_answers_with_onnx_runtime_alone(archive: Path, tmp_path: Path) -> None:
    folder = unpacked(archive, tmp_path)
    signature = bundle.read_signature(folder)
    program = onnx_program(signature)
    run = [sys.executable, "-I", "-c", program + KEEP, str(tmp_path / "found.npz")]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    bundle.check_files(folder)  # nothing was left in the bundle

    found, stored = dict(np.load(tmp_path / "found.npz")), Stored.read(folder)
    for spec in signature.outputs:
        wanted = stored.answers[spec.name][: len(found[spec.name])]
        np.testing.assert_allclose(found[spec.name], wanted, rtol=1e-4, atol=1e-4)
    assert (RELEVANCE in found) == signature.explainable
    if signature.explainable:
        wanted = stored.answers[RELEVANCE][: len(found[RELEVANCE])]
        assert np.abs(found[RELEVANCE] - wanted).max() < 1e-3 * np.abs(wanted).max()
        np.testing.assert_allclose(found["account"], found["explained"], rtol=1e-4)


def test_it_takes_examples_of_different_lengths(tmp_path: Path) -> None:
    (archive,) = (path for path in ARCHIVES if path.name == "particlenet.tar.xz")
    folder = unpacked(archive, tmp_path)
    own = 'stored = {"particles": [values[:7], values[:19]]}\n'
    program = onnx_program(bundle.read_signature(folder)).replace(
        'stored = np.load("examples/inputs.npz")\n',
        f'values = np.load("examples/inputs.npz")["particles"][0]\n{own}',
    )
    assert own in program
    run = [sys.executable, "-I", "-c", program + KEEP, str(tmp_path / "found.npz")]
    subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True)
    values = np.load(folder / "examples" / "inputs.npz")["particles"][0]
    from fair_hep import load

    expected = load(folder, threads=1).predict([values[:7], values[:19]])
    np.testing.assert_allclose(np.load(tmp_path / "found.npz")["logits"], expected["logits"], atol=1e-5)
