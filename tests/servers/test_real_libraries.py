"""Components against the libraries whose formats they read, each in an environment of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import write_experiment
from real_servers import HERE, python_with, run

from harness import load_results
from harness.components.encoders.bge_m3 import BgeM3
from harness.components.encoders.pylate import Pylate
from harness.components.models import references
from harness.components.rerankers.hybrid import Hybrid
from harness.components.vectors.maxsim import maxsim
from harness.data import Doc

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("hub")]

TEXTS = ["the cat is blue", "", "a list, of stone! a list", "dog river tree " * 30, "Sort (the)?"]
QUERIES = ["sort the list", "", "cat dog " * 40]
WEIGHTS = [0.4, 0.2, 0.4]


def arrays(python: str, program: str, reference: str, folder: Path, told: Any) -> Mapping[str, Any]:
    file = folder / "arrays.npz"
    model = references.folder(reference, wanted_by="a test")
    run(python, HERE / program, model, file, told=told)
    return dict(np.load(file))


def assert_same(ours: Sequence[Any], expected: Sequence[Any]) -> None:
    assert len(ours) == len(expected)
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_flag_embedding(tmp_path: Path) -> None:
    python, model = python_with("FlagEmbedding"), "BAAI/bge-m3"
    told = {"texts": TEXTS, "query": QUERIES[0], "weights": WEIGHTS}
    expected = arrays(python, "flag_embedding_program.py", model, tmp_path, told)
    encoder = BgeM3(model, device="cpu")
    ours = encoder.encode(TEXTS, "doc")
    assert_same(ours.dense, expected["dense"])
    assert_same(ours.terms, [expected[f"terms {i}"] for i in range(len(TEXTS))])
    assert_same(ours.tokens, [expected[f"tokens {i}"] for i in range(len(TEXTS))])
    assert sum(map(len, ours.terms)) > 10
    docs = [Doc(str(i), text) for i, text in enumerate(TEXTS)]

    def score(*weights: float) -> Any:
        return Hybrid(encoder, *weights).prepare(docs).score(QUERIES[0], docs)

    for name, weights in (
        ("dense", (1.0, 0.0, 0.0)),
        ("sparse", (0.0, 1.0, 0.0)),
        ("colbert", (0.0, 0.0, 1.0)),
        ("sparse+dense", (0.4, 0.2, 0.0)),
        ("colbert+sparse+dense", tuple(WEIGHTS)),
    ):
        assert_same(score(*weights), expected[f"score {name}"])


@pytest.fixture(scope="module")
def with_multi_vector() -> str:
    """An interpreter whose sentence-transformers has a MultiVectorEncoder."""
    return python_with("sentence_transformers.multi_vector_encoder")


@pytest.mark.parametrize("model", ["lightonai/colbert", "colbert-ir/colbertv2.0"])
def test_multi_vector_is_as_pylate(model: str, with_multi_vector: str, tmp_path: Path) -> None:
    told = {"queries": QUERIES, "docs": TEXTS}
    theirs = arrays(with_multi_vector, "multi_vector_program.py", model, tmp_path, told)
    pylate = Pylate(model, device="cpu")
    queries, docs = pylate.encode(QUERIES, "query"), pylate.encode(TEXTS, "doc")
    assert_same([theirs[f"queries {i}"] for i in range(len(QUERIES))], queries)
    assert_same([theirs[f"docs {i}"] for i in range(len(TEXTS))], docs)
    lengths = np.array([len(matrix) for matrix in docs])
    scores = [maxsim(query, np.concatenate(docs), lengths) for query in queries]
    np.testing.assert_allclose(theirs["scores"], scores, rtol=0, atol=1e-5)
    assert theirs["kept"].tolist() == pylate.count_kept_tokens(TEXTS) == lengths.tolist()
    assert theirs["read"].tolist() == pylate.count_doc_tokens(TEXTS)
    assert theirs["lengths"].tolist() == list(pylate.doc_lengths(TEXTS))
    assert theirs["room"] == pylate.room("any query")
    assert theirs["attention"] == pylate.attention()
    assert (len(theirs["short query"]), len(theirs["short doc"])) == (8, 6)


def test_multi_vector_runs_in_an_experiment(with_multi_vector: str, tmp_path: Path) -> None:
    overlap = {"use": "fakes:WordOverlap"}
    model = str(references.folder("lightonai/colbert", wanted_by="a test"))
    late = {"use": "late_interaction", "encoder": {"use": "multi_vector", "model": model}}
    file = write_experiment(
        tmp_path,
        systems=[
            {"name": "overlap", "retriever": overlap},
            {"name": "late", "retriever": overlap, "reranker": late},
        ],
        latency={"candidates": [1, 2], "budget_s": 1, "devices": ["cpu"]},
        storage={"precisions": ["float16"], "pool_factors": [1], "plaid_nbits": []},
    )
    there = ["--results", tmp_path / "results", "--cache", tmp_path / "cache"]
    said = run(with_multi_vector, "-m", "harness", "run", file, *there)
    assert "Report: " in said
    results = load_results(tmp_path / "results" / "experiment")
    assert set(results.trials["status"]) == {"done"}
    timed = results.costs["arms"].query("system == 'late' and status == 'measured'")
    assert set(timed["mode"]) == {"on the fly", "precomputed"}
    assert (timed["agreement"] == 1).all()
    assert set(results.costs["grid"]["dim"]) == {16}
