"""How far two rankings agree, which no judgment is needed to know."""

from __future__ import annotations

from collections.abc import Sequence

PERSISTENCE = 0.9
"""Of the reader in rank-biased overlap: the first ten ranks have 86 % of the weight."""


def rank_biased_overlap(
    one: Sequence[str], other: Sequence[str], persistence: float = PERSISTENCE
) -> float:
    """The extrapolated rank-biased overlap of two rankings without ties, from 0 to 1.

    Equation 32 of Webber, Moffat and Zobel 2010, A similarity measure for indefinite rankings: beyond
    what is seen, the rankings are taken to agree as far as they do at its end. NaN where one of them
    is empty.
    """
    short, long = sorted((one, other), key=len)
    if not short:
        return float("nan")
    p, few, many = persistence, len(short), len(long)
    shared, of_short, of_long = 0, set[str](), set[str]()
    agreed = 0.0
    at_few = 0
    for depth, doc_id in enumerate(long, 1):
        mine = short[depth - 1] if depth <= few else None
        shared += doc_id in of_short or doc_id == mine
        shared += mine is not None and mine != doc_id and mine in of_long
        of_long.add(doc_id)
        if mine is not None:
            of_short.add(mine)
            at_few = shared
        else:
            agreed += at_few * (depth - few) / (few * depth) * p**depth
        agreed += shared / depth * p**depth
    end = (shared - at_few) / many + at_few / few
    return (1 - p) / p * agreed + end * p**many


def shared_first(one: Sequence[str], other: Sequence[str], depth: int = 10) -> float:
    """The share of the first `depth` documents that both rankings have; of the longer list, at most."""
    first, second = set(one[:depth]), set(other[:depth])
    return len(first & second) / max(len(first), len(second), 1)
