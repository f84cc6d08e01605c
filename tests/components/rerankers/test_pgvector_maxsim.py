"""MaxSim in SQL, in a real PostgreSQL, against our kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes import GaussianTokenEncoder, HashingTokenEncoder

from harness.components.abilities import CountsTokens, Stores
from harness.components.databases import postgres
from harness.components.protocols import Preparable, Reranker
from harness.components.rerankers.late_interaction import LateInteraction
from harness.components.rerankers.pgvector_maxsim import PgvectorMaxsim
from harness.data import Doc

DOCS = [
    *(Doc(f"d{i}", " ".join(f"w{(i * j) % 50}" for j in range(1, 2 + i % 30))) for i in range(60)),
    Doc("sql", "it's\"; DROP TABLE docs;--"),
    Doc("nul\0", "nul \0 inside"),
    Doc("ünïcode", "日本語 \U0001f600"),
    Doc("long", " ".join(f"x{n}" for n in range(3000))),
    Doc("empty", ""),
    Doc("copy", "w1"),
]
QUERIES = ["w1 w2 w3", "w1", "日本語 \0", " ".join(f"q{i}" for i in range(40)), ""]

pytestmark = pytest.mark.parametrize("layout", ["array", "tokens"])


@pytest.mark.parametrize("dim", [None, 8])
def test_scores_are_those_of_our_kernel(layout: Any, dim: int | None) -> None:
    encoder = GaussianTokenEncoder(dim=12)
    ours = LateInteraction(encoder, dim=dim).prepare(DOCS[:-2])  # all but empty ones
    theirs = PgvectorMaxsim(encoder, layout, server="embedded", dim=dim).prepare(DOCS)
    for query in QUERIES[:-1]:
        expected = np.array(ours.score(query, DOCS[:-2]))
        found = np.array(theirs.score(query, DOCS))
        np.testing.assert_allclose(found[:-2], expected, rtol=0, atol=1e-4)
        assert found[-2] == -len(query.split())  # as maxsim scores a document without tokens
        assert found[-1] == pytest.approx(theirs.score(query, [Doc("x", "w1")])[0], abs=1e-6)
    assert list(theirs.score("", DOCS)) == [0] * len(DOCS)


def test_negative_similarities_are_not_raised_to_zero(layout: Any) -> None:
    encoder = GaussianTokenEncoder(dim=2)
    docs = [Doc(str(i), f"w{i}") for i in range(30)]
    found = PgvectorMaxsim(encoder, layout, server="embedded").score("w1", docs)
    (query,) = encoder.encode(["w1"], "query")
    expected = [float((query @ m.T).max()) for m in encoder.encode([d.text for d in docs], "doc")]
    assert min(expected) < -0.5
    assert list(found) == pytest.approx(expected, abs=1e-5)


def test_only_the_candidates_are_scored_in_their_order(layout: Any) -> None:
    prepared = PgvectorMaxsim(GaussianTokenEncoder(), layout, server="embedded").prepare(DOCS)
    everyone = dict(zip(DOCS, prepared.score("w1 w2", DOCS), strict=True))
    for some in (DOCS[40:10:-3], [DOCS[5], DOCS[5]], []):
        assert list(prepared.score("w1 w2", some)) == [everyone[doc] for doc in some]
    with pytest.raises(KeyError):
        prepared.score("w1", [Doc("new", "a text that was not prepared")])


def test_nothing_to_compare(layout: Any) -> None:
    prepared = PgvectorMaxsim(GaussianTokenEncoder(), layout, server="embedded").prepare(
        DOCS[-2:-1]
    )
    assert list(prepared.score("w1 w2", DOCS[-2:-1])) == [-2]
    assert isinstance(prepared, Stores)
    (found,) = prepared.footprints()
    assert found[1:6] == (0, 0, 0, f"float32, {layout}", 0)
    assert list(prepared.score("w1 w2", [])) == []


def test_footprint_is_what_postgresql_keeps(layout: Any) -> None:
    encoder = GaussianTokenEncoder(dim=128)
    docs = [doc for doc in DOCS if doc.text]
    prepared = PgvectorMaxsim(encoder, layout, server="embedded").prepare([*docs, docs[0]])
    texts = {doc.text for doc in docs}
    vectors = sum(len(text.split()) for text in texts)
    assert isinstance(prepared, Stores)
    (found,) = prepared.footprints()
    assert found[:5] == ("token vectors", len(texts), vectors, 128, f"float32, {layout}")
    assert found.bytes is not None
    assert 512 * vectors < found.bytes < 2 * 512 * vectors


def test_counts_the_vectors_that_are_compared(layout: Any) -> None:
    prepared: Any = PgvectorMaxsim(GaussianTokenEncoder(), layout, server="embedded").prepare(DOCS)
    assert isinstance(prepared, CountsTokens)
    assert prepared.count_tokens("w1", [Doc("a", "w1"), DOCS[2], DOCS[-2]]) == 1 + 3 + 0


def test_is_a_reranker_that_can_be_prepared(layout: Any) -> None:
    reranker = PgvectorMaxsim(HashingTokenEncoder(), layout, server="embedded")
    assert isinstance(reranker, Reranker)
    assert isinstance(reranker, Preparable)


def test_documents_on_the_fly_score_alike_and_leave_nothing(layout: Any) -> None:
    reranker = PgvectorMaxsim(GaussianTokenEncoder(), layout, server="embedded")
    expected = reranker.prepare(DOCS).score("w1 w2", DOCS)
    connection = postgres.connect(None)
    asked = "SELECT count(*) FROM pg_class WHERE relname LIKE 'harness%'"
    before = connection.execute(asked).fetchone()
    assert reranker.score("w1 w2", DOCS) == expected
    assert reranker.score("w1 w2", DOCS[-2:-1]) == [-2]
    assert connection.execute(asked).fetchone() == before
    connection.close()


def test_function_goes_with_the_table(layout: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_PG", postgres._embedded())
    encoder = GaussianTokenEncoder(dim=5)
    prepared: Any = PgvectorMaxsim(encoder, layout, url_env="HARNESS_PG").prepare(DOCS[:3])
    name = prepared.table.name
    asked = "SELECT count(*) FROM pg_proc WHERE proname = %s"
    connection = postgres.connect(None)
    functions = 1 if layout == "array" else 0
    assert connection.execute(asked, (f"{name}_max_sim",)).fetchone() == (functions,)
    postgres.drop("HARNESS_PG", name, int(name.removeprefix("harness_")[:15], 16))
    assert connection.execute(asked, (f"{name}_max_sim",)).fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"server": "embedded", "dim": 0}, "at least 1"),
        ({"server": "embedded", "keep": True}, "nothing is kept"),
        ({}, "say either"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    layout: Any, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        PgvectorMaxsim(HashingTokenEncoder(), layout, **fields)
