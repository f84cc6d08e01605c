"""Two processes that do the same thing at the same moment, again and again."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness.files import disk
from harness.pipeline.vector_store import VectorStore, keyed


def add_parts(folder: Path, times: int, barrier: Any) -> None:
    """Store the same part, `times` times another one."""
    store = VectorStore(folder)
    for number in range(times):
        texts = [f"{number} {place}" for place in range(4)]
        matrices = [np.full((2, 3), number, dtype=np.float32) for _ in texts]
        barrier.wait()
        keys = keyed(texts).keys
        with store.appending() as add:
            add(keys, matrices)
        assert not store.lacks(keys).any()
        assert float(np.concatenate(store.get(keys)).mean()) == number


def make_folders(folder: Path, times: int, barrier: Any) -> None:
    """Make the same folder, `times` times another one."""
    for number in range(times):
        barrier.wait()
        with disk.new_folder(folder / str(number)) as aside:
            (aside / "a").write_text(str(number))
            (aside / "b").write_text(str(number))


def head_on(work: Callable[[Path, int, Any], None], folder: Path, times: int) -> list[int | None]:
    """Have two processes do `work`; their exit codes."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2, timeout=60)
    both = [context.Process(target=work, args=(folder, times, barrier)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    return [process.exitcode for process in both]
