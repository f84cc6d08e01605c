"""MaxSim against pylate on single documents, and against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.maxsim import maxsim

Matrix = NDArray[np.float32]


def unit_rows(seed: int, rows: int, dim: int, shift: float = 0.0) -> Matrix:
    """Random unit vectors; a large shift makes all of them point much the same way."""
    found = np.random.default_rng(seed).normal(shift, 1, size=(rows, dim))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def naive(query: Matrix, doc: Matrix) -> float:
    return sum(max(float(q.astype(np.float64) @ d.astype(np.float64)) for d in doc) for q in query)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[Matrix, list[Matrix]]:
    """A query and documents; a negative shift brings negative similarities."""
    dim = draw(st.integers(1, 24))
    seeds = st.integers(0, 2**32 - 1)
    query = unit_rows(draw(seeds), draw(st.integers(1, 12)), dim, draw(st.sampled_from([0, 3])))
    lengths = draw(st.lists(st.integers(1, 20), min_size=1, max_size=8))
    shift = draw(st.sampled_from([0, 3, -3]))
    return query, [unit_rows(draw(seeds), length, dim, shift) for length in lengths]


@given(rankings())
def test_is_its_definition(ranking: tuple[Matrix, list[Matrix]]) -> None:
    query, docs = ranking
    expected = [naive(query, doc) for doc in docs]
    np.testing.assert_allclose(maxsim(query, docs), expected, rtol=0, atol=1e-4)


@given(rankings(), st.randoms(use_true_random=False))
def test_other_documents_and_their_order_do_not_matter(
    ranking: tuple[Matrix, list[Matrix]], random: object
) -> None:
    query, docs = ranking
    order = list(range(len(docs)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = maxsim(query, [docs[i] for i in order])
    np.testing.assert_allclose(shuffled, maxsim(query, docs)[order], rtol=0, atol=1e-5)
    alone = [maxsim(query, [doc])[0] for doc in docs]
    np.testing.assert_allclose(maxsim(query, docs), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shift", [0, 3, -3])
def test_agrees_with_pylate_on_single_documents(shift: int) -> None:
    import torch
    from pylate.scores import colbert_scores

    query = unit_rows(0, 32, 128, 3)
    docs = [unit_rows(seed, seed, 128, shift) for seed in (1, 2, 17, 180)]
    expected = [
        colbert_scores(torch.from_numpy(query)[None], torch.from_numpy(doc)[None]).item()
        for doc in docs
    ]
    np.testing.assert_allclose(maxsim(query, docs), expected, rtol=0, atol=1e-5)


def test_negative_similarities_are_not_raised_by_a_longer_neighbour() -> None:
    from pylate import rank

    query = np.array([[1, 0], [0.8, 0.6]], dtype=np.float32)
    short = np.array([[-1, 0]], dtype=np.float32)
    long = np.array([[0, 1], [1, 0]], dtype=np.float32)

    def pylate(docs: list[Matrix]) -> float:
        (found,) = rank.rerank([list(range(len(docs)))], [query], [docs])
        return {result["id"]: result["score"] for result in found}[0]

    # By hand: -1 + -0.8. pylate pads the short document with zeros, which are more than that.
    assert pylate([short]) == pytest.approx(-1.8)
    assert pylate([short, long]) == pytest.approx(0.0)
    assert maxsim(query, [short])[0] == pytest.approx(-1.8)
    assert maxsim(query, [short, long])[0] == pytest.approx(-1.8)


def test_document_without_tokens_is_below_all() -> None:
    query = np.array([[1, 0], [0, 1]], dtype=np.float32)
    none = np.empty((0, 2), dtype=np.float32)
    worst = np.array([[-0.6, -0.8]], dtype=np.float32)
    found = maxsim(query, [none, worst, none, query])
    # -1 for each of the query's tokens; -0.6 - 0.8; -1 each; 1 + 1.
    np.testing.assert_allclose(found, [-2, -1.4, -2, 2])


def test_nothing_to_score() -> None:
    none = np.empty((0, 2), dtype=np.float32)
    assert maxsim(none[:0], []).shape == (0,)
    assert maxsim(np.ones((3, 2), dtype=np.float32), [none]).tolist() == [-3]
    assert maxsim(none, [np.ones((3, 2), dtype=np.float32)]).tolist() == [0]


def test_is_float32_whatever_the_documents_are_kept_as() -> None:
    query = unit_rows(1, 4, 8)
    doc = unit_rows(2, 5, 8).astype(np.float16)
    found = maxsim(query, [doc])
    assert found.dtype == np.float32
    assert found[0] == pytest.approx(naive(query, doc), abs=1e-5)
