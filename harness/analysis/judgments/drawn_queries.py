"""The queries of a pool that were drawn, what of them is to be judged, and what that says of all.

Of a drawn query the documents are judged that may move a gain most, until they hold COVERED of what
may; of one in so many, which a hash of its id and the seed draws, all others too: what they show
beyond what was predicted of them, over the chance WHOLE, corrects the rest without bias.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analysis.judgments.estimate import Draws, Estimate, estimate
from harness.analysis.judgments.grade_model import UNKNOWN, GradeModel, Guess, Places, layout
from harness.analysis.judgments.pool import Drawn, Grades, Pair, Pool
from harness.analysis.statistics.intervals import Columns

COVERED = 0.8
"""How much of what may move a query's gains is judged before it is left."""

WHOLE = 0.3
"""The chance that all documents of a query are judged, as long as there are queries to draw."""

FEWEST = 30
"""Draws before anything is said of all queries."""

LEARNT = (0, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560)
"""After so many draws the model of grades is made anew."""


class Learnt(NamedTuple):
    """What was known after some draws."""

    model: GradeModel
    guess: Guess
    """Of all queries, none of whose grades are looked at."""
    order: Places
    """Of each query its documents, what may move a gain most first."""
    least: Places
    """Of each query how many of them are judged at least."""


class DrawnQueries:
    """What draws and grades say of a pool; it stores nothing but what it worked out of them."""

    def __init__(self, pool: Pool, seed: int) -> None:
        """`seed` decides which queries are judged as a whole."""
        self.of, self._seed = layout(pool), seed
        self._row = {name: i for i, name in enumerate(self.of.names)}
        self._contenders = self.of.weights.shape[2]
        self._differs: NDArray[np.bool_] = np.any(self.of.weights != 0, axis=(1, 2))
        self._numbers = np.array([_number(seed, name) for name in self.of.names])
        self._learnt: dict[tuple[object, ...], Learnt] = {}

    def to_draw(
        self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]
    ) -> list[int]:
        """The rows of queries that may be drawn: of the others the gains are known, as judged or 0."""
        there = {drawn.query_id for drawn in draws}
        return [
            row
            for row, name in enumerate(self.of.names)
            if name not in there and self._differs[row] and self.left(name, grades, skipped)
        ]

    def left(self, query_id: str, grades: Grades, skipped: Collection[Pair]) -> list[str]:
        """The documents of a query that are neither judged nor skipped."""
        pairs = [(query_id, doc_id) for doc_id in self.of.docs[self._row[query_id]]]
        return [pair[1] for pair in pairs if pair not in grades and pair not in skipped]

    def wanted(
        self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]
    ) -> Iterator[list[str]]:
        """For each draw what is still to be judged of it, what moves most first."""
        for start, now in self._epochs(draws):
            learnt = self.learnt(draws[:start], grades)
            for query_id, _ in now:
                row = self._row[query_id]
                docs = self.of.docs[row]
                count = len(docs) if self._numbers[row] < WHOLE else learnt.least[row]
                pairs = [(query_id, docs[place]) for place in learnt.order[row, :count]]
                yield [pair[1] for pair in pairs if pair not in grades and pair not in skipped]

    def finished(
        self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]
    ) -> Sequence[Drawn]:
        """The draws before the first of which something is still to be judged."""
        for i, left in enumerate(self.wanted(draws, grades, skipped)):
            if left:
                return draws[:i]
        return draws

    def waiting(
        self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]
    ) -> tuple[int, str]:
        """How many draws are judged and do not count, because one before them is not; and that one."""
        open_ = [bool(left) for left in self.wanted(draws, grades, skipped)]
        if True not in open_:
            return 0, ""
        first = open_.index(True)
        return open_[first:].count(False), draws[first].query_id

    def beyond(
        self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]
    ) -> list[Pair]:
        """What is left of drawn queries, one after the other: for when no query is left to draw."""
        names = sorted((drawn.query_id for drawn in draws), key=self._number_of)
        return [(name, doc) for name in names for doc in self.left(name, grades, skipped)]

    def whole(self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]) -> float:
        """The chance that a drawn query is judged as a whole: WHOLE, and more when none is left to draw.

        Queries become whole in the order of numbers that are drawn, so that it is a chance still.
        """
        if self.to_draw(draws, grades, skipped):
            return WHOLE
        first = next(iter(self.beyond(draws, grades, skipped)), None)
        return 1.0 if first is None else max(WHOLE, self._number_of(first[0]))

    def _number_of(self, query_id: str) -> float:
        return float(self._numbers[self._row[query_id]])

    def _epochs(self, draws: Sequence[Drawn]) -> Iterator[tuple[int, Sequence[Drawn]]]:
        """The draws between one model and the next, with the number of those before."""
        for start, end in zip(LEARNT, (*LEARNT[1:], max(len(draws), LEARNT[-1])), strict=True):
            if now := draws[start:end]:
                yield start, now

    def estimate(
        self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]
    ) -> Estimate | None:
        """The mean gains of the contenders; None before anything is known.

        A draw counts when all that is to be judged of it is judged or skipped, and all before it are.
        """
        draws = self.finished(draws, grades, skipped)
        rest = self.to_draw(draws, grades, skipped)
        if rest and not draws:
            return None
        rows = [self._row[drawn.query_id] for drawn in draws]
        drawn = {*rest, *rows}
        sure = [row for row in range(len(self.of.names)) if row not in drawn]
        model = self.learnt(draws, grades).model
        certain = model.guess(sure, model.known(sure, grades)).mean
        whole = self.whole(draws, grades, skipped)
        parts = list(self._parts(draws, rows, rest, grades, whole))
        empty = np.zeros((0, self._contenders))
        each = [np.concatenate([empty, *(part[i] for part in parts)]) for i in range(4)]
        chances = np.array([drawn.chance for drawn in draws])
        return estimate(Draws(chances, *each), len(drawn), certain)

    def measured(
        self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]
    ) -> tuple[Sequence[Drawn], Columns]:
        """The finished draws, and of each an unbiased estimate of every contender's gain."""
        done = self.finished(draws, grades, skipped)
        rows = [self._row[drawn.query_id] for drawn in done]
        whole = self.whole(done, grades, skipped)
        parts = [part[0] for part in self._parts(done, rows, [], grades, whole)]
        return done, np.concatenate([np.zeros((0, self._contenders)), *parts])

    def _parts(
        self,
        draws: Sequence[Drawn],
        rows: Sequence[int],
        rest: Sequence[int],
        grades: Grades,
        whole: float,
    ) -> Iterator[tuple[Columns, ...]]:
        """Of the draws between two models what `Draws` has: measured, predicted, left and noise."""
        for start, of_model in self._epochs(draws):
            end = start + len(of_model)
            now, learnt = list(rows[start:end]), self.learnt(draws[:start], grades)
            known = learnt.model.known(now, grades)
            first = np.full_like(known, UNKNOWN)
            for i, row in enumerate(now):
                places = learnt.order[row, : learnt.least[row]]
                first[i, places] = known[i, places]
            part = learnt.model.guess(now, first).mean
            surprise = learnt.model.guess(now, known).mean - part
            surprise *= (self._numbers[now] < whole)[:, np.newaxis]
            predicted = learnt.guess.mean[now]
            later = learnt.guess.mean[[*rows[end:], *rest]].sum(axis=0)
            left = later + predicted[::-1].cumsum(axis=0)[::-1]
            noise = np.sqrt(1 - whole) / whole * surprise
            yield part + surprise / whole, predicted, left, noise

    def learnt(self, draws: Sequence[Drawn], grades: Grades) -> Learnt:
        """What was known when so many queries had been drawn, from the last time the model was made."""
        count = max(count for count in LEARNT if count <= len(draws))
        names = tuple(drawn.query_id for drawn in draws[:count])
        seen = [grades.get((name, doc)) for name in names for doc in self.of.docs[self._row[name]]]
        if (key := (names, *seen)) not in self._learnt:
            model = GradeModel(self.of, self._seed)
            if names:
                model.learn([self._row[name] for name in names], grades)
            rows = range(len(self.of.names))
            nothing = np.full(self.of.there.shape, UNKNOWN, dtype=np.int64)
            moves = model.moves(rows)
            order = np.argsort(-moves, axis=1, kind="stable")
            reached = np.take_along_axis(moves, order, axis=1).cumsum(axis=1)
            count = (reached < COVERED * reached[:, -1:]).sum(axis=1) + 1
            self._learnt[key] = Learnt(model, model.guess(rows, nothing), order, count)
        return self._learnt[key]


def _number(seed: int, query_id: str) -> float:
    """A number from 0 to 1 that is the query's own."""
    found = hashlib.sha256(f"{seed}\0{query_id}".encode()).digest()
    return int.from_bytes(found[:8]) / 2**64
