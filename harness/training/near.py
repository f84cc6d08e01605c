"""Measured queries near those that a model learnt from, which may show what it remembers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from harness.data import Query, words

ALIKE = 0.8
"""Queries are near each other where so great a share of the words of both is in both."""


def near_learnt(measured: Sequence[Query], learnt: Iterable[str]) -> list[str]:
    """Ids of the queries that are near a text that was learnt from, whatever the order of the words."""
    holders: defaultdict[str, list[frozenset[str]]] = defaultdict(list)
    for other in {frozenset(words(text)) for text in learnt}:
        for word in other:
            holders[word].append(other)
    found = []
    for query in measured:
        own = frozenset(words(query.text))
        # Whatever is near lacks few of its words, and so has one of its few rarest.
        few = len(own) - math.ceil(ALIKE * len(own)) + 1
        rare = sorted(own, key=lambda word: len(holders.get(word, ())))[:few]
        others = (other for word in rare for other in holders.get(word, ()))
        if any(len(own & other) >= ALIKE * len(own | other) for other in others):
            found.append(query.query_id)
    return found
