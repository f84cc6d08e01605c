"""Search in a real PostgreSQL, started for these tests, against search in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from fakes import HashingEncoder
from numpy.typing import NDArray

from harness.components.retrievers import pgvector
from harness.components.retrievers.dense import Dense
from harness.components.retrievers.pgvector import Pgvector
from harness.components.vectors.compression import unit
from harness.data import Dataset, Doc, Hit, Query
from harness.errors import ComponentError
from harness.pipeline.stages import retrieve


@dataclass(frozen=True)
class Random:
    """A vector of its own for each text, not of length 1; none for an empty text."""

    dim: int = 24
    normalize: bool = True

    gives: ClassVar = "dense"

    def encode(self, texts: Sequence[str], side: str) -> NDArray[np.float32]:
        del side
        rows = [
            np.random.default_rng(list(text.encode())).standard_normal(self.dim) * bool(text)
            for text in texts
        ]
        vectors = np.array(rows, dtype=np.float32).reshape(-1, self.dim)
        return unit(vectors) if self.normalize else vectors


HOSTILE = ["it's\"; DROP TABLE docs;--", "nul \0 inside", "日本語 \U0001f600", "long " * 20_000]
DOCS = [
    *(Doc(f"d{i}", f"text {i}") for i in range(300)),
    *(Doc(text[:60], text) for text in HOSTILE),
]
QUERIES = [*(Query(f"q{i}", f"query {i}") for i in range(20)), Query("own", HOSTILE[1])]

EXACT = Pgvector(Random(), server="embedded")
HNSW = Pgvector(Random(), server="embedded", method="hnsw", m=32, ef_construction=200)


def order(found: Sequence[Sequence[Hit]]) -> list[list[str]]:
    return [[hit.doc_id for hit in hits] for hits in found]


@pytest.mark.parametrize("distance", ["cosine", "inner_product"])
@pytest.mark.parametrize("depth", [1, 100, 5000])
def test_exact_search_is_that_of_this_process(distance: Any, depth: int) -> None:
    found = replace(EXACT, distance=distance).index(DOCS).search(QUERIES, depth)
    expected = Dense(Random()).index(DOCS).search(QUERIES, depth)
    assert order(found) == order(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert [hit.score for hit in ours] == pytest.approx([hit.score for hit in theirs], abs=1e-6)


@pytest.mark.parametrize("method", ["exact", "hnsw"])
def test_half_precision_is_near(method: Any) -> None:
    """A half has 11 bits: a cosine of 24 of them is off by less than 2 ** -10."""
    system = replace(EXACT, precision="float16", method=method)
    found = system.index(DOCS).search(QUERIES, 20)
    scores = {
        (q, hit.doc_id): hit.score
        for q, hits in enumerate(EXACT.index(DOCS).search(QUERIES, 5000))
        for hit in hits
    }
    differences = [
        abs(hit.score - scores[q, hit.doc_id]) for q, hits in enumerate(found) for hit in hits
    ]
    assert 0 < max(differences) < 2**-10


@pytest.mark.parametrize("distance", ["cosine", "inner_product"])
def test_bits_are_compared_by_signs(distance: Any) -> None:
    """The score is the cosine of vectors of 1 and -1; ties are cut in favour of the greater id."""
    system = replace(EXACT, precision="binary", distance=distance)
    docs = sorted(DOCS, key=lambda doc: doc.doc_id)
    signs, asked = (
        np.where(Random().encode([one.text for one in texts], "doc") > 0, 1, -1)
        for texts in (docs, QUERIES)
    )
    for depth in (10, 5000):
        found = system.index(DOCS).search(QUERIES, depth)
        for hits, query in zip(found, asked, strict=True):
            scores = signs @ query / 24
            best = sorted(zip(scores, [doc.doc_id for doc in docs], strict=True), reverse=True)
            assert [(hit.score, hit.doc_id) for hit in hits] == [
                (pytest.approx(score), name) for score, name in best[:depth]
            ]


def test_hnsw_over_bits_finds_as_near_ones() -> None:
    exact, graph = (
        replace(HNSW, precision="binary", method=method).index(DOCS).search(QUERIES, 10)
        for method in ("exact", "hnsw")
    )
    near = [
        sum(hit.score >= best[-1].score for hit in hits)
        for hits, best in zip(graph, exact, strict=True)
    ]
    assert sum(near) >= 0.95 * 10 * len(QUERIES)


def test_distances_differ_where_vectors_are_of_any_length() -> None:
    encoder = Random(normalize=False)
    (products, cosines) = (
        Pgvector(encoder, server="embedded", distance=distance).index(DOCS).search(QUERIES, 50)
        for distance in ("inner_product", "cosine")
    )
    assert order(products) == order(Dense(encoder).index(DOCS).search(QUERIES, 50))
    assert order(cosines) == order(Dense(Random()).index(DOCS).search(QUERIES, 50))


def test_ties_at_the_cut_go_to_the_greater_id_whatever_the_order() -> None:
    docs = [Doc(f"d{i}", "apple") for i in range(9)]
    for given in (docs, docs[::-1]):
        searcher = Pgvector(HashingEncoder(), server="embedded").index(given)
        assert order(searcher.search([Query("q", "apple")], 3)) == [["d8", "d7", "d6"]]


@pytest.mark.parametrize("method", ["exact", "hnsw"])
def test_what_has_no_vector_is_not_found_by_cosine(method: Any) -> None:
    docs = [*DOCS[:9], Doc("empty", "")]
    found = replace(EXACT, method=method).index(docs).search([*QUERIES[:1], Query("none", "")], 50)
    assert [len(hits) for hits in found] == [9, 0]
    products = replace(EXACT, distance="inner_product", method=method).index(docs)
    assert [len(hits) for hits in products.search(QUERIES[:1], 50)] == [10]  # empty scores 0


def test_no_documents_and_no_queries() -> None:
    assert EXACT.index([]).search(QUERIES[:2], 10) == [[], []]
    assert EXACT.index(DOCS).search([], 10) == []


def test_hnsw_finds_nearly_what_exact_search_does() -> None:
    searcher = HNSW.index(DOCS)
    found, exact = (s.search(QUERIES, 10) for s in (searcher, EXACT.index(DOCS)))
    shared = [
        len({hit.doc_id for hit in a} & {hit.doc_id for hit in b})
        for a, b in zip(found, exact, strict=True)
    ]
    assert sum(shared) >= 0.95 * 10 * len(QUERIES)
    scores = {(q, hit.doc_id): hit.score for q, hits in enumerate(exact) for hit in hits}
    for q, hits in enumerate(found):
        for hit in hits:
            assert hit.score == pytest.approx(scores.get((q, hit.doc_id), hit.score), abs=1e-6)


def test_the_index_is_used_even_where_reading_all_rows_is_cheaper() -> None:
    for system, node in ((HNSW, "Index Scan using"), (EXACT, "Seq Scan on")):
        table = system.index(DOCS[:20]).table  # type: ignore[attr-defined]
        statement = system.index(DOCS[:20])._statement()  # type: ignore[attr-defined]
        vector = Random().encode(["x"], "doc")[0]
        rows = table.connection.execute(f"EXPLAIN {statement}", (vector, 10)).fetchall()
        assert any(node in row for (row,) in rows)


def test_more_hits_than_ef_search_are_refused() -> None:
    few = replace(HNSW, ef_search=40)
    assert len(few.index(DOCS[:30]).search(QUERIES[:1], 100)[0]) == 30
    with pytest.raises(ComponentError, match=r"at most ef_search = 40 hits, and 100 are asked for"):
        few.index(DOCS).search(QUERIES[:1], 100)


def test_recall_is_a_fact_of_the_stage_and_a_note() -> None:
    dataset = Dataset("tiny", DOCS, QUERIES, {query.query_id: {"d1": 1} for query in QUERIES})
    result = retrieve(HNSW, dataset, 10)
    told = result.facts["database"]
    assert 0.9 <= told["recall"] <= 1
    assert (told["depth"], told["queries"]) == (10, len(QUERIES))
    assert told["median_ms"] > 0
    assert told["exact_median_ms"] > 0
    assert set(told) >= {"postgresql", "pgvector", "build_seconds"}
    (note,) = result.facts["notes"]
    assert f"finds {told['recall']:.1%} of the exact first 10 (21 queries)" in note
    assert "notes" not in retrieve(EXACT, dataset, 10).facts


def test_recall_by_hand() -> None:
    exact = [Hit("a", 0.9), Hit("b", 0.8), Hit("c", 0.7), Hit("d", 0.6)]
    # x ties with d, the last exact one; y is farther than all of them.
    assert pgvector._recall([Hit("a", 0.9), Hit("x", 0.6), Hit("y", 0.5)], exact) == 0.5
    assert pgvector._recall(exact, exact) == 1
    assert pgvector._recall([], []) == 1


def test_footprint_is_what_postgresql_keeps() -> None:
    (exact,), (hnsw,) = (system.index(DOCS).footprints() for system in (EXACT, HNSW))  # type: ignore[attr-defined]
    assert exact[:5] == ("vectors", len(DOCS), len(DOCS), 24, "float32")
    assert hnsw[:5] == ("vectors", len(DOCS), len(DOCS), 24, "float32, hnsw")
    vectors = len(DOCS) * 24 * 4
    assert vectors < exact.bytes < 3 * vectors  # rows of 24 and 8 bytes more, whole pages
    assert hnsw.bytes > 2 * vectors  # the index holds each vector once more, with its links


def test_smaller_vectors_take_less_room() -> None:
    sizes = {
        (precision, method): replace(
            HNSW, encoder=Random(dim=512), precision=precision, method=method
        )
        .index(DOCS)
        .footprints()[0]
        for precision in ("float32", "float16", "binary")
        for method in ("exact", "hnsw")
    }
    for method in ("exact", "hnsw"):
        whole, half, bits = (sizes[name, method] for name in ("float32", "float16", "binary"))
        assert bits.bytes < half.bytes / 2 < whole.bytes / 2
        assert bits.precision == ("binary" if method == "exact" else "binary, hnsw")


def test_table_is_there_already_for_the_same_content() -> None:
    encoder = Random(dim=7)
    first = Pgvector(encoder, server="embedded", method="hnsw").index(DOCS)
    again = Pgvector(encoder, server="embedded", method="hnsw", ef_search=300).index(DOCS[::-1])
    assert first.table.seconds is not None  # type: ignore[attr-defined]
    assert again.table.seconds is None  # type: ignore[attr-defined]
    assert again.table.name == first.table.name  # type: ignore[attr-defined]
    other = Pgvector(encoder, server="embedded", method="hnsw", m=8).index(DOCS)
    assert other.table.name != first.table.name  # type: ignore[attr-defined]
    assert order(again.search(QUERIES, 5)) == order(
        Pgvector(encoder, server="embedded").index(DOCS).search(QUERIES, 5)
    )


def test_vector_that_is_not_finite_is_refused() -> None:
    @dataclass(frozen=True)
    class Broken(Random):
        def encode(self, texts: Sequence[str], side: str) -> NDArray[np.float32]:
            return super().encode(texts, side) * np.float32(np.inf)

    with pytest.raises(ComponentError, match="not finite"):
        Pgvector(Broken(), server="embedded").index(DOCS)


def test_more_dimensions_than_hnsw_takes_are_refused() -> None:
    with pytest.raises(
        ComponentError,
        match=r"float32 vectors of at most 2000 dimensions, and the encoder gives 2001",
    ):
        replace(HNSW, encoder=Random(dim=2001)).index(DOCS[:3])
    found = replace(EXACT, encoder=Random(dim=2001)).index(DOCS[:3]).search(QUERIES[:1], 9)
    assert len(found[0]) == 3
    half = replace(HNSW, encoder=Random(dim=2001), precision="float16").index(DOCS[:3])
    assert len(half.search(QUERIES[:1], 9)[0]) == 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"m": 1}, "m must be 2 to 100"),
        ({"m": 40}, "ef_construction 2 m to 1000"),
        ({"ef_search": 1001}, "ef_search must be 1 to 1000"),
        ({"keep": True}, "nothing is kept of an embedded server"),
        ({"url_env": "PG_URL"}, "say either `server: embedded` or `url_env: NAME`"),
        ({"server": None}, "say either `server: embedded` or `url_env: NAME`"),
    ],
)
def test_settings_that_cannot_be_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(EXACT, **fields)
