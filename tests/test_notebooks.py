"""The notebooks run from top to bottom on the quickstart's systems and terms, and on less."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import yaml
from fakes import write_beir, write_experiment

from harness.cli import commands

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"

QUERIES = 40
WORDS = 3
REPEATED = 80
"""Documents of 240 tokens: 30.7 GB per million documents at 128 dimensions in int8, of which the
quickstart allows 30."""

TOKENS = {"use": "fakes:HashingTokenEncoder", "dim": 384}
DENSE = {"use": "dense", "encoder": {"use": "fakes:HashingEncoder", "dim": 2}}
"""It tells little; so many dimensions a word tell the documents apart."""


def quickstart() -> dict[str, Any]:
    """The quickstart as it is shipped, but for models and documents, which are tiny."""
    content: dict[str, Any] = yaml.safe_load(
        (ROOT / "experiments" / "quickstart.yaml").read_text(encoding="utf-8")
    )
    for system in content["systems"]:
        if system["retriever"]["use"] == "dense":
            system["retriever"] = DENSE
        if "encoder" in system.get("reranker", {}):
            system["reranker"]["encoder"] = TOKENS
        elif "reranker" in system:
            system["reranker"] = {"use": "fakes:Identity"}
    for key in ("datasets", "latency", "storage", "question"):
        del content[key]
    return content | {"depth": {"retrieve": 40, "rerank": 20}, "metrics": ["ndcg@10", "mrr@10"]}


def ran(folder: Path, **content: Any) -> Path:
    """A folder with results of an experiment that is named as the notebooks expect."""
    words = [[f"w{i * WORDS + j}" for j in range(WORDS)] for i in range(QUERIES)]
    docs = {f"d{i}": " ".join(row * REPEATED) for i, row in enumerate(words)}
    queries = {f"q{i}": " ".join(row) for i, row in enumerate(words)}
    qrels = {f"q{i}": {f"d{i}": 1} for i in range(QUERIES)}
    write_beir(folder / "data", docs, queries, qrels)
    file = write_experiment(folder, **content).rename(folder / "quickstart.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert commands.main(["run", str(file)]) == 0
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ran(tmp_path_factory.mktemp("quickstart"), **quickstart())


@pytest.fixture(
    scope="module",
    params=[["dense"], ["dense", "words"]],
    ids=["the baseline alone", "retrievers alone"],
)
def bare(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results without a reranker, of a file that requires nothing."""
    retrievers = {"dense": DENSE, "words": {"use": "bm25"}}
    systems = [{"name": name, "retriever": retrievers[name]} for name in request.param]
    return ran(tmp_path_factory.mktemp("bare"), systems=systems, baseline="dense")


def executed(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """What the notebook leaves behind, and as `printed` what it printed."""
    monkeypatch.chdir(folder)
    mpl.use("Agg")
    plt.close("all")
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


def test_no_word_of_a_notebook_gives_a_figure() -> None:
    """Figures are those of the results at hand, so that text beside them has none."""
    for path in NOTEBOOKS.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                assert not re.search(r"\d", "".join(cell["source"]))


def test_explore(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = executed("explore", results, monkeypatch)
    curve = found["curve"]
    sizes = curve.groupby(["line", "precision"])["dim"].agg(list).to_dict()
    assert sizes == {
        ("colbert", "int8"): [128, 64, 32],
        ("untrained", "int8"): [384],
    }
    assert not curve.duplicated(
        ["dataset", "line", "precision", "dim"]
    ).any()  # nothing is averaged
    assert found["changes"].shape == (QUERIES, 6)
    reranked = {
        name for name in found["changes"] if name.startswith(("colbert", "cross", "untrained"))
    }
    assert set(found["counts"].index) == reranked
    assert (found["counts"].sum(axis=1) == QUERIES).all()
    assert set(found["hurt"]["system"]) <= reranked
    assert len(plt.get_fignums()) == 4  # frontier, Matryoshka curve, queries sorted, who hurts


def test_decide_moves_when_the_storage_requirement_is_loosened(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the file's own 30 GB to twice as much: 30.7 GB at 128 dimensions in int8 go in."""
    found = executed("decide", results, monkeypatch)
    assert "index per million documents: 30 allowed before, 60 after\n" in found["printed"]
    before, after = found["before"], found["after"]

    def standings(decided: Any) -> dict[str, str]:
        table = decided.requirements
        table = table[table["requirement"] == "gb_per_million_documents"]
        return dict(zip(table["system"], table["verdict"], strict=True))

    for name, early, late in (
        ("colbert[dim=128]", "out", "in"),
        ("colbert[dim=64]", "in", "in"),
        ("untrained", "out", "out"),
    ):
        assert (standings(before)[name], standings(after)[name]) == (early, late)


def test_results_without_rerankers(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert executed("explore", bare, monkeypatch)["curve"].empty
    assert executed("decide", bare, monkeypatch)["before"].headline in (
        "Keep dense.",
        "Adopt words.",  # where there is one
    )
