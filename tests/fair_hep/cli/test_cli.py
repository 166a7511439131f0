"""The command line: results on standard output, logs on standard error, exit codes for scripts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fair_hep.bundle.errors import ConfigError
from fair_hep.cli.common import output_is_log, start
from fair_hep.cli.project import command
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.published import copy
from support.small import call, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(tmp_path_factory.mktemp("cli"))


@pytest.mark.slow
def test_json_is_all_that_standard_output_holds(project: Project) -> None:
    done = call(project, "data", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result["splits"]) == {"train", "val", "test"}
    assert json.loads(call(project, "data", "--json").stdout) == result


def test_what_compiled_libraries_print_is_log(capfd: pytest.CaptureFixture[str]) -> None:
    """FastJet's banner comes from C++, past Python's standard output."""
    import ctypes

    with output_is_log():
        ctypes.CDLL(None).puts(b"banner")
        print("log")
    print("result")
    output, log = capfd.readouterr()
    assert output == "result\n"
    assert "banner" in log
    assert "log" in log


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["evaluate"], 1, "run `train` first"),
        (["train", "train.epoch=3"], 1, "did you mean 'train.epochs'"),
        (["data", "--config", "none.yaml"], 1, "no such file"),
        (["data", "data.source=folder"], 1, "data.folder"),
        (["verify"], 1, "export"),
        (["no-such-verb"], 2, "No such command"),
        (["predict"], 2, "Missing"),
        (["predict", "none.npz"], 1, "none.npz: no such file"),
    ],
)
def test_mistakes_end_in_one_line_and_an_exit_code(
    project: Project, arguments: list[str], code: int, words: str
) -> None:
    done = call(project, *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_help_starts_without_heavy_libraries(project: Project) -> None:
    import subprocess
    import sys

    from support.small import environment

    code = "import sys, fair_hep.cli.project as c; c.command.main(['--help'], standalone_mode=False); " + (
        "print([m for m in ('torch', 'mlflow', 'lightning', 'matplotlib', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(project), capture_output=True, text=True, check=True
    )
    assert "evaluate" in done.stdout
    assert done.stdout.rstrip().endswith("[]")


def test_outside_a_project_the_line_says_so(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    from support.small import SOURCE

    env = {key: value for key, value in os.environ.items() if key != "FAIR_HEP_PROJECT"}
    done = subprocess.run(
        [sys.executable, "-m", "fair_hep.cli", "data"],
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no project.yaml" in done.stderr


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("torch", "error: torch isn't installed: in a project `make install` brings them"),
        ("sklearn.metrics", "error: sklearn isn't installed"),
    ],
)
def test_a_library_of_an_extra_that_is_not_installed_is_one_line(
    module: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def verb() -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    with pytest.raises(SystemExit) as ended:
        start(verb, [])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(words)


def test_a_misspelt_import_keeps_its_traceback() -> None:
    @click.command()
    def verb() -> None:
        raise ModuleNotFoundError("No module named 'nunpy'", name="nunpy")

    with pytest.raises(ModuleNotFoundError):
        start(verb, [])


def test_the_noise_of_libraries_goes_into_a_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ctypes
    import sys
    import warnings

    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: print(message, file=sys.stderr))
    file = tmp_path / "logs" / "train.log"
    library, recipe = (str(tmp_path / "site-packages" / "torchy" / "a.py"), str(tmp_path / "top_tagger" / "network.py"))
    for expected in (1, 1):  # a second call begins the file anew
        with output_is_log(file), warnings.catch_warnings():
            warnings.simplefilter("always")
            ctypes.CDLL(None).puts(b"banner")
            print("of a recipe")
            warnings.warn_explicit("out of date", DeprecationWarning, library, 1)
            warnings.warn_explicit("too few jets", UserWarning, recipe, 1)
        written = file.read_text()
        assert written.count("banner") == written.count("out of date") == expected
    output, log = capfd.readouterr()
    assert not output
    assert "of a recipe" in log
    assert "too few jets" in log
    assert "banner" not in log
    assert "out of date" not in log


def test_a_process_that_helps_adds_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "train.log"
    file.write_text("of the leader\n")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with output_is_log(file):
        pass
    assert file.read_text() == "of the leader\n"


def test_the_version_is_that_of_project_and_library(project: Project) -> None:
    import fair_hep

    assert call(project, "--version").stdout == f"{project.slug} 0.1.0 (fair-hep {fair_hep.__version__})\n"


def test_a_command_takes_another_bundle_of_the_project(
    bundled: tuple[Project, Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    other = tmp_path / "elsewhere" / "another bundle"
    shutil.copytree(project.bundle, other)
    shutil.rmtree(project.bundle)
    monkeypatch.setenv("FAIR_HEP_PROJECT", str(project.root))
    scores = tmp_path / "scores.csv"

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(command, [*arguments, "--bundle", str(other)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    run("predict", str(other / "examples" / "inputs.npz"), "--output", str(scores))
    assert len(scores.read_text().splitlines()) == 1 + 12
    assert "files have their checksums" in run("verify")
    run("report")
    assert (project.root / "report" / "index.html").is_file()
    served: list[Path] = []
    monkeypatch.setattr("fair_hep.project.serve.serve", lambda folder, **_: served.append(folder))
    run("serve")
    assert served == [other.resolve()]
    assert not project.bundle.exists(), "the project's own bundle is nobody's to make"


@pytest.mark.parametrize(
    ("model", "words"), [(None, "there is no bundle"), ("mlpf", "holds 'mlpf', and this project has ")]
)
def test_a_bundle_that_is_none_or_of_another_network_is_one_line(
    bundled: tuple[Project, Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str | None, words: str
) -> None:
    monkeypatch.setenv("FAIR_HEP_PROJECT", str(bundled[0].root))
    if model:
        signature = json.loads((bundled[0].bundle / "signature.json").read_text())
        (tmp_path / "signature.json").write_text(json.dumps({**signature, "model": model}))
    with pytest.raises(ConfigError, match=words):
        CliRunner().invoke(command, ["verify", "--bundle", str(tmp_path)], catch_exceptions=False)
