"""The notebooks run from top to bottom."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import pytest
from fakes import write_beir, write_experiment

from harness import cli

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_beir(tmp_path / "data")
    dense = {"use": "dense", "encoder": {"use": "fakes:HashingEncoder"}}
    late = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}}
    file = write_experiment(
        tmp_path,
        systems=[
            {"name": "dense", "retriever": dense},
            {"name": "late", "retriever": dense, "reranker": late},
        ],
    ).rename(tmp_path / "quickstart.yaml")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", str(file)]) == 0
    mpl.use("Agg")
    names: dict[str, object] = {}
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            assert not cell["outputs"], "outputs are not committed"
            exec("".join(cell["source"]), names)
    assert "analysis" in names
