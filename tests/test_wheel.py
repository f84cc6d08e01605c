"""The package as it is installed, without the checkout: from another folder it does all its work."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from commands import ROOT
from fakes import write_beir

EXPERIMENT = """\
question: Does it work where it was installed?
datasets: [{use: files, path: data}]
systems:
  - {name: bm25, retriever: {use: bm25}}
  - {name: more, retriever: {use: bm25, k1: 0.5}}
baseline: bm25
metrics: [ndcg@3]
depth: {retrieve: 3, rerank: 3}
gate: [{metric: ndcg@3, margin: 0.01}]
"""
COMMANDS = (
    *("run e.yaml", "report e.yaml"),
    *("gate e.yaml --accept --reason first --baselines b", "gate e.yaml --baselines b"),
)

ALL = "import sys; from harness.cli.commands import main; print([main(line.split()) for line in sys.argv[1:]])"
"""In one process, which imports everything once."""


def run(words: list[str], folder: Path) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=folder, env={})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of a copy, so that nothing is left here, and nothing built earlier is in it."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "harness", source / "harness", ignore=ignored)
    build = ["-m", "pip", "wheel", "--quiet", "--no-index", "--no-build-isolation", "--no-deps"]
    run([sys.executable, *build, "--wheel-dir", "wheels", "."], source)
    (found,) = (source / "wheels").iterdir()
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A Python that has the wheel, and beside it what this one has but the checkout."""
    place = wheel.parents[1] / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", str(place)], wheel.parent)
    python = place / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-compile",
    ]
    run([*pip, "--no-index", "--no-deps", str(wheel)], wheel.parent)
    (site,) = place.glob("lib/*/site-packages")
    # A line in a .pth file adds the folder, and not what its own .pth files say of the checkout.
    (site / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_all_files_are_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        inside = {name for name in packed.namelist() if name.startswith("harness/")}
    here = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "harness").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert inside == here


def test_it_works_from_another_folder(installed: Path, tmp_path: Path) -> None:
    where = "import harness, harness.training.make; print(harness.__file__)"
    found = Path(run([str(installed), "-c", where], tmp_path).strip())
    assert found.is_relative_to(installed.parents[1])
    write_beir(tmp_path / "data")
    (tmp_path / "e.yaml").write_text(EXPERIMENT)
    assert "2 of 2 trials to do" in run(
        [str(installed), "-m", "harness", "plan", "e.yaml"], tmp_path
    )
    said = run([str(installed), "-c", ALL, *COMMANDS], tmp_path)
    assert "Gate e: pass" in said
    assert said.endswith("[0, 0, 0, 0]\n")
    assert (tmp_path / "results" / "e" / "report.html").exists()
