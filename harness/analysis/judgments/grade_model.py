"""What grades the unjudged documents of a pool may have, from those that were given so far.

The model only says what to judge first and what to predict: the estimate is right however wrong it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analysis.judgments.pool import Grades, Pool

Places = NDArray[np.int64]
Values = NDArray[np.float64]

RANKS = (1, 2, 3, 5, 8)
"""First ranks of the groups of ranks whose documents are taken to be alike."""

TOGETHER = 3
"""So many systems and more are taken to be alike, too."""

LEVELS = 4
"""Grades from 0; a higher one counts as a level of its own as soon as it is given."""

FIRST = (0.7, 0.1, 0.1, 0.1)
"""Shares of grades before any was given."""

TRUST = 6.0
"""So many grades weigh as much as what is known of all groups together."""

SAMPLES = 64
"""Grades drawn for each unjudged document."""

UNKNOWN = -1


class Layout(NamedTuple):
    """The pool as arrays; N queries with at most D documents each, and C contenders."""

    names: Sequence[str]
    """The queries' ids."""
    docs: Sequence[Sequence[str]]
    """Of each query."""
    there: NDArray[np.bool_]
    """Shape (N, D): which places hold a document."""
    weights: Values
    """Shape (N, D, C): the discount of a document's rank in the contender, less that in the baseline."""
    groups: Places
    """Shape (N, D): documents of one group are taken to be alike."""
    discounts: Values
    """Shape (depth,), of the ideal ranking."""


class Guess(NamedTuple):
    """Gains of the contenders in some queries, as far as grades are known."""

    mean: Values
    """Shape (queries, C)."""
    variance: Values
    """Shape (queries, C)."""


def layout(pool: Pool) -> Layout:
    """The pool as arrays; the contenders are all systems but the baseline, in their order."""
    names = list(pool.queries)
    docs = [pool.items(name) for name in names]
    systems = [pool.baseline, *(name for name in pool.systems if name != pool.baseline)]
    shape = (len(names), max([1, *map(len, docs)]))
    ranks = np.full((*shape, len(systems)), np.inf)
    for i, (name, items) in enumerate(zip(names, docs, strict=True)):
        place = {doc_id: j for j, doc_id in enumerate(items)}
        for s, system in enumerate(systems):
            for rank, doc_id in enumerate(pool.rankings[system].get(name, ()), 1):
                ranks[i, place[doc_id], s] = rank
    discounts = 1 / np.log2(ranks + 1)
    found = np.isfinite(ranks).sum(axis=2)
    near = np.searchsorted(RANKS, ranks.min(axis=2), side="right") - 1
    return Layout(
        names,
        docs,
        found > 0,
        discounts[:, :, 1:] - discounts[:, :, :1],
        near * TOGETHER + np.clip(found, 1, TOGETHER) - 1,
        1 / np.log2(np.arange(2, pool.depth + 2)),
    )


class GradeModel:
    """The chance of each grade by a document's best rank and by how many systems bring it up."""

    def __init__(self, of: Layout, seed: int) -> None:
        """Before any grade was given."""
        self._of = of
        self._draws = np.random.default_rng(seed).random((SAMPLES, of.there.shape[1]))
        groups = len(RANKS) * TOGETHER
        self.chances = np.tile(FIRST, (groups, 1))
        """Shape (groups, levels)."""

    def learn(self, rows: Sequence[int], grades: Grades) -> None:
        """Take the grades of these queries, and no others, for what is known."""
        known = self.known(rows, grades)
        levels = max(LEVELS, int(known.max(initial=0)) + 1)
        counts = np.zeros((len(self.chances), levels))
        given = known != UNKNOWN
        np.add.at(counts, (self._of.groups[list(rows)][given], known[given]), 1)
        prior = np.concatenate([FIRST, np.zeros(levels - LEVELS)]) * TRUST
        of_all = (counts.sum(axis=0) + prior) / (counts.sum() + TRUST)
        self.chances = (counts + TRUST * of_all) / (counts.sum(axis=1, keepdims=True) + TRUST)

    def known(self, rows: Sequence[int], grades: Grades) -> Places:
        """The grades of these rows of the layout, shape (rows, D); UNKNOWN where there is none."""
        found = np.full((len(rows), self._of.there.shape[1]), UNKNOWN, dtype=np.int64)
        for i, row in enumerate(rows):
            name = self._of.names[row]
            for j, doc_id in enumerate(self._of.docs[row]):
                found[i, j] = max(grades.get((name, doc_id), UNKNOWN), UNKNOWN)
        return found

    def guess(self, rows: Sequence[int], known: Places) -> Guess:
        """The gains in these rows of the layout; exact where all grades are known."""
        rows = list(rows)
        bounds = self.chances.cumsum(axis=1)[self._of.groups[rows]][..., :-1]
        drawn = (self._draws[:, :, np.newaxis] > bounds[:, np.newaxis]).sum(axis=3, dtype=np.int64)
        grades = np.where(known[:, np.newaxis] == UNKNOWN, drawn, known[:, np.newaxis])
        grades = grades * self._of.there[rows][:, np.newaxis]
        ideal = -np.sort(-grades, axis=2)[:, :, : len(self._of.discounts)]
        best = ideal @ self._of.discounts[: ideal.shape[2]]
        gained = np.matmul(grades.astype(np.float64), self._of.weights[rows])
        values = gained / np.where(best > 0, best, 1)[:, :, np.newaxis]
        return Guess(values.mean(axis=1), values.var(axis=1))

    def moves(self, rows: Sequence[int]) -> Values:
        """How much the grade of each document may move a gain: a variance, shape (rows, D)."""
        levels = np.arange(self.chances.shape[1])
        mean = self.chances @ levels
        variance = self.chances @ levels**2 - mean**2
        weights = (self._of.weights[list(rows)] ** 2).max(axis=2, initial=0.0)
        found: Values = variance[self._of.groups[list(rows)]] * weights
        return found
