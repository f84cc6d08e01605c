"""Texts that several workers encode: the same batches, and the same files, as one makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.experiment.tasks import TextRange
from harness.pipeline import embedding_cache, text_ranges
from harness.pipeline.embedding_cache import fill
from harness.pipeline.vector_store import VectorStore, keyed

PER_PART = 4
STORE = "encoder/encode_docs"


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_cache, "TEXTS_PER_PART", PER_PART)


class Batches:
    """An encoder whose vectors tell which texts came together."""

    def __init__(self) -> None:
        self.seen: list[Sequence[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[list[NDArray[np.float32]]]:
        self.seen.append(texts)
        return [[np.full((1, 2), len("".join(texts)), dtype=np.float32) for _ in texts]]


def fill_store(folder: Path, texts: Sequence[str], batches: Batches) -> None:
    fill([VectorStore(folder / STORE)], texts, keyed(texts), batches, lambda *_: None)


def in_order(texts: Sequence[str]) -> list[str]:
    """As they are encoded: the longest first, and those of one length by key."""
    keys = dict(zip(texts, keyed(texts).keys.tolist(), strict=True))
    return sorted(texts, key=lambda text: (-len(text), keys[text]))


def encode(
    folder: Path, texts: Sequence[str], mine: TextRange | None = None, workers: int = 2
) -> list[Sequence[str]]:
    batches = Batches()
    with text_ranges.shared(workers, mine):
        fill_store(folder, texts, batches)
    return batches.seen


def stored(folder: Path, texts: Sequence[str]) -> list[float]:
    """What each text was encoded to."""
    vectors = VectorStore(folder / STORE).get(keyed(texts).keys).stacked()
    found: list[float] = vectors[:, 0].tolist()
    return found


def ranges_of(folder: Path, texts: Sequence[str]) -> Sequence[TextRange]:
    with pytest.raises(text_ranges.UnencodedError) as found:
        encode(folder, texts)
    return found.value.ranges


def test_ranges_in_any_order_make_the_vectors_of_one_process(tmp_path: Path) -> None:
    texts = [f"{'word ' * (i % 5)}{i}" for i in range(30)]
    known = texts[3:20:5]  # by another experiment, so that batches begin elsewhere
    for name in ("one", "several"):
        alone = Batches()
        fill_store(tmp_path / name, known, alone)
    fill_store(tmp_path / "one", texts, Batches())
    several = tmp_path / "several"
    ranges = ranges_of(several, texts)
    assert len(ranges) > 2
    for one in reversed(ranges):
        with pytest.raises(text_ranges.RangeEncodedError):
            encode(several, texts, one)
    assert stored(several, texts) == stored(tmp_path / "one", texts)
    assert encode(several, texts) == []


def test_a_range_that_was_begun_is_finished_with_the_same_batches(tmp_path: Path) -> None:
    texts = in_order([f"{i:03}" for i in range(24)])
    first, *_ = ranges_of(tmp_path, texts)  # six parts: a quarter of them begins the second
    whole = [texts[i : i + PER_PART] for i in range(0, 8, PER_PART)]
    batches = Batches()
    fill_store(tmp_path, whole[0], batches)
    with pytest.raises(text_ranges.RangeEncodedError), text_ranges.shared(2, first):
        fill_store(tmp_path, texts, batches)
    assert batches.seen == whole


def test_little_is_encoded_at_once_and_queries_always(tmp_path: Path) -> None:
    texts = in_order([f"{i:03}" for i in range(PER_PART)])
    assert encode(tmp_path, texts) == [texts]
    many = [f"{i:03}" for i in range(3 * PER_PART)]
    with text_ranges.shared(2, None):
        taken = text_ranges.to_encode("encoder/encode_queries", keyed(many), PER_PART)
    assert many[taken] == many


def cut(texts: Sequence[str], workers: int) -> list[slice]:
    """Where the ranges for so many workers lie."""
    missing, found = keyed(texts), []
    with pytest.raises(text_ranges.UnencodedError) as cut, text_ranges.shared(workers, None):
        text_ranges.to_encode(STORE, missing, PER_PART)
    for one in cut.value.ranges:
        with text_ranges.shared(workers, one):
            found.append(text_ranges.to_encode(STORE, missing, PER_PART))
    return found


@given(st.lists(st.text(max_size=6), unique=True, min_size=5, max_size=60), st.integers(2, 12))
def test_every_text_is_in_one_range(texts: list[str], workers: int) -> None:
    texts = in_order(texts)
    ranges = cut(texts, workers)
    assert len(ranges) > 1
    assert all(mine.start % PER_PART == 0 for mine in ranges)
    assert [text for mine in ranges for text in texts[mine]] == texts


def test_ranges_are_large_first_and_small_in_the_end() -> None:
    texts = in_order([f"{i:05}" for i in range(4096 * PER_PART)])
    sizes = [(mine.stop - mine.start) / len(texts) for mine in cut(texts, 4)]
    assert sizes[:2] == [1 / 8, pytest.approx(7 / 64, abs=1e-3)]
    assert sizes == sorted(sizes, reverse=True)
    # the smallest is a 64th of a worker's fourth; what is left after it may be less
    assert sizes[-2] == pytest.approx(1 / 256, abs=1e-3)
    assert len(sizes) < 64
