"""MaxSim against pylate on single documents, and against its definition."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.components.vectors.maxsim import maxsim, maxsim_on_device

Matrix = NDArray[np.float32]
Score = Callable[[Matrix, Sequence[Matrix]], Matrix]


def on_cpu(query: Matrix, docs: Sequence[Matrix]) -> Matrix:
    tokens = np.concatenate([*docs, query[:0]])
    return maxsim(query, tokens, np.array([len(doc) for doc in docs], dtype=np.int64))


def on_device(query: Matrix, docs: Sequence[Matrix]) -> Matrix:
    import torch

    tokens = torch.from_numpy(np.concatenate([*docs, query[:0]]))
    return maxsim_on_device(query, tokens, np.array([len(doc) for doc in docs], dtype=np.int64))


both = pytest.mark.parametrize("score", [on_cpu, on_device])


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


@both
@given(ranking=rankings())
def test_is_its_definition(score: Score, ranking: tuple[Matrix, list[Matrix]]) -> None:
    query, docs = ranking
    expected = [naive(query, doc) for doc in docs]
    np.testing.assert_allclose(score(query, docs), expected, rtol=0, atol=1e-4)


@given(rankings(), st.randoms(use_true_random=False))
def test_other_documents_and_their_order_do_not_matter(
    ranking: tuple[Matrix, list[Matrix]], random: object
) -> None:
    query, docs = ranking
    order = list(range(len(docs)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = on_cpu(query, [docs[i] for i in order])
    np.testing.assert_allclose(shuffled, on_cpu(query, docs)[order], rtol=0, atol=1e-5)
    alone = [on_cpu(query, [doc])[0] for doc in docs]
    np.testing.assert_allclose(on_cpu(query, docs), alone, rtol=0, atol=1e-5)


@both
@pytest.mark.parametrize("shift", [0, 3, -3])
def test_agrees_with_pylate_on_single_documents(score: Score, shift: int) -> None:
    import torch
    from pylate.scores import colbert_scores

    query = unit_rows(0, 32, 128, 3)
    docs = [
        unit_rows(seed, seed, 128, shift) for seed in (1, 2, 17, 180, 700)
    ]  # more than one block of tokens
    expected = [
        colbert_scores(torch.from_numpy(query)[None], torch.from_numpy(doc)[None]).item()
        for doc in docs
    ]
    np.testing.assert_allclose(score(query, docs), expected, rtol=0, atol=1e-5)


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
    assert on_cpu(query, [short])[0] == pytest.approx(-1.8)
    assert on_cpu(query, [short, long])[0] == pytest.approx(-1.8)


@both
def test_document_without_tokens_is_below_all(score: Score) -> None:
    query = np.array([[1, 0], [0, 1]], dtype=np.float32)
    none = np.empty((0, 2), dtype=np.float32)
    worst = np.array([[-0.6, -0.8]], dtype=np.float32)
    found = score(query, [none, worst, none, query])
    # -1 for each of the query's tokens; -0.6 - 0.8; -1 each; 1 + 1.
    np.testing.assert_allclose(found, [-2, -1.4, -2, 2])


@both
def test_nothing_to_score(score: Score) -> None:
    none = np.empty((0, 2), dtype=np.float32)
    assert score(none[:0], []).shape == (0,)
    assert score(np.ones((3, 2), dtype=np.float32), [none]).tolist() == [-3]
    assert score(none, [np.ones((3, 2), dtype=np.float32)]).tolist() == [0]


def test_is_float32_whatever_the_documents_are_kept_as() -> None:
    query = unit_rows(1, 4, 8)
    doc = unit_rows(2, 5, 8).astype(np.float16)
    found = maxsim(query, doc, np.array([5]))
    assert found.dtype == np.float32
    assert found[0] == pytest.approx(naive(query, doc), abs=1e-5)


@pytest.mark.parametrize("rows", [1, 32, 700])
def test_blocks_do_not_change_the_scores(rows: int) -> None:
    query = unit_rows(1, rows, 384)
    docs = [unit_rows(seed, 1 + 37 * seed % 113, 384) for seed in range(9)]
    expected = [(query.astype(np.float64) @ doc.T).max(axis=1).sum() for doc in docs]
    np.testing.assert_allclose(on_cpu(query, docs), expected, rtol=1e-6, atol=1e-5)
