"""Search by weighted terms: by hand, and as the products of the whole matrices give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.components.abilities import Footprint, Stores
from harness.components.protocols import SparseEncoder
from harness.components.retrievers.sparse import Sparse
from harness.components.vectors import sparse_index
from harness.data import Doc, Query
from harness.errors import ComponentError


@dataclass(frozen=True)
class Written:
    """Texts say their terms: `3:0.5 7:1` is term 3 with weight 0.5 and term 7 with weight 1."""

    gives: ClassVar = "terms"

    def encode(self, texts: Sequence[str], side: str) -> list[NDArray[np.float32]]:
        del side
        pairs = [[one.split(":") for one in text.split()] for text in texts]
        return [np.array(each, dtype=np.float32).reshape(-1, 2) for each in pairs]


def search(docs: Sequence[str], query: str, depth: int = 10) -> list[tuple[str, float]]:
    searcher = Sparse(Written()).index([Doc(f"d{i}", text) for i, text in enumerate(docs)])
    (hits,) = searcher.search([Query("q", query)], depth)
    return [(hit.doc_id, hit.score) for hit in hits]


def test_scores_by_hand() -> None:
    docs = ["3:0.5", "3:1 7:0.25", "", "9:4"]
    # 2 * 0.5; 2 * 1 + 4 * 0.25; d2 and d3 share no term with the query.
    assert search(docs, "3:2 7:4 8:1") == [("d1", 3.0), ("d0", 1.0)]


@pytest.mark.parametrize("query", ["", "5:1"])
def test_query_that_shares_no_term_has_no_hits(query: str) -> None:
    assert search(["3:1", "7:1"], query) == []


def test_no_documents_and_no_terms() -> None:
    assert search([], "3:1") == search(["", ""], "3:1") == []


def test_ties_at_the_cut_go_to_the_greater_id() -> None:
    assert search(["3:1", "3:1", "3:2", "3:1"], "3:1", depth=2) == [("d2", 2.0), ("d3", 1.0)]


def test_footprint_is_of_postings() -> None:
    found = Sparse(Written()).index([Doc("a", "3:1 7:1"), Doc("b", "3:1")])
    assert isinstance(found, Stores)
    (part,) = found.footprints()
    assert part[:6] == Footprint("terms", 2, 3, 1, "float32", 3 * 8)[:6]
    # on disk also two ids of 4 bytes and three offsets of 8, and the headers of a zip file
    assert part.disk_bytes is not None
    assert 3 * 8 + 2 * 4 + 3 * 8 < part.disk_bytes < 3000


def test_weight_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(ComponentError, match="not finite"):
        search(["3:nan"], "3:1")


def test_written_is_a_sparse_encoder() -> None:
    assert isinstance(Written(), SparseEncoder)


rows = st.dictionaries(st.integers(0, 12), st.integers(1, 9), max_size=6)


@given(st.lists(rows, max_size=8), rows)
def test_as_the_products_of_whole_matrices(
    docs: list[dict[int, int]], query: dict[int, int]
) -> None:
    whole = np.zeros((len(docs) + 1, 13))
    for row, weights in enumerate([*docs, query]):
        whole[row, list(weights)] = list(weights.values())
    expected = whole[:-1] @ whole[-1]
    text = [" ".join(f"{term}:{weights[term]}" for term in sorted(weights)) for weights in docs]
    asked = " ".join(f"{term}:{query[term]}" for term in sorted(query))
    found = dict(search(text, asked))
    assert found == {f"d{i}": score for i, score in enumerate(expected) if score}
    index = sparse_index.build(Written().encode(text, "doc"))
    places = list(range(len(docs)))[::-1]
    (weighted,) = Written().encode([asked], "query")
    assert index.scores(weighted, places).tolist() == expected[::-1].tolist()
