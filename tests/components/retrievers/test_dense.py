from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

import fakes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.components.abilities import Footprint
from harness.components.retrievers import dense
from harness.components.retrievers.dense import Dense
from harness.data import Doc, Hit, Query
from harness.errors import ComponentError
from harness.ranking import ranked


@dataclass(frozen=True)
class Given:
    """An encoder whose texts are row numbers."""

    gives: ClassVar = "dense"

    docs: NDArray[np.float32]
    queries: NDArray[np.float32]

    def encode(self, texts: Sequence[str], side: str) -> NDArray[np.float32]:
        rows = self.queries if side == "query" else self.docs
        found = rows[[int(text) for text in texts]]
        found.flags.writeable = side == "query"  # documents may lie in a mapped file
        return found


def search(encoder: Given, depth: int, dim: int | None = None) -> list[list[Hit]]:
    docs = [Doc(f"d{i}", str(i)) for i in range(len(encoder.docs))]
    queries = [Query(f"q{i}", str(i)) for i in range(len(encoder.queries))]
    return list(Dense(encoder, dim).index(docs).search(queries, depth))


def whole_numbers(seed: int) -> Given:
    """Small whole numbers: inner products are exact in any order of addition, and many tie."""
    rng = np.random.default_rng(seed)
    docs = rng.integers(-2, 3, size=(300, 6)).astype(np.float32)
    return Given(docs, rng.integers(-2, 3, size=(40, 6)).astype(np.float32))


def expected(encoder: Given, depth: int) -> list[list[Hit]]:
    scores = encoder.queries @ encoder.docs.T
    return [ranked(Hit(f"d{i}", float(s)) for i, s in enumerate(row))[:depth] for row in scores]


@pytest.mark.parametrize("depth", [1, 10, 299, 300, 1000])
@pytest.mark.parametrize(("doc_block", "query_block"), [(32_768, 256), (7, 3), (300, 1)])
def test_equals_a_full_sort_whatever_the_blocks(
    monkeypatch: pytest.MonkeyPatch, depth: int, doc_block: int, query_block: int
) -> None:
    monkeypatch.setattr(dense, "DOCS_PER_BLOCK", doc_block)
    monkeypatch.setattr(dense, "QUERIES_PER_BLOCK", query_block)
    encoder = whole_numbers(depth)
    assert search(encoder, depth) == expected(encoder, depth)


@given(
    st.integers(1, 12),
    st.integers(1, 9),
    st.integers(1, 40),
    st.sampled_from([1, 20, 10_000]),
    st.randoms(use_true_random=False),
)
def test_ties_are_broken_alike_whatever_the_order_and_the_blocks(
    depth: int, block: int, count: int, most: int, random: Random
) -> None:
    rows = [[random.choice([-1.0, 0.0, 1.0]) for _ in range(2)] for _ in range(count)]
    docs = np.array(rows, dtype=np.float32)
    queries = np.array([[1, 0], [0, 0], [1, 1]], dtype=np.float32)
    order = random.sample(range(count), count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "DOCS_PER_BLOCK", block)
        patch.setattr(dense, "MOST_HELD", most)
        given_docs = [Doc(f"d{i}", str(i)) for i in order]
        searcher = Dense(Given(docs, queries)).index(given_docs)
        found = list(searcher.search([Query(f"q{i}", str(i)) for i in range(3)], depth))
    assert found == expected(Given(docs, queries), depth)


def test_cut_runs_through_ties() -> None:
    encoder = whole_numbers(1)
    cut = [hits[9].score == hits[10].score for hits in expected(encoder, 11)]
    assert sum(cut) > 20  # else the test above would show nothing about ties


def test_dimensions_that_are_cut_are_at_length_1_again() -> None:
    vectors = np.array([[3, 4, 9], [1, 0, 5]], dtype=np.float32)
    (first, second) = search(Given(vectors, vectors), 2, dim=2)
    assert [(hit.doc_id, round(hit.score, 6)) for hit in first] == [("d0", 1.0), ("d1", 0.6)]
    assert [(hit.doc_id, round(hit.score, 6)) for hit in second] == [("d1", 1.0), ("d0", 0.6)]


@pytest.mark.parametrize("which", ["docs", "queries"])
def test_vector_that_is_not_finite_is_refused(which: str) -> None:
    encoder = whole_numbers(2)
    getattr(encoder, which)[5, 0] = np.nan
    with pytest.raises(ComponentError, match="not finite"):
        search(encoder, 10)


def test_footprint_is_of_the_vectors_kept() -> None:
    searcher = Dense(fakes.HashingEncoder(8), dim=4).index([Doc("a", "x"), Doc("b", "y")])
    assert searcher.footprints() == [Footprint("vectors", 2, 2, 4, "float32", 2 * 4 * 4)]
