from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.data import Doc, Query
from harness.protocols import Stores
from harness.retrievers.bm25 import Bm25

DOCS = [Doc("a", "apple apple pear"), Doc("b", "apple plum"), Doc("c", "kiwi")]


def search(text: str, docs: list[Doc], depth: int = 10, **fields: float) -> list[tuple[str, float]]:
    (hits,) = Bm25(**fields).index(docs).search([Query("q", text)], depth)
    return [(hit.doc_id, hit.score) for hit in hits]


def weight(count: int, length: int, found_in: int, k1: float = 1.2, b: float = 0.75) -> float:
    """Lucene's BM25 of one word over DOCS: 3 documents, 2 words each on average."""
    idf = math.log(1 + (3 - found_in + 0.5) / (found_in + 0.5))
    return idf * count / (count + k1 * (1 - b + b * length / 2))


@pytest.mark.parametrize("fields", [{}, {"k1": 0.9, "b": 0.4}, {"b": 0.0}])
def test_formula_by_hand(fields: dict[str, float]) -> None:
    # apple is in two documents, pear in one; a has 3 words, b has 2
    expected = {
        "a": weight(2, 3, 2, **fields) + weight(1, 3, 1, **fields),
        "b": weight(1, 2, 2, **fields),
    }
    assert dict(search("apple pear", DOCS, **fields)) == pytest.approx(expected, rel=1e-6)


def test_word_that_is_asked_twice_counts_twice() -> None:
    assert dict(search("kiwi kiwi", DOCS))["c"] == pytest.approx(2 * weight(1, 1, 1), rel=1e-6)


def test_documents_without_a_word_of_the_query_are_no_hits() -> None:
    assert [doc_id for doc_id, _ in search("kiwi", DOCS)] == ["c"]


@pytest.mark.parametrize("text", ["", "the of and", "zebra", "?!"])
def test_query_without_known_words_has_no_hits(text: str) -> None:
    assert search(text, DOCS) == []


def test_words_are_stemmed_and_stop_words_left_out() -> None:
    assert Bm25().words(["The running apples", ""]) == [["run", "appl"], []]


def test_ties_at_the_cut_go_to_the_greater_id_whatever_the_order() -> None:
    docs = [Doc(f"d{i}", "apple") for i in range(9)]
    for given in (docs, docs[::-1]):
        assert [doc_id for doc_id, _ in search("apple", given, depth=3)] == ["d8", "d7", "d6"]


def test_empty_documents_are_indexed() -> None:
    docs = [Doc("a", ""), Doc("b", "apple")]
    assert [doc_id for doc_id, _ in search("apple", docs)] == ["b"]


def test_footprint_is_of_each_term_of_a_document(tmp_path: Path) -> None:
    searcher = Bm25().index(DOCS)
    assert isinstance(searcher, Stores)
    (found,) = searcher.footprints()
    # apple and pear, apple and plum, kiwi: a document and a score of 4 bytes each
    assert found[:6] == ("terms", 3, 5, 1, "float32", 5 * 8)
    searcher.index.save(tmp_path, show_progress=False)  # type: ignore[attr-defined]
    assert found.disk_bytes == sum(file.stat().st_size for file in tmp_path.iterdir())
