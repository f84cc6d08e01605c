"""MaxSim of 100 candidates against `pylate.rank.rerank`, on the same vectors, in one run.

On one thread. The arms run in random order in every round, each round with other documents; a
ratio is pylate's seconds by ours of the same round (above 1 is faster than pylate). The machine's
own rates are measured in the same run.
"""

from __future__ import annotations

import os

for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
    os.environ[f"{library}_NUM_THREADS"] = "1"  # read once, when the library is loaded

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from pylate import rank

from harness.components.vectors import token_index
from harness.components.vectors.compression import Precision, unit
from harness.components.vectors.maxsim import maxsim
from harness.components.vectors.token_index import TokenIndex

DIMS = (128, 384)
DOCUMENTS, CANDIDATES, ROUNDS = 5000, 100, 60
QUERY_TOKENS, MOST_TOKENS = 32, 180
PRECISIONS: Sequence[Precision] = get_args(Precision)

Matrix = NDArray[np.float32]


class Rates(NamedTuple):
    flops: float
    bytes: float


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rates() -> Rates:
    """The best of several: products of 2048 x 2048 matrices; copies of 256 MiB, read and written."""
    square = np.ones((2048, 2048), dtype=np.float32)
    long, copy = np.ones(2**26, dtype=np.float32), np.zeros(2**26, dtype=np.float32)
    products = min(seconds(lambda: square @ square) for _ in range(5))
    copies = min(seconds(lambda: np.copyto(copy, long)) for _ in range(5))
    return Rates(2 * 2048**3 / products, 2 * long.nbytes / copies)


def rows(rng: np.random.Generator, count: int, dim: int) -> Matrix:
    """Unit vectors that all point somewhat the same way, as a model's do: cosines about 0.3.

    Negative ones would be raised by pylate's padding, and the scores would differ.
    """
    return unit(rng.normal(0.65, 1, size=(count, dim)).astype(np.float32))


def documents(rng: np.random.Generator, dim: int) -> list[Matrix]:
    lengths = np.clip(rng.normal(111, 40, DOCUMENTS), 8, MOST_TOKENS).astype(int)
    return [rows(rng, length, dim) for length in lengths.tolist()]


def pylate_scores(query: Matrix, docs: Sequence[Matrix]) -> list[float]:
    (found,) = rank.rerank([list(range(len(docs)))], [query], [docs])
    return [result["score"] for result in sorted(found, key=lambda result: result["id"])]


def fetched_scores(query: Matrix, index: TokenIndex, places: Sequence[int]) -> Matrix:
    vectors, lengths = index.fetch(places)
    return maxsim(query, vectors, lengths)


def measure(dim: int, machine: Rates) -> None:
    rng = np.random.default_rng(dim)
    docs, query = documents(rng, dim), rows(rng, QUERY_TOKENS, dim)
    indexes = {precision: token_index.build(docs, precision) for precision in PRECISIONS}
    took: dict[str, list[float]] = defaultdict(list)
    tokens: list[int] = []
    worst = 0.0
    for _ in range(ROUNDS):
        places = rng.choice(DOCUMENTS, CANDIDATES, replace=False).tolist()
        candidates = [docs[place] for place in places]
        ready = indexes["float32"].fetch(places)
        arms: dict[str, Callable[[], object]] = {
            "pylate": lambda d=candidates: pylate_scores(query, d),
            "score": lambda r=ready: maxsim(query, *r),
        }
        for name, index in indexes.items():
            arms[f"fetch {name}"] = lambda i=index, p=places: i.fetch(p)
            arms[f"fetch {name} and score"] = lambda i=index, p=places: fetched_scores(query, i, p)
        for name in random.sample(list(arms), len(arms)):
            took[name].append(seconds(arms[name]))
        tokens.append(len(ready.vectors))
        difference = np.abs(pylate_scores(query, candidates) - maxsim(query, *ready))
        worst = max(worst, float(difference.max()))
    report(dim, took, statistics.mean(tokens), machine)
    print(f"  greatest difference of a score from pylate's: {worst:.1e}")


def report(dim: int, took: dict[str, list[float]], tokens: float, machine: Rates) -> None:
    print(f"{dim} dimensions, {tokens / CANDIDATES:.0f} tokens a document on average:")
    for name, values in sorted(took.items()):
        ratios = [theirs / ours for theirs, ours in zip(took["pylate"], values, strict=True)]
        middle = statistics.median(values)
        line = f"  {name:26} {middle * 1000:6.2f} ms"
        if name != "pylate" and name.endswith("score"):
            line += f"  ratio {statistics.median(ratios):.2f}"
            line += f" (min {min(ratios):.2f}, max {max(ratios):.2f})"
        print(line + share(name, dim, tokens, middle, machine))
    least = 2 * QUERY_TOKENS * dim * tokens / machine.flops
    most = statistics.median(took["pylate"]) / least
    print(f"  At the machine's full rate of products the ratio would be {most:.2f}.")


def share(name: str, dim: int, tokens: float, took: float, machine: Rates) -> str:
    """How much of the machine's rate an arm reaches that does one thing."""
    if name in ("pylate", "score"):  # the products of real tokens; padding is no work
        rate = 2 * QUERY_TOKENS * dim * tokens / took
        return f"  {rate / 1e9:.0f} GFLOP/s, {rate / machine.flops:.0%} of the machine's"
    if name == "fetch float32":
        rate = 2 * 4 * dim * tokens / took
        return f"  {rate / 1e9:.1f} GB/s, {rate / machine.bytes:.0%} of the machine's"
    return ""


def main() -> None:
    torch.set_num_threads(1)
    machine = rates()
    print(
        f"One thread: {machine.flops / 1e9:.0f} GFLOP/s in large float32 products, "
        f"{machine.bytes / 1e9:.1f} GB/s read and written in large copies."
    )
    print(
        f"{CANDIDATES} of {DOCUMENTS} documents of up to {MOST_TOKENS} tokens, "
        f"{QUERY_TOKENS} query tokens, medians of {ROUNDS} interleaved rounds:"
    )
    for dim in DIMS:
        measure(dim, machine)


if __name__ == "__main__":
    main()
