"""The hybrid of three scores over an encoder of literal parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import Jointly

from harness.components.abilities import Footprint, Stores
from harness.components.protocols import Joint, Preparable, Reranker
from harness.components.rerankers.hybrid import Hybrid
from harness.components.timing import STAGES, recording
from harness.data import Doc
from harness.pipeline import embedding_cache

PARTS: dict[str, tuple[list[float], dict[int, float], list[list[float]]]] = {
    "right": ([1.0, 0.0], {3: 0.5}, [[1.0, 0.0]]),
    "up": ([0.0, 1.0], {3: 0.2, 7: 0.4}, [[0.0, 1.0]]),
    "both": ([0.6, 0.8], {7: 0.3, 9: 1.0}, [[1.0, 0.0], [0.0, 1.0]]),
    "silent": ([0.8, 0.6], {}, [[0.6, 0.8]]),
}


@dataclass(frozen=True)
class Literal(Jointly):
    """Gives PARTS, and notes what it was asked for."""

    asked: list[str] = field(default_factory=list, compare=False)

    def jointly(self, texts: Sequence[str]) -> Joint:
        self.asked.extend(texts)
        return Joint(
            np.array([PARTS[text][0] for text in texts], dtype=np.float32).reshape(-1, 2),
            [np.array(list(PARTS[t][1].items()), dtype=np.float32).reshape(-1, 2) for t in texts],
            [np.array(PARTS[text][2], dtype=np.float32) for text in texts],
        )


def docs(*texts: str) -> list[Doc]:
    return [Doc(str(i), text) for i, text in enumerate(texts)]


DOCS = docs("right", "up", "both", "silent")
BY_HAND = {
    # Of the query "both": inner products; sums of products of weights; means of the best of each
    # of its two tokens.
    "dense": [0.6, 0.8, 1.0, 0.96],
    "sparse": [0.0, 0.3 * 0.4, 0.3 * 0.3 + 1.0 * 1.0, 0.0],
    "multi_vector": [0.5, 0.5, 1.0, (0.6 + 0.8) / 2],
}


def mean(**weights: float) -> list[float]:
    parts = np.array([np.array(BY_HAND[name]) * weight for name, weight in weights.items()])
    return list(parts.sum(axis=0) / sum(weights.values()))


@pytest.mark.parametrize("documents", ["prepared", "mapped", "on_the_fly"])
@pytest.mark.parametrize(
    "weights",
    [
        {"dense": 0.4, "sparse": 0.2, "multi_vector": 0.4},
        {"dense": 1.0, "sparse": 0.3, "multi_vector": 1.0},
        {"dense": 0.0, "sparse": 1.0, "multi_vector": 0.0},
        {"dense": 2.0, "sparse": 0.0, "multi_vector": 0.0},
        {"dense": 0.0, "sparse": 0.0, "multi_vector": 0.5},
    ],
)
def test_scores_by_hand(weights: dict[str, float], documents: Any) -> None:
    reranker = Hybrid(Literal(), **weights, documents=documents)
    ready = reranker.prepare(DOCS)
    assert ready.score("both", DOCS) == pytest.approx(mean(**weights))
    assert reranker.score("both", DOCS) == pytest.approx(mean(**weights))
    assert ready.score("both", DOCS[::-1]) == pytest.approx(mean(**weights)[::-1])


def test_weights_are_those_of_the_readme_unless_others_are_said() -> None:
    expected = mean(dense=0.4, sparse=0.2, multi_vector=0.4)
    assert Hybrid(Literal()).score("both", DOCS) == pytest.approx(expected)


def test_query_without_terms_is_scored_by_the_others() -> None:
    reranker = Hybrid(Literal(), dense=0, sparse=1, multi_vector=0)
    assert reranker.score("silent", DOCS) == [0, 0, 0, 0]


def test_each_text_is_encoded_once() -> None:
    encoder = Literal()
    ready = Hybrid(encoder).prepare([*DOCS, *DOCS])
    assert encoder.asked == [doc.text for doc in DOCS]
    ready.score("up", DOCS)
    ready.score("both", DOCS)
    assert encoder.asked[len(DOCS) :] == ["up", "both"]


def test_stored_parts_come_from_one_call(tmp_path: Path) -> None:
    encoder = Literal()
    texts = [doc.text for doc in DOCS]
    for _ in range(2):  # the second finds everything on disk
        stored = embedding_cache.StoredEncoder(tmp_path, encoder, lambda *_: None)
        stored.encode(["up", "both"], "query")
        assert Hybrid(stored).prepare(DOCS).score("both", DOCS) == pytest.approx(
            mean(dense=0.4, sparse=0.2, multi_vector=0.4)
        )
        np.testing.assert_array_equal(
            stored.encode(texts, "doc", "dense"), encoder_parts(texts).dense
        )
        for one, other in zip(
            [*stored.encode(texts, "doc", "terms"), *stored.encode(texts, "doc", "tokens")],
            [*encoder_parts(texts).terms, *encoder_parts(texts).tokens],
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)
    assert sorted(encoder.asked) == sorted(["up", "both", *texts])


def encoder_parts(texts: Sequence[str]) -> Joint:
    return Literal().encode(texts, "doc")


@pytest.mark.parametrize(
    ("precision", "size"),
    # Over 3 documents: 4 token vectors of 2 dimensions at float32 8, int8 2 + 4, binary 1 byte
    # each; 3 dense vectors of 8 bytes; 5 terms of 8 bytes.
    [("float32", 32 + 24 + 40), ("int8", 24 + 24 + 40), ("binary", 4 + 24 + 40)],
)
def test_footprint_counts_all_parts_of_each_text_once(precision: Any, size: int) -> None:
    kept = Hybrid(Literal(), precision=precision).prepare(docs("right", "up", "both", "up"))
    assert isinstance(kept, Stores)
    assert kept.footprints() == [Footprint("token vectors", 3, 7, 2, precision, size)]


@pytest.mark.parametrize(
    ("documents", "stages"),
    [
        ("prepared", {"fetch", "encode_query", "score"}),
        ("on_the_fly", {"encode_docs", "encode_query", "score"}),
    ],
)
def test_stages(documents: Any, stages: set[str]) -> None:
    ready = Hybrid(Literal(), documents=documents).prepare(DOCS)
    with recording(STAGES) as seconds:
        ready.score("up", DOCS)
    assert set(seconds) == stages


def test_tokens_are_those_that_are_compared_or_read() -> None:
    assert Hybrid(Literal()).prepare(DOCS).count_tokens("up", DOCS) == 5  # type: ignore[attr-defined]
    assert Hybrid(Literal()).count_tokens("up", DOCS) == 0  # the encoder cannot count


def test_prepared_only_knows_its_documents() -> None:
    with pytest.raises(KeyError):
        Hybrid(Literal()).prepare(docs("up")).score("right", docs("right"))


def test_no_candidates() -> None:
    assert Hybrid(Literal()).score("up", []) == Hybrid(Literal()).prepare([]).score("up", []) == []


@pytest.mark.parametrize(
    "weights", [{"dense": -0.1}, {"dense": 0.0, "sparse": 0.0, "multi_vector": 0.0}]
)
def test_weights_that_make_no_mean_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no weight may be below 0"):
        Hybrid(Literal(), **weights)  # type: ignore[arg-type]


def test_is_a_reranker_that_can_be_prepared() -> None:
    assert isinstance(Hybrid(Literal()), Reranker)
    assert isinstance(Hybrid(Literal()), Preparable)
