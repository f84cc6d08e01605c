"""The tables that pass between measurement and reading, and the one place where ties are broken."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from harness.data import Hit

TRIALS = ("dataset", "system", "key", "status", "retriever", "reranker", "config", "reason")
"""One row a trial; `config` is the system's full configuration as JSON, `reason` why it failed."""

MEASUREMENTS = ("dataset", "system", "query_id", "metric", "value")
"""One row a trial, query and metric."""

TIMINGS = ("dataset", "system", "stage", "seconds", "finished")
"""Wall-clock seconds of a stage as it was run; `finished` is UTC, ISO 8601."""

STORAGE = ("dataset", "system", "holder", "documents", "vectors", "dim", "precision", "bytes")
"""Bytes of the vectors that a stage keeps, with what they were counted over."""


def ranked(hits: Iterable[Hit]) -> list[Hit]:
    """`hits` by (score as float32 descending, doc_id descending), as trec_eval orders a run.

    The scores returned are the float32 values that decided. Two scores that differ only beyond
    float32 are a tie (trec_eval reads scores as C floats), and a tie goes to the greater doc_id.
    Raises ValueError for a score that is not finite.
    """
    hits = list(hits)
    with np.errstate(over="ignore"):
        scores = np.array([hit.score for hit in hits], dtype=np.float32)
    if not np.isfinite(scores).all():
        first = hits[int(np.flatnonzero(~np.isfinite(scores))[0])]
        raise ValueError(f"document {first.doc_id!r} has the score {first.score}")
    cast = (Hit(hit.doc_id, score) for hit, score in zip(hits, scores.tolist(), strict=True))
    return sorted(cast, key=lambda hit: (hit.score, hit.doc_id), reverse=True)
