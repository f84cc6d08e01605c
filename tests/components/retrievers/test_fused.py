from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from fakes import Answers

from harness.components.abilities import Footprint, Stores
from harness.components.retrievers.fused import Fused
from harness.data import Doc, Hit, Query
from harness.errors import ComponentError

FIRST = Answers((("a", 9.0), ("b", 5.0), ("c", 5.0)))  # ranks: a 1, c 2, b 3 (ties by id)
SECOND = Answers((("d", 0.3), ("b", 0.2)))  # ranks: d 1, b 2


def search(fused: Fused, depth: int = 10) -> list[Hit]:
    (hits,) = fused.index([]).search([Query("q", "")], depth)
    return list(hits)


def test_scores_are_sums_of_reciprocal_ranks() -> None:
    expected = {"a": 1 / 61, "b": 1 / 63 + 1 / 62, "c": 1 / 62, "d": 1 / 61}
    found = search(Fused((FIRST, SECOND)))
    assert [hit.doc_id for hit in found] == ["b", "d", "a", "c"]
    assert {hit.doc_id: hit.score for hit in found} == pytest.approx(expected, rel=1e-6)


def test_k_and_depth() -> None:
    found = search(Fused((FIRST, SECOND), k=0), depth=2)
    assert [(hit.doc_id, hit.score) for hit in found] == [("d", 1.0), ("a", 1.0)]


def test_one_retriever_keeps_its_order() -> None:
    assert [hit.doc_id for hit in search(Fused((FIRST,)))] == ["a", "c", "b"]


def test_score_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ComponentError, match="'a' has a score that is not a finite number: nan"):
        search(Fused((Answers((("a", float("nan")),)),)))


@pytest.mark.parametrize(("retrievers", "k"), [((), 60), ((FIRST,), -1)])
def test_nothing_to_fuse_is_refused(retrievers: tuple[Answers, ...], k: int) -> None:
    with pytest.raises(ValueError, match="at least one retriever and k of at least 0"):
        Fused(retrievers, k)


@dataclass(frozen=True)
class Counted:
    """Finds nothing, and stores `size` bytes."""

    size: int

    def index(self, docs: Sequence[Doc]) -> Counted:
        del docs
        return self

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        del depth
        return [[] for _ in queries]

    def footprints(self) -> list[Footprint]:
        return [Footprint("vectors", 1, 1, 2, "float32", self.size)]


def test_what_is_fused_is_stored_once() -> None:
    inner = Fused((Counted(10), Counted(200)), k=1)
    fused = Fused((Counted(10), inner, FIRST, Counted(3000), inner))
    searcher = fused.index([])
    assert isinstance(searcher, Stores)
    found = searcher.footprints()
    assert [part.bytes for part in found] == [10, 200, None, 3000]
    assert found[2].unknown == "Answers does not say what it stores"
