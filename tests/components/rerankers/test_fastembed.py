"""fastembed's cross-encoders score as the same weights do under torch, and say what they cut."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.components.rerankers.fastembed import Fastembed
from harness.data import Doc
from harness.errors import ModelError

Exported = Callable[[str], str]

BGE = "BAAI/bge-reranker-base"
MS_MARCO = "cross-encoder/ms-marco-MiniLM-L6-v2"
TEXTS = ["the cat is blue", "", "a list, of stone!", "Sort (the) list?", "dog", "river " * 300]
DOCS = [Doc(str(i), text) for i, text in enumerate(TEXTS)]

pytestmark = pytest.mark.usefixtures("hub", "no_network")


@pytest.mark.parametrize("reference", [BGE, MS_MARCO])
@pytest.mark.parametrize("query", ["sort the list", "cat", ""])
def test_scores_are_those_of_torch(exported: Exported, reference: str, query: str) -> None:
    expected = CrossEncoder(reference, device="cpu").score(query, DOCS)
    found = Fastembed(exported(reference)).score(query, DOCS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_long_query_is_cut_where_torch_cuts_otherwise(exported: Exported) -> None:
    query = "river " * 40
    theirs = CrossEncoder(MS_MARCO, max_length=16, device="cpu").score(query, DOCS)
    ours = Fastembed(exported(MS_MARCO), max_length=16).score(query, DOCS)
    assert np.isfinite(ours).all()
    assert not np.allclose(ours, theirs, atol=1e-3)


def test_batches_do_not_matter(exported: Exported) -> None:
    one, many = (
        Fastembed(exported(MS_MARCO), batch_size=size).score("cat", DOCS) for size in (1, 32)
    )
    np.testing.assert_allclose(one, many, rtol=0, atol=1e-5)


def test_int8_is_near_and_not_equal(exported: Exported) -> None:
    """On every processor: with signed weights sums of products saturated where VNNI is missing."""
    expected = np.array(Fastembed(exported(MS_MARCO)).score("cat", DOCS))
    found = np.array(Fastembed(exported(MS_MARCO), file="onnx/model_int8.onnx").score("cat", DOCS))
    assert 0 < np.abs(found - expected).max() < 0.2 * np.abs(expected).max()


@pytest.mark.parametrize("words", [0, 1, 5, 6, 7, 8, 12, 13, 14, 40])
@pytest.mark.parametrize("limit", [16, 17])
def test_what_is_longer_than_its_room_is_cut_and_nothing_else(
    exported: Exported, words: int, limit: int
) -> None:
    reranker, query = Fastembed(exported(MS_MARCO), max_length=limit), "river " * words
    texts = ["dog " * count for count in range(20)]
    room, lengths = reranker.room(query), reranker.doc_lengths(texts)
    tokenizer = reranker.loaded().inner.tokenizer
    for text, length in zip(texts, lengths, strict=True):
        row = tokenizer.encode(query, text)
        kept = sum(row.type_ids) - 1  # of the second text, without its [SEP]
        assert (kept < length) == (length > room)


def test_tokens_are_counted_as_torch_counts_them(exported: Exported) -> None:
    expected = CrossEncoder(MS_MARCO, device="cpu").count_tokens("sort the list", DOCS)
    assert Fastembed(exported(MS_MARCO)).count_tokens("sort the list", DOCS) == expected
    assert Fastembed(exported(MS_MARCO)).count_tokens("cat", []) == 0


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("sentence-transformers/minilm", r"gives vectors \(shape \(1, .*, 32\)\) for one pair"),
        ("cross-encoder/two-labels", "gives 2 labels and a reranker one score: say which"),
    ],
)
def test_graph_without_one_score_a_pair_is_refused(
    exported: Exported, reference: str, said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        Fastembed(exported(reference)).load()
