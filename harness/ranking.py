"""The one place where ties are broken."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.data import Hit
from harness.errors import ComponentError


def best(
    doc_ids: Sequence[str], scores: NDArray[np.float32], depth: int, among: NDArray[np.int64]
) -> list[Hit]:
    """The first `depth` hits of an index, by `ranked`, of the documents whose places are `among`.

    Every tie at the cut is ranked, so that none of them depends on the order of documents.
    """
    if len(among) > depth:
        among = among[scores[among] >= np.partition(scores[among], -depth)[-depth]]
    return ranked(Hit(doc_ids[place], float(scores[place])) for place in among.tolist())[:depth]


BEYOND = 2.0**128 - 2.0**103
"""From here on float32, in which trec_eval compares scores, rounds to infinity."""


def score_fault(score: float) -> str | None:
    """Why `score` cannot rank a document, as the end of a sentence; None where it can."""
    if not math.isfinite(score):
        return f"is not a finite number: {score}"
    if abs(score) >= BEYOND:
        return f"does not fit float32, in which trec_eval compares: {score:g} is beyond ±3.4e+38"
    return None


def ranked(hits: Iterable[Hit]) -> list[Hit]:
    """`hits` by (score as float32 descending, doc_id descending), as trec_eval orders a run.

    The scores returned are the float32 values that decided. Two scores that differ only beyond
    float32 are a tie (trec_eval reads scores as C floats), and a tie goes to the greater doc_id.
    Raises ComponentError for a score that `score_fault` tells of.
    """
    hits = list(hits)
    with np.errstate(over="ignore"):
        scores = np.array([hit.score for hit in hits], dtype=np.float32)
    if not np.isfinite(scores).all():
        first = hits[int(np.flatnonzero(~np.isfinite(scores))[0])]
        raise ComponentError(
            f"document {first.doc_id!r} has a score that {score_fault(first.score)}"
        )
    cast = (Hit(hit.doc_id, score) for hit, score in zip(hits, scores.tolist(), strict=True))
    return sorted(cast, key=lambda hit: (hit.score, hit.doc_id), reverse=True)
