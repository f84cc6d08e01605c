"""A dataset with training queries, and a base that is small enough to train in a second."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import tiny
from fakes import write_beir

from harness.components.datasets.files import Files

TRAINING, MEASURED = 40, 6


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BERT with random weights."""
    return str(tiny.bare_bert(tmp_path_factory.mktemp("base") / "bert"))


@pytest.fixture
def source(tmp_path: Path) -> Files:
    """Each query is two words of its document; `q0` to `q5` are measured, the others learnt."""
    drawn = random.Random(7)
    docs = {f"d{i}": " ".join(drawn.sample(tiny.WORDS, 5)) for i in range(60)}
    queries = {f"q{i}": " ".join(docs[f"d{i}"].split()[:2]) + f" {i}" for i in range(46)}
    qrels = {name: {f"d{name[1:]}": 1} for name in queries}
    measured = dict(list(qrels.items())[:MEASURED])
    folder = write_beir(tmp_path / "data", docs, queries, measured)
    rows = [f"{name}\td{name[1:]}\t1\n" for name in list(qrels)[MEASURED:]]
    header = "query-id\tcorpus-id\tscore\n"
    (folder / "qrels" / "train.tsv").write_text(header + "".join(rows), encoding="utf-8")
    return Files(str(folder))
