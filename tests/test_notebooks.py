"""The notebooks run from top to bottom on small results, and the decision moves as they say."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from fakes import write_beir, write_experiment

from harness import cli

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"

QUERIES = 40
WORDS = 3
REPEATED = 10
"""Documents of 30 tokens, so that vectors of 64 dimensions take 7,688 bytes in float32."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results of an experiment named as the notebooks expect.

    The dense encoder has 2 dimensions and tells little; 64 dimensions a word tell the documents
    apart. Late interaction needs 7.7 GB of index per million documents, of which 4 are allowed.
    """
    folder = tmp_path_factory.mktemp("notebooks")
    words = [[f"w{i * WORDS + j}" for j in range(WORDS)] for i in range(QUERIES)]
    docs = {f"d{i}": " ".join(row * REPEATED) for i, row in enumerate(words)}
    queries = {f"q{i}": " ".join(row) for i, row in enumerate(words)}
    qrels = {f"q{i}": {f"d{i}": 1} for i in range(QUERIES)}
    write_beir(folder / "data", docs, queries, qrels)
    dense = {"use": "dense", "encoder": {"use": "fakes:HashingEncoder", "dim": 2}}
    encoder = {"use": "fakes:HashingTokenEncoder", "dim": 64}
    file = write_experiment(
        folder,
        systems=[
            {"name": "dense", "retriever": dense},
            {
                "name": "late",
                "retriever": dense,
                "reranker": {"use": "late_interaction", "encoder": encoder},
                "vary": {"reranker.dim": [64, 4]},
            },
        ],
        decision={
            "requirements": {"gb_per_million_documents": 4},
            "workload": {"documents": 1000, "queries_per_day": 100, "candidates": 10},
        },
    ).rename(folder / "quickstart.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert cli.main(["run", str(file)]) == 0
    return folder


def executed(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """What the notebook leaves behind, and as `printed` what it printed."""
    monkeypatch.chdir(folder)
    mpl.use("Agg")
    names: dict[str, Any] = {}
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for cell in cells:
            if cell["cell_type"] == "code":
                assert not cell["outputs"], "outputs are not committed"
                exec("".join(cell["source"]), names)
    return {**names, "printed": printed.getvalue()}


def test_every_notebook_is_executed_here() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == {"explore", "decide"}


def test_explore(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = executed("explore", results, monkeypatch)
    assert found["curve"]["dim"].tolist() == [64, 4]
    assert found["changes"].shape == (QUERIES, 2)
    assert found["printed"].startswith("Does an oracle help?\n")


def test_decide_flips_when_the_storage_requirement_is_loosened(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = executed("decide", results, monkeypatch)
    assert "before: Keep dense.\nafter:  Adopt late[dim=64].\n" in found["printed"]
    before, after = found["before"], found["after"]
    assert before.flips[0].startswith("Adopt late[dim=64] if 7.69 GB of index")
    assert (before.answer, after.answer) == ("keep", "adopt")
