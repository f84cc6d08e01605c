"""The least and the most that any judgments of what is unjudged could make of a gain in nDCG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np


class Bounds(NamedTuple):
    """Between which the gain of one query lies, whatever people say."""

    low: float
    high: float


def gain_bounds(
    one: Sequence[str],
    baseline: Sequence[str],
    grades: Mapping[str, int],
    most: int,
    depth: int = 10,
) -> Bounds:
    """The bounds of nDCG@`depth` of `one` less that of `baseline` for one query.

    `grades` are those given so far, of any document; `most` is the highest that may be given. The
    ideal ranking grows with every grade, and is linear between two orders of the grades: so that the
    extremes have unjudged documents at 0, at `most`, or level with one that is judged, and none above
    another that gains more. All those are looked at, so that the bounds are exact.
    """
    high = _highest(one[:depth], baseline[:depth], grades, most, depth)
    return Bounds(-_highest(baseline[:depth], one[:depth], grades, most, depth), high)


def _highest(
    one: Sequence[str], other: Sequence[str], grades: Mapping[str, int], most: int, depth: int
) -> float:
    """The most that `one` can be above `other`."""
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    weights = dict.fromkeys([*one, *other], 0.0)
    for ranking, sign in ((one, 1.0), (other, -1.0)):
        for doc_id, discount in zip(ranking, discounts.tolist(), strict=False):
            weights[doc_id] += sign * discount
    given = sum(weights[doc_id] * max(grades.get(doc_id, 0), 0) for doc_id in weights)
    free = np.sort([weight for doc_id, weight in weights.items() if doc_id not in grades])[::-1]
    if not grades:  # then the best is that the first few of `free` are relevant
        norms = np.cumsum(discounts)[np.minimum(np.arange(len(free)), depth - 1)]
        return float(max([0.0, *np.cumsum(free) / norms]))
    judged = [max(grade, 0) for grade in grades.values()]
    levels = sorted({0, most, *(grade for grade in judged if grade < most)}, reverse=True)
    filled = np.full(depth, most)
    values = []
    for chosen in combinations_with_replacement(levels, len(free)):
        gained = given + float(free @ np.array(chosen)) if len(free) else given
        # A loss is least where documents that neither ranking has fill the ideal one.
        ideal = [*judged, *chosen, *(filled if gained < 0 else ())]
        best = np.sort(np.array(ideal or [0]))[::-1][:depth]
        norm = float(best @ discounts[: len(best)])
        values.append(gained / norm if norm else 0.0)
    return max(values)
