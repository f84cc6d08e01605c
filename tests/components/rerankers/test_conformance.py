"""What every reranker must hold: a document's score depends on the query and itself alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from harness.components.encoders.bge_m3 import BgeM3
from harness.components.encoders.fastembed_tokens import FastembedTokens
from harness.components.encoders.pylate import Pylate
from harness.components.protocols import Preparable, ScoresTogether
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.components.rerankers.fastembed import Fastembed
from harness.components.rerankers.hybrid import Hybrid
from harness.components.rerankers.late_interaction import LateInteraction
from harness.components.rerankers.pgvector_maxsim import PgvectorMaxsim
from harness.data import Doc, Hit
from harness.ranking import ranked

COLBERT = Pylate("colbert-ir/colbertv2.0", device="cpu")
RERANKERS = {
    "bge": CrossEncoder("BAAI/bge-reranker-base", device="cpu"),
    "ms-marco": CrossEncoder("cross-encoder/ms-marco-MiniLM-L6-v2", device="cpu"),
    "prepared": LateInteraction(COLBERT),
    "on the fly": LateInteraction(COLBERT, documents="on_the_fly"),
    "pylate": LateInteraction(Pylate("lightonai/colbert", device="cpu"), precision="int8"),
    "hybrid": Hybrid(BgeM3("BAAI/bge-m3", device="cpu")),
    "hybrid on the fly": Hybrid(BgeM3("BAAI/bge-m3", device="cpu"), documents="on_the_fly"),
    "identity": LateInteraction(Pylate("google-bert/bert", projection="identity", device="cpu")),
    "pgvector, arrays": PgvectorMaxsim(COLBERT, "array", server="embedded"),
    "pgvector, tokens": PgvectorMaxsim(COLBERT, "tokens", server="embedded"),
}
INT8 = "onnx/model_int8.onnx"
AS_ONNX = {
    "fastembed": lambda of: Fastembed(of("cross-encoder/ms-marco-MiniLM-L6-v2")),
    "fastembed int8": lambda of: Fastembed(of("BAAI/bge-reranker-base"), file=INT8),
    "fastembed tokens": lambda of: LateInteraction(FastembedTokens(of("colbert-ir/colbertv2.0"))),
}
"""Made when they are asked for, from where a model was written as ONNX."""
QUERY = "sort the list"
DOCS = [
    Doc(str(i), text)
    for i, text in enumerate(
        ["the cat is blue", "list of stone", "", "a river, a tree!", "dog " * 9, "Sort?"]
        + [f"stone {i} of river {i * i}" for i in range(10)]
    )
]
LONG = Doc("long", "blue dog of the river " * 200)

pytestmark = pytest.mark.usefixtures("hub")


@pytest.fixture(scope="module", params=[*RERANKERS, *AS_ONNX])
def reranker(request: pytest.FixtureRequest) -> Any:
    if request.param in RERANKERS:
        return RERANKERS[request.param]
    return AS_ONNX[request.param](request.getfixturevalue("exported"))


def scores(reranker: Any, query: str, docs: Sequence[Doc]) -> np.ndarray:
    ready = reranker.prepare(docs) if isinstance(reranker, Preparable) else reranker
    return np.array(ready.score(query, docs))


def assert_same(ours: object, expected: object) -> None:
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)


def test_order_does_not_matter(reranker: Any) -> None:
    shuffled = random.Random(7).sample(DOCS, len(DOCS))
    expected = dict(zip(DOCS, scores(reranker, QUERY, DOCS), strict=True))
    assert_same(scores(reranker, QUERY, shuffled), [expected[doc] for doc in shuffled])


def test_each_alone_scores_as_all_together(reranker: Any) -> None:
    alone = [scores(reranker, QUERY, [doc])[0] for doc in DOCS]
    assert_same(scores(reranker, QUERY, DOCS), alone)


def test_long_document_does_not_change_the_others(reranker: Any) -> None:
    assert_same(scores(reranker, QUERY, [*DOCS, LONG])[:-1], scores(reranker, QUERY, DOCS))


def test_same_text_scores_the_same(reranker: Any) -> None:
    first, *_, last = scores(reranker, QUERY, [*DOCS, Doc("copy", DOCS[0].text)])
    assert last == pytest.approx(first, abs=1e-6)


def test_other_texts_score_otherwise(reranker: Any) -> None:
    found = scores(reranker, QUERY, DOCS)
    assert len(np.unique(found.round(5))) == len(DOCS)


@pytest.mark.parametrize("query", ["", " ", "?!", QUERY, "cat " * 500])
def test_every_query_is_answered(reranker: Any, query: str) -> None:
    found = scores(reranker, query, [*DOCS, LONG])
    assert np.isfinite(found).all()
    assert len(np.unique(found.round(5))) > len(DOCS) / 2  # the documents still count


@pytest.mark.parametrize("name", ["bge", "ms-marco", "on the fly", "pylate", "identity"])
def test_queries_together_rank_as_apart(name: str) -> None:
    """Their documents overlap, one query comes twice, and one has no documents at all."""
    reranker = RERANKERS[name]
    assert isinstance(reranker, ScoresTogether)
    drawn = random.Random(7)
    queries = [QUERY, "cat", "", "river " * 40, "cat", "blue stone of the tree"]
    asked = [(query, drawn.sample([*DOCS, LONG], 3 + 2 * n)) for n, query in enumerate(queries)]
    asked.insert(2, ("dog", []))
    found = reranker.score_together(asked)
    assert len(found) == len(asked)
    for (query, docs), together in zip(asked, found, strict=True):
        apart = reranker.score(query, docs)
        # MaxSim sums 32 query tokens to scores of about 30, where 1e-5 is five steps of float32.
        np.testing.assert_allclose(together, apart, rtol=1e-6, atol=1e-5)
        assert order(docs, together) == order(docs, apart)


def order(docs: Sequence[Doc], scores: Sequence[float]) -> list[str]:
    return [
        hit.doc_id for hit in ranked(Hit(d.doc_id, s) for d, s in zip(docs, scores, strict=True))
    ]


def test_no_candidates(reranker: Any) -> None:
    assert len(scores(reranker, QUERY, [])) == 0


def test_scores_are_float32(reranker: Any) -> None:
    found = scores(reranker, QUERY, DOCS)
    np.testing.assert_array_equal(found, found.astype(np.float32))
