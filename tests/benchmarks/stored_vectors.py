"""What the store of encoded texts costs beside the encoder, and how long it takes to open.

    python tests/benchmarks/stored_vectors.py [TEXTS [KEYS]]

TEXTS (default: 1,000,000) texts of 60 words go through a `StoredEncoder` whose encoder gives the same
384 numbers for every text, once to be stored and once, in another process, to be read. Then a store of
KEYS (default: 10,000,000) random keys without vectors is opened and asked for 1,000 of them. Processes
may open 256 files each. Printed are seconds on the clock and of the processor, the encoder's apart, peak
memory and the number of files.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.pipeline.embedding_cache import StoredEncoder
from harness.pipeline.vector_store import VectorStore

DIM = 384
FILES = 256
KEYS_PER_PART = 10_000


class Fixed:
    """An encoder that takes no time, and notes what it took."""

    gives = "dense"

    def __init__(self) -> None:
        """Nothing is encoded."""
        self.seconds = 0.0
        self.texts = 0

    def encode(self, texts: Sequence[str], side: str) -> Any:
        """The same vector for every text."""
        del side
        begun = time.perf_counter()
        found = np.full((len(texts), DIM), DIM**-0.5, dtype=np.float32)
        self.seconds += time.perf_counter() - begun
        self.texts += len(texts)
        return found


def main() -> None:
    """Print a line for each thing that was done."""
    count, keys = (*map(int, sys.argv[1:]), 1_000_000, 10_000_000)[:2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what in ("stored", "read"):
            _apart(_encoded, folder / "encoded", count, what)
        print(f"{len(list((folder / 'encoded').rglob('*.*')))} files")
        _apart(_fill, folder / "keys", keys)
        _apart(_opened, folder / "keys", keys)


def _apart(work: Callable[..., None], *arguments: object) -> None:
    """Do it in a process of its own, whose peak of memory is its own."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0


def _encoded(folder: Path, count: int, what: str) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    words = [f"word{number}" for number in range(1000)]
    texts = [f"{n} " + " ".join(words[(n + i) % 1000] for i in range(59)) for n in range(count)]
    encoder, before = Fixed(), _peak()
    with _Timed(f"{count:,} texts of {sum(map(len, texts)) // count} characters {what}") as timed:
        found = StoredEncoder(folder, encoder, lambda *_: None).encode(texts, "doc")
        timed.without = encoder.seconds
    assert found.shape == (count, DIM)
    print(f"    {encoder.texts:,} encoded; memory before {before:,.0f}, at most {_peak():,.0f} MiB")


def _fill(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    rows = np.empty((KEYS_PER_PART, 1, 1), np.float16)
    with VectorStore(folder).appending() as add:
        for _ in range(count // KEYS_PER_PART):
            add(rng.integers(0, 2**64, (KEYS_PER_PART, 2), np.uint64), rows)


def _opened(folder: Path, count: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    with _Timed(f"{count:,} texts opened"):
        store = VectorStore(folder)
    keys = np.random.default_rng(0).integers(0, 2**64, (1_000, 2), np.uint64)
    with _Timed("1,000 of them found"):
        assert not store.lacks(keys).any()
    print(f"    memory at most {_peak():,.0f} MiB")


class _Timed:
    """Prints how long a block took."""

    def __init__(self, what: str) -> None:
        self.what, self.without = what, 0.0

    def __enter__(self) -> Self:
        self.clock, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        clock, cpu = time.perf_counter() - self.clock, time.process_time() - self.cpu
        print(f"{self.what}: {clock - self.without:.2f} s, {cpu - self.without:.2f} s of processor")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
