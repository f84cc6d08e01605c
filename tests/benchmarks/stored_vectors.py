"""What reading stored vectors from files that are opened and closed costs, beside maps that stay open.

    python tests/benchmarks/stored_vectors.py [TEXTS]

TEXTS (default: 51,200) texts are stored once by `harness.pipeline.shards`, and once more as files
of which a memory map each stays open, a descriptor each. All are then read in the order of a
dataset, not of the shards, and each is looked at; and again a hundred of them at a time, as a
reranker's candidates. Both ways come in turns. Printed are the seconds, as ratio how many times the
maps' the harness takes, and what checking all digests took before. The first line has vectors of
384 numbers, one a text; the second 40 a text of 128 numbers.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.pipeline.embedding_cache import TEXTS_PER_SHARD, VectorStore, text_key

PAIRS = 5
TOGETHER = 100
"""Texts of a small part, and how many such parts are read."""


def main() -> None:
    """Print a line for each shape of vectors, and for all texts and few at a time."""
    count = int(sys.argv[1]) if sys.argv[1:] else 51_200
    for rows, dim, texts in ((1, 384, count), (40, 128, count // 16)):
        with tempfile.TemporaryDirectory() as folder:
            _compare(Path(folder), rows, dim, texts)


class Mapped:
    """Views of memory maps, one map a shard."""

    def __init__(self) -> None:
        """Nothing is stored."""
        self.places: dict[str, tuple[Any, int]] = {}

    def add(self, file: Path, texts: Sequence[str], matrices: Sequence[Any]) -> None:
        """Write a shard and map it."""
        np.save(file, np.array(matrices))
        mapped = np.load(file, mmap_mode="r")
        self.places |= {text_key(text): (mapped, i) for i, text in enumerate(texts)}

    def get(self, texts: Sequence[str]) -> list[Any]:
        """Their matrices."""
        places = (self.places[text_key(text)] for text in texts)
        return [mapped[i] for mapped, i in places]


def _compare(folder: Path, rows: int, dim: int, count: int) -> None:
    rng = np.random.default_rng(0)
    texts = [f"text {number}" for number in range(count)]
    store, mapped = VectorStore(folder / "store"), Mapped()
    for start in range(0, count, TEXTS_PER_SHARD):
        part = texts[start : start + TEXTS_PER_SHARD]
        matrices = list(rng.random((len(part), rows, dim), dtype=np.float32))
        store.add(part, matrices)
        mapped.add(folder / f"{start}.npy", part, matrices)
    order = [texts[i] for i in rng.permutation(count)]
    few = [order[start : start + TOGETHER] for start in range(0, count, TOGETHER)]
    shape = f"{count:,} texts of {rows} x {dim}"
    begun = time.perf_counter()
    assert store.missing(texts) == []
    checked = time.perf_counter() - begun
    for name, parts in ((f"{shape}, all", [order]), (f"{shape}, {TOGETHER} at a time", few)):
        ways: dict[str, Callable[[Sequence[str]], Any]] = {"open": store.get, "maps": mapped.get}
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(PAIRS):
            for way, get in ways.items():
                found[way].append(_seconds(get, parts))
        ours, theirs = (statistics.median(seconds) for seconds in found.values())
        seconds = f"{ours:.3f} s, by maps {theirs:.3f} s: ratio {ours / theirs:.2f}"
        print(f"{name:44} {seconds}; checked in {checked:.3f} s")


def _seconds(get: Callable[[Sequence[str]], Any], parts: Sequence[Sequence[str]]) -> float:
    begun = time.perf_counter()
    for part in parts:
        for matrix in get(part):
            matrix.sum()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
