"""The guide "publish your model in a day" is run from its first command to its last, in one shell.

Zenodo's sandbox is the stand-in of the project's own tests, so nothing is left out: the model gets a DOI and is
loaded by it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support import deposits, zenodo
from support.documents import blocks, script, variables
from support.installed import Environment
from support.template import ROOT, Bake, attempt

GUIDE = ROOT / "docs" / "how-tos" / "publish-your-model.md"
SLUG = "jet_transformer"
ANSWERS = {"model": "custom", "project_name": "Jet transformer", "author": "Lovelace, Ada"}
#: The commands run, only shorter.
SHORT = {
    "blocks: 2}": "blocks: 1}",
    "epochs: 10": "epochs: 1, limit: 300",
    "size: 100}": "size: 20, options: {trust: 8}}\nexport: {examples: 8}\nevaluate: {limit: 300}",
}


def shown(name: str) -> str:
    """Return a file as the guide writes it."""
    found = re.search(rf"cat > \S*{re.escape(name)} <<'END'\n(.*?)^END$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


def from_first_class(source: str) -> str:
    return source[source.index("class Hyperparameters") :]


def test_the_readme_leads_to_the_guide() -> None:
    assert f"({GUIDE.relative_to(ROOT).as_posix()})" in (ROOT / "README.md").read_text()


def test_only_what_needs_zenodo_needs_a_network() -> None:
    found = blocks(GUIDE.read_text())
    assert {block.language for block in found} == {"bash", "python"}
    assert [block.language for block in found if block.note == "needs-network"] == ["bash", "python"]
    assert {block.note for block in found} == {"", "needs-network"}


def test_the_network_is_the_one_that_the_projects_tests_explain() -> None:
    tests = ROOT / "tests" / "support" / "particle_transformer.py"
    before, after = re.findall(r"s/(held = .*?)/(held = .*)/' \\", GUIDE.read_text())[0]
    first = shown("network.py")
    assert first.count(before) == 1
    assert from_first_class(first.replace(before, after)) == from_first_class(tests.read_text())


@pytest.mark.slow
def test_every_command_of_the_guide(bake: Bake, clone: Path, environment: Environment, tmp_path: Path) -> None:
    project = bake(**ANSWERS)
    assert project.name == SLUG
    environment.stamp(project)
    environment.add_command(SLUG)
    text = (
        GUIDE.read_text()
        .replace(" needs-network\n", "\n")
        .replace("ZENODO_TOKEN=...", f"ZENODO_TOKEN={deposits.TOKEN}")
    )
    for long, short in SHORT.items():
        assert text.count(long) == 1, long
        text = text.replace(long, short)
    with zenodo.Zenodo(tmp_path) as standin:
        deposits.add_deposits(standin)
        env = {**variables(environment, clone), **standin.environment}
        done = attempt("bash", "-c", script(blocks(text)), cwd=tmp_path, env=env, stdin="y\n")
        said = f"{done.stdout}{done.stderr}"
        assert done.returncode == 0, said[-9000:]
        published = [record for record in standin.records.values() if record.files]
    assert len(published) == 1
    # The first check finds what the guide tells, by name and with what to do; the second finds nothing.
    assert said.count("not yet") == 1
    failed = [line for line in said.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1, failed
    assert "rule_for_every_module" in failed[0]
    assert "seen: 'blocks.0.attention.weights' (Weights): the call matmul escapes the rules" in said
    assert "a class attribute `held`" in said
    assert re.search(r"^(\d+) of \1 checks passed$", done.stdout, re.MULTILINE)
    made = tmp_path / SLUG
    assert f"10.5072/zenodo.{published[0].number}" in (made / "project.yaml").read_text()
    assert (made / "bundle" / "model_explained.onnx").is_file()
    assert (made / "explained.csv").is_file()
    assert f"doi = {{10.5072/zenodo.{published[0].number}}}" in done.stdout
