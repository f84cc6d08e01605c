"""What README and CONTRIBUTING show works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from harness.data import Doc
from harness.experiment.reading import load_experiment

ROOT = Path(__file__).parents[1]


def block(document: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    assert found
    return found[1]


def test_experiment_of_the_readme(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(block("README.md", "yaml"))
    names = [system.name for system in load_experiment(file).systems]
    assert names == [
        "dense",
        "bge",
        *(f"colbert[precision={p}]" for p in ("float16", "int8", "binary")),
    ]


def test_reranker_of_contributing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_module.py").write_text(block("CONTRIBUTING.md", "python"))
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "mine.yaml"
    file.write_text(
        "question: Does it work?\n"
        "datasets: [{use: pydoc}]\n"
        "systems:\n"
        "  - {name: mine, retriever: {use: bm25}, reranker: {use: 'my_module:Overlap'}}\n"
    )
    (system,) = load_experiment(file).systems
    docs = [Doc("a", "red apple"), Doc("b", "Apple"), Doc("c", "")]
    assert system.reranker.score("Red apple", docs) == [1.0, 0.5, 0.0]


def test_claim_of_contributing() -> None:
    ours = yaml.safe_load((ROOT / "experiments/claims.yaml").read_text())["claims"]
    (shown,) = yaml.safe_load(block("CONTRIBUTING.md", "yaml"))
    assert shown in ours


EXPERIMENTS = sorted({*(ROOT / "experiments").glob("*.yaml")} - {ROOT / "experiments/claims.yaml"})


@pytest.mark.usefixtures("empty_hub")
@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda f: f.stem)
def test_experiments_of_the_project_load(file: Path) -> None:
    assert load_experiment(file).question.endswith("?")
