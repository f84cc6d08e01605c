"""MaxSim against `pylate.rank.rerank`, `lateweave` and torch, on the same vectors, in one run.

    python tests/benchmarks/maxsim.py [ROUNDS]

On one thread, for 10, 100 and 1,000 candidates. The arms run in random order in every round (default:
60), each round with other documents; a ratio is theirs by ours of the same round (above 1: ours is
faster). Of 1,000 candidates it is a third of the rounds. `lateweave` is measured where it is
installed (`pip install lateweave`). The machine's own rates are measured in the same run. Milliseconds
are the processor's: a busy machine stretches them less than those of the wall.
"""

from __future__ import annotations

import os

for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
    os.environ[f"{library}_NUM_THREADS"] = "1"  # read once, when the library is loaded

import importlib
import importlib.util
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pylate import rank

from harness.components.vectors import token_index
from harness.components.vectors.compression import Precision, unit
from harness.components.vectors.maxsim import maxsim, maxsim_on_device
from harness.components.vectors.token_index import Tokens

DIMS = (96, 128, 384)
DOCUMENTS, CANDIDATES, ROUNDS = 5000, (10, 100, 1000), 60
QUERY_TOKENS, MOST_TOKENS = 32, 180
PRECISIONS: Sequence[Precision] = ("float32", "int8")
THEIRS = ("pylate", "lateweave", "torch")

lateweave: Any = importlib.util.find_spec("lateweave") and importlib.import_module("lateweave")

Matrix = NDArray[np.float32]


class Rates(NamedTuple):
    flops: float
    bytes: float


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


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


def lateweave_scores(query: Matrix, ready: Tokens) -> Matrix:
    scores: Matrix = lateweave.maxsim_scores_packed(query, *ready, threads=1)
    return scores


def torch_scores(query: Matrix, ready: Tokens) -> Matrix:
    return maxsim_on_device(query, torch.from_numpy(ready.vectors), ready.lengths)


def scorers(query: Matrix) -> dict[str, Callable[[Tokens], Matrix]]:
    """What scores vectors that lie one document after the other."""
    found: dict[str, Callable[[Tokens], Matrix]] = {"ours": lambda ready: maxsim(query, *ready)}
    found["torch"] = lambda ready: torch_scores(query, ready)
    if lateweave:
        found["lateweave"] = lambda ready: lateweave_scores(query, ready)
    return found


def measure(dim: int, machine: Rates, most: int) -> None:
    rng = np.random.default_rng(dim)
    docs, query = documents(rng, dim), rows(rng, QUERY_TOKENS, dim)
    indexes = {precision: token_index.build(docs, precision) for precision in PRECISIONS}
    of = scorers(query)
    for count in CANDIDATES:
        took: dict[str, list[float]] = defaultdict(list)
        tokens, worst = [], 0.0
        for _ in range(max(1, most // 3) if count == max(CANDIDATES) else most):
            places = rng.choice(DOCUMENTS, count, replace=False).tolist()
            candidates = [docs[place] for place in places]
            ready = indexes["float32"].fetch(places)
            arms: dict[str, Callable[[], object]] = {
                "pylate": lambda d=candidates: pylate_scores(query, d)
            }
            for name, score in of.items():
                arms[name] = lambda s=score, r=ready: s(r)
                for kept, index in indexes.items():
                    arms[f"{name}, fetched {kept}"] = lambda s=score, i=index, p=places: s(
                        i.fetch(p)
                    )
            for name in random.sample(list(arms), len(arms)):
                took[name].append(seconds(arms[name]))
            tokens.append(len(ready.vectors))
            others = [pylate_scores(query, candidates), *(score(ready) for score in of.values())]
            worst = max(worst, float(np.ptp(others, axis=0).max()))
        report(dim, count, took, statistics.mean(tokens), machine)
        print(f"  greatest difference between scores of the same document: {worst:.1e}")


def report(
    dim: int, count: int, took: dict[str, list[float]], tokens: float, machine: Rates
) -> None:
    """A line an arm: its median, and what it takes in times of ours that does the same."""
    print(f"{dim} dimensions, {count} candidates, {tokens / count:.0f} tokens each on average:")
    for name, values in sorted(took.items()):
        who, _, kept = name.partition(", ")
        middle = statistics.median(values)
        line = f"  {name:28} {middle * 1000:8.2f} ms"
        if who in THEIRS:
            ours = took[f"ours, {kept}" if kept else "ours"]
            ratios = [theirs / mine for theirs, mine in zip(values, ours, strict=True)]
            line += f"  {statistics.median(ratios):5.2f} times ours"
            line += f" (min {min(ratios):.2f}, max {max(ratios):.2f})"
        elif not kept:
            rate = 2 * QUERY_TOKENS * dim * tokens / middle
            line += f"  {rate / 1e9:.0f} GFLOP/s, {rate / machine.flops:.0%} of the machine's"
        print(line)


def main() -> None:
    torch.set_num_threads(1)
    machine, most = rates(), int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    print(
        f"One thread: {machine.flops / 1e9:.0f} GFLOP/s in large float32 products, "
        f"{machine.bytes / 1e9:.1f} GB/s read and written in large copies."
    )
    print(
        f"Of {DOCUMENTS} documents of up to {MOST_TOKENS} tokens, {QUERY_TOKENS} query tokens, "
        f"medians of {most} interleaved rounds:"
    )
    if not lateweave:
        print("lateweave: not measured, because it is not installed.")
    for dim in DIMS:
        measure(dim, machine, most)


if __name__ == "__main__":
    main()
