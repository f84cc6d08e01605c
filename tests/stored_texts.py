"""A few texts and their matrices, for tests of what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.components.vectors.compression import CachePrecision
from harness.pipeline.vector_store import VectorStore, keyed

TEXTS = ["a", "bb", "ccc", "dddd", "eeeee"]
PARTS = [["eeeee", "dddd"], ["ccc", "bb"], ["a"]]


def matrix(text: str) -> NDArray[np.float32]:
    """As many rows as characters, each telling the text."""
    return np.array([[len(text), i, ord(text[0])] for i in range(len(text))], dtype=np.float32)


def add(store: VectorStore, *parts: Sequence[str]) -> None:
    with store.appending() as append:
        for texts in parts:
            append(keyed(texts).keys, list(map(matrix, texts)))


def filled(folder: Path, precision: CachePrecision | None = None) -> VectorStore:
    store = VectorStore(folder, precision)
    add(store, *PARTS)
    return store


def missing(store: VectorStore, texts: Sequence[str] = TEXTS) -> list[str]:
    return [text for text, no in zip(texts, store.lacks(keyed(texts).keys), strict=True) if no]


def assert_complete(store: VectorStore, texts: Sequence[str] = TEXTS) -> None:
    assert missing(store, texts) == []
    for text, found in zip(texts, store.get(keyed(texts).keys), strict=True):
        np.testing.assert_array_equal(found, matrix(text))
